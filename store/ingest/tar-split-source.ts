/**
 * A stored layer's tar, given back bit for bit from `tar-split.json.gz` and
 * the files in `diff/`. Reads synchronously, in a worker.
 */
import { closeSync, readSync } from "node:fs";
import { TpullError, abortedError } from "../errors.js";
import { close } from "../native/libc.js";
import { openFile } from "../read.js";
import { LayerFiles } from "./layer-files.js";
import type { ByteSource } from "./ring.js";
import { shownName } from "./syscall-failure.js";
import { newGunzip } from "./sync-gunzip.js";

export interface StoredLayer {
  readonly diffDirectory: string;
  readonly tarSplitPath: string;
}

const PIECE_BYTES = 256 * 1024;
const COMPRESSED_PIECE_BYTES = 16 * 1024;
/** No line is longer: headers of one member have at most 8 MiB, in base64. */
const MAX_LINE_BYTES = 32 * 1024 * 1024;

interface Entry {
  readonly type: number;
  readonly name?: string;
  readonly name_raw?: string;
  readonly size?: number;
  readonly payload: string | null;
}

export class TarSplitSource implements ByteSource {
  readonly #files: LayerFiles;
  readonly #lines: Generator<string>;
  readonly #piece = Buffer.from(new ArrayBuffer(PIECE_BYTES));
  readonly #stopped: () => boolean;
  #fd = -1;
  /** Where in the open file to read on. */
  #position = 0;
  #left = 0;
  #name = "";
  /** What is left of a segment that was skipped in part. */
  #segment: Uint8Array | undefined;

  /**
   * @param stopped asked between pieces; true ends the stream with `ABORTED`
   * @throws TpullError `LAYER_DAMAGED` when the layer's directory cannot be opened
   */
  constructor(layer: StoredLayer, stopped: () => boolean) {
    this.#files = orDamaged(
      "the stored layer's directory cannot be opened",
      () => {
        return new LayerFiles(layer.diffDirectory);
      },
    );
    this.#lines = gzipLines(layer.tarSplitPath);
    this.#stopped = stopped;
  }

  /** @throws TpullError `ABORTED`; `LAYER_DAMAGED` when something of the layer cannot be read */
  next(): Uint8Array | undefined {
    if (this.#stopped()) throw abortedError();
    if (this.#segment !== undefined) {
      const rest = this.#segment;
      this.#segment = undefined;
      return rest;
    }
    for (;;) {
      if (this.#left > 0) return this.#content();
      const entry = this.#entry();
      if (entry === undefined) return undefined;
      if (entry.type === 2) {
        const raw = payloadOf(entry);
        if (raw.length > 0) return raw;
      } else if ((entry.size ?? 0) > 0) {
        this.#begin(entry, 0);
      }
    }
  }

  /**
   * Passes over bytes at the beginning, before the first {@link next}, without
   * opening the files whose content lies wholly among them.
   * @returns how many were passed over: fewer than `bytes` when the tar is shorter
   * @throws TpullError as {@link next}
   */
  skip(bytes: number): number {
    let skipped = 0;
    while (skipped < bytes) {
      if (this.#stopped()) throw abortedError();
      const entry = this.#entry();
      if (entry === undefined) break;
      const most = bytes - skipped;
      if (entry.type === 2) {
        const raw = payloadOf(entry);
        if (raw.length > most) this.#segment = raw.subarray(most);
        skipped += Math.min(raw.length, most);
      } else {
        const size = entry.size ?? 0;
        if (size > most) this.#begin(entry, most);
        skipped += Math.min(size, most);
      }
    }
    return skipped;
  }

  #entry(): Entry | undefined {
    const line = this.#lines.next();
    return line.done === true ? undefined : parseEntry(line.value);
  }

  /** Opens a file's content, to be read from `position` on. */
  #begin(entry: Entry, position: number): void {
    this.#name =
      entry.name_raw === undefined
        ? Buffer.from(entry.name ?? "", "utf8").toString("latin1")
        : Buffer.from(entry.name_raw, "base64").toString("latin1");
    this.#left = (entry.size ?? 0) - position;
    this.#position = position;
    const opened = this.#files.open(this.#name);
    if ("fd" in opened) {
      this.#fd = opened.fd;
      return;
    }
    const why = "missing" in opened ? opened.missing : "it is forbidden";
    throw damaged(`${this.#shown()} cannot be opened: ${why}`);
  }

  #content(): Uint8Array {
    const most = Math.min(this.#left, PIECE_BYTES);
    const length = orDamaged(`${this.#shown()} cannot be read`, () => {
      return readSync(this.#fd, this.#piece, 0, most, this.#position);
    });
    if (length === 0)
      throw damaged(`${this.#shown()} is shorter than recorded`);
    this.#position += length;
    this.#left -= length;
    if (this.#left === 0) {
      close(this.#fd);
      this.#fd = -1;
    }
    return this.#piece.subarray(0, length);
  }

  #shown(): string {
    return `the stored file ${shownName(this.#name)}`;
  }

  close(): void {
    if (this.#fd >= 0) close(this.#fd);
    this.#lines.return(undefined);
    this.#files.close();
  }
}

function damaged(message: string, cause?: unknown): TpullError {
  return new TpullError("LAYER_DAMAGED", message, { cause });
}

/** What fails in `work` is the stored layer's fault. */
function orDamaged<Result>(message: string, work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    throw damaged(`${message}: ${(cause as Error).message}`, cause);
  }
}

const BROKEN = "the stored layer's tar-split.json.gz is damaged";

function parseEntry(line: string): Entry {
  const entry = orDamaged(BROKEN, () => JSON.parse(line) as unknown);
  if (isEntry(entry)) return entry;
  throw damaged(`${BROKEN}: a line is no entry`);
}

function payloadOf({ payload }: Entry): Buffer {
  return Buffer.from(payload ?? "", "base64");
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== "object" || value === null) return false;
  const { type, size, payload, name, name_raw } = value as Partial<Entry>;
  return (
    (type === 1 || type === 2) &&
    (size === undefined || (Number.isSafeInteger(size) && size >= 0)) &&
    (payload === null || typeof payload === "string") &&
    (name === undefined || typeof name === "string") &&
    (name_raw === undefined || typeof name_raw === "string")
  );
}

/** The lines of a gzip file, read as they are asked for. */
function* gzipLines(path: string): Generator<string> {
  const fd = orDamaged(
    "the stored layer's tar-split.json.gz cannot be opened",
    () => {
      return openFile(path);
    },
  );
  const gunzip = newGunzip({});
  try {
    const output: Buffer[] = [];
    let broken: unknown;
    gunzip.on("data", (chunk: Buffer) => output.push(chunk));
    gunzip.on("error", (error: unknown) => {
      broken = error;
    });
    const piece = Buffer.allocUnsafe(COMPRESSED_PIECE_BYTES);
    let rest = "";
    for (;;) {
      const length = orDamaged(BROKEN, () => {
        return readSync(fd, piece, 0, piece.length, null);
      });
      if (length === 0) gunzip.end();
      else gunzip.write(Buffer.from(piece.subarray(0, length)));
      if (broken !== undefined) throw damaged(BROKEN, broken);
      // Lines are split on bytes: a character may straddle two pieces.
      const text = rest + Buffer.concat(output.splice(0)).toString("latin1");
      const lines = text.split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > MAX_LINE_BYTES) {
        throw damaged(BROKEN, new Error("a line has no end"));
      }
      for (const line of lines) yield fromBytes(line);
      if (length === 0) break;
    }
    if (rest !== "") yield fromBytes(rest);
  } finally {
    gunzip.close();
    closeSync(fd);
  }
}

function fromBytes(binary: string): string {
  return Buffer.from(binary, "latin1").toString("utf8");
}
