/**
 * Reads `tar-split.json.gz` entry by entry, and notes on the way what dockerd
 * would not have written like this. Synchronous, in a worker.
 */
import { closeSync, readSync } from "node:fs";
import { usableIsal, IsalGunzip } from "../../ingest/gunzip-isal.js";
import { ZlibGunzip } from "../../ingest/gunzip-zlib.js";
import type { Inflater } from "../../ingest/inflate.js";
import type { ByteSource } from "../../ingest/ring.js";
import { openFile } from "../../read.js";

/** Raw bytes of the archive. */
export interface Segment {
  readonly type: "segment";
  readonly bytes: Buffer;
}

/** A member; with a size above 0 its content is in the file of that name. */
export interface Listed {
  readonly type: "file";
  /** Binary, verbatim from the archive. */
  readonly name: string;
  readonly size: number;
  /** CRC-64 in base64; undefined where the entry has none. */
  readonly checksum: string | undefined;
}

export type RecordEntry = Segment | Listed;

/** The record ends here: what follows cannot be read. */
export class RecordDamage extends Error {
  override readonly name = "RecordDamage";
}

const PIECE_BYTES = 128 * 1024;
const COMPRESSED_PIECE_BYTES = 64 * 1024;
/** No line is longer: headers of one member have at most 8 MiB, in base64. */
const MAX_LINE_BYTES = 32 * 1024 * 1024;
const NEWLINE = 0x0a;
const NOT_BASE64 = /[^A-Za-z0-9+/=]/;

export class RecordReader {
  readonly #fd: number;
  readonly #inflater: Inflater;
  readonly #note: (message: string) => void;
  readonly #piece = Buffer.from(new ArrayBuffer(PIECE_BYTES));
  readonly #trailer = Buffer.alloc(4);
  #text: Buffer = Buffer.alloc(0);
  #inflated = 0;
  #isEmpty = true;
  #ended = false;
  #position = 0;
  #misplaced = false;

  /**
   * @param note told of what is wrong but does not keep dockerd from reading on
   * @throws the failed system call, when the file cannot be opened
   */
  constructor(path: string, note: (message: string) => void) {
    this.#fd = openFile(path);
    this.#note = note;
    const source = this.#compressed();
    const library = usableIsal();
    this.#inflater = library
      ? new IsalGunzip(library, source)
      : new ZlibGunzip(source);
  }

  /** The next entry; undefined at the end. @throws RecordDamage */
  next(): RecordEntry | undefined {
    for (;;) {
      const end = this.#text.indexOf(NEWLINE);
      if (end >= 0) {
        const line = this.#text.subarray(0, end);
        this.#text = this.#text.subarray(end + 1);
        if (line.length > 0) return this.#entry(line);
        this.#note("it has an empty line");
      } else if (!this.#more()) {
        return this.#last();
      }
    }
  }

  #last(): RecordEntry | undefined {
    if (this.#text.length === 0) return undefined;
    const line = this.#text;
    this.#text = line.subarray(line.length);
    this.#note("its last line does not end in a line break");
    return this.#entry(line);
  }

  #more(): boolean {
    if (this.#ended) return false;
    if (this.#text.length > MAX_LINE_BYTES) throw this.#bad("is too long");
    let length: number;
    try {
      length = this.#inflater.read(this.#piece);
    } catch (error) {
      throw new RecordDamage((error as Error).message, { cause: error });
    }
    if (length === 0) {
      this.#ended = true;
      this.#checkTrailer();
      return false;
    }
    this.#inflated = (this.#inflated + length) % 2 ** 32;
    this.#text = Buffer.concat([this.#text, this.#piece.subarray(0, length)]);
    return true;
  }

  /** A stream that zeros follow inflates all the same, but not in Go. */
  #checkTrailer(): void {
    if (this.#isEmpty) throw new RecordDamage("it is empty");
    if (this.#trailer.readUInt32LE() === this.#inflated) return;
    throw new RecordDamage("something follows the end of the gzip stream");
  }

  #entry(line: Buffer): RecordEntry {
    let entry: unknown;
    try {
      entry = JSON.parse(line.toString());
    } catch (error) {
      throw this.#bad("is not JSON", error);
    }
    if (typeof entry !== "object" || entry === null) {
      throw this.#bad("is no entry");
    }
    const fields = entry as Readonly<Record<string, unknown>>;
    if (fields["position"] !== this.#position && !this.#misplaced) {
      this.#misplaced = true;
      this.#note(
        `line ${this.#position + 1} has the position ${JSON.stringify(fields["position"])} instead of ${this.#position}`,
      );
    }
    const { type, payload = null } = fields;
    if (payload !== null && typeof payload !== "string") {
      throw this.#bad("has a payload that is no text");
    }
    if (payload !== null && !isBase64(payload)) {
      throw this.#bad("has a payload that is not base64");
    }
    if (type !== 1 && type !== 2) {
      throw this.#bad(`has the unknown type ${JSON.stringify(type)}`);
    }
    const result: RecordEntry =
      type === 2
        ? { type: "segment", bytes: Buffer.from(payload ?? "", "base64") }
        : this.#listed(fields, payload ?? undefined);
    this.#position += 1;
    return result;
  }

  #listed(
    { name, name_raw: raw, size = 0 }: Readonly<Record<string, unknown>>,
    checksum: string | undefined,
  ): Listed {
    if (!Number.isSafeInteger(size) || (size as number) < 0) {
      throw this.#bad("has a size that is none");
    }
    let binary: string;
    if (raw !== undefined && raw !== null && raw !== "") {
      if (typeof raw !== "string" || !isBase64(raw)) {
        throw this.#bad("has a name that is not base64");
      }
      binary = Buffer.from(raw, "base64").toString("latin1");
    } else if (name === undefined || typeof name === "string") {
      binary = Buffer.from(name ?? "").toString("latin1");
    } else {
      throw this.#bad("has a name that is no text");
    }
    return { type: "file", name: binary, size: size as number, checksum };
  }

  #bad(what: string, cause?: unknown): RecordDamage {
    return new RecordDamage(`line ${this.#position + 1} ${what}`, { cause });
  }

  /** The file's bytes; the last four of them are kept. */
  #compressed(): ByteSource {
    // Of what lives in the heap no address could be taken.
    const piece = Buffer.from(new ArrayBuffer(COMPRESSED_PIECE_BYTES));
    return {
      next: () => {
        const length = readSync(this.#fd, piece, 0, piece.length, null);
        if (length === 0) return undefined;
        this.#isEmpty = false;
        const read = piece.subarray(0, length);
        const kept = Buffer.concat([this.#trailer, read.subarray(-4)]);
        kept.copy(this.#trailer, 0, kept.length - 4);
        return read;
      },
    };
  }

  close(): void {
    this.#inflater.close();
    closeSync(this.#fd);
  }
}

/** Padded standard base64, as Go wants it. */
function isBase64(text: string): boolean {
  if (text.length % 4 !== 0 || NOT_BASE64.test(text)) return false;
  const padding = text.indexOf("=");
  return padding < 0 || text.slice(padding).length <= 2;
}
