/**
 * A stored layer's tar, given back bit for bit from `tar-split.json.gz` and
 * the files in `diff/`. Reads synchronously, in a worker.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { Gunzip } from "minizlib";
import { TpullError } from "../errors.js";
import { close, openat } from "../native/libc.js";
import { DirectoryWalk, cleanName } from "./directory-walk.js";
import type { ByteSource } from "./ring.js";
import { cString, failure, shownName } from "./syscall-failure.js";

export interface StoredLayer {
  readonly diffDirectory: string;
  readonly tarSplitPath: string;
}

const PIECE_BYTES = 256 * 1024;
const COMPRESSED_PIECE_BYTES = 16 * 1024;
const O_RDONLY_NOFOLLOW_NONBLOCK = 0o400000 | 0o4000;

interface Entry {
  readonly type: number;
  readonly name?: string;
  readonly name_raw?: string;
  readonly size?: number;
  readonly payload: string | null;
}

export class TarSplitSource implements ByteSource {
  readonly #walk: DirectoryWalk;
  readonly #lines: Generator<string>;
  readonly #piece = Buffer.from(new ArrayBuffer(PIECE_BYTES));
  readonly #stopped: () => boolean;
  #fd = -1;
  #left = 0;
  #name = "";

  /** @param stopped asked between pieces; true ends the stream with `ABORTED` */
  constructor(layer: StoredLayer, stopped: () => boolean) {
    this.#walk = new DirectoryWalk(layer.diffDirectory, false);
    this.#lines = gzipLines(layer.tarSplitPath);
    this.#stopped = stopped;
  }

  next(): Uint8Array | undefined {
    if (this.#stopped())
      throw new TpullError("ABORTED", "stopped before it was done");
    for (;;) {
      if (this.#left > 0) return this.#content();
      const line = this.#lines.next();
      if (line.done === true) return undefined;
      const entry = parseEntry(line.value);
      if (entry.type === 2) {
        const raw = Buffer.from(entry.payload ?? "", "base64");
        if (raw.length > 0) return raw;
      } else if ((entry.size ?? 0) > 0) {
        this.#name =
          entry.name_raw === undefined
            ? Buffer.from(entry.name ?? "", "utf8").toString("latin1")
            : Buffer.from(entry.name_raw, "base64").toString("latin1");
        this.#left = entry.size ?? 0;
        this.#fd = this.#open(this.#name);
      }
    }
  }

  #open(name: string): number {
    const { parts } = cleanName(name);
    const parent = this.#walk.open(parts.slice(0, -1), false);
    const base = parts.at(-1);
    if (parent === undefined || base === undefined)
      throw damaged(name, "is missing");
    const fd = openat(parent.fd, cString(base), O_RDONLY_NOFOLLOW_NONBLOCK);
    if (fd < 0) throw failure(fd, "open", name);
    return fd;
  }

  #content(): Uint8Array {
    const length = readSync(
      this.#fd,
      this.#piece,
      0,
      Math.min(this.#left, PIECE_BYTES),
      null,
    );
    if (length === 0) throw damaged(this.#name, "is shorter than recorded");
    this.#left -= length;
    if (this.#left === 0) {
      close(this.#fd);
      this.#fd = -1;
    }
    return this.#piece.subarray(0, length);
  }

  close(): void {
    if (this.#fd >= 0) close(this.#fd);
    this.#lines.return(undefined);
    this.#walk.close();
  }
}

function damaged(name: string, how: string): TpullError {
  return new TpullError(
    "LAYER_DAMAGED",
    `the stored file ${shownName(name)} ${how}`,
  );
}

function parseEntry(line: string): Entry {
  try {
    return JSON.parse(line) as Entry;
  } catch (cause) {
    throw new TpullError(
      "LAYER_DAMAGED",
      "the stored layer's tar-split.json.gz is damaged",
      { cause },
    );
  }
}

/** The lines of a gzip file, read as they are asked for. */
function* gzipLines(path: string): Generator<string> {
  const fd = openSync(path, "r");
  try {
    const gunzip = new Gunzip({});
    const output: Buffer[] = [];
    let broken: unknown;
    gunzip.on("data", (chunk: Buffer) => output.push(chunk));
    gunzip.on("error", (error: unknown) => {
      broken = error;
    });
    const piece = Buffer.allocUnsafe(COMPRESSED_PIECE_BYTES);
    let rest = "";
    for (;;) {
      const length = readSync(fd, piece, 0, piece.length, null);
      if (length === 0) gunzip.end();
      else gunzip.write(Buffer.from(piece.subarray(0, length)));
      if (broken !== undefined) {
        throw new TpullError(
          "LAYER_DAMAGED",
          "the stored layer's tar-split.json.gz is damaged",
          { cause: broken },
        );
      }
      // Lines are split on bytes: a character may straddle two pieces.
      const text = rest + Buffer.concat(output.splice(0)).toString("latin1");
      const lines = text.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines)
        yield Buffer.from(line, "latin1").toString("utf8");
      if (length === 0) return;
    }
  } finally {
    closeSync(fd);
  }
}
