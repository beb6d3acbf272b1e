/**
 * Writes `tar-split.json.gz`: all that is needed, together with the unpacked
 * files, to give a layer's tar back bit for bit. One JSON object a line:
 * segments (type 2) hold raw header bytes, file entries (type 1) stand for
 * content that is read back from the file of that name.
 */
import { isUtf8 } from "node:buffer";
import { writeSync } from "node:fs";
import { constants, crc32, deflateRawSync } from "node:zlib";
import { ioFailure } from "../io-error.js";

/** What Go's gzip writer puts first: no name, no time, unknown system. */
const GZIP_HEADER = Buffer.from("1f8b08000000000000ff", "hex");
/** An empty final deflate block. */
const DEFLATE_END = Buffer.from("0300", "hex");

/** Text is compressed in pieces, so that memory does not grow with the layer. */
const PIECE_BYTES = 256 * 1024;
/**
 * Headers are mostly zeros and compress well at any level; a higher one costs
 * time on layers of many small files and saves a few per cent of a small file.
 */
const LEVEL = 3;

/** Enough for all of a line but its name and its payload. */
const LINE_BYTES = 128;

/** @throws TpullError `DISK_FULL`, `STORE_IO_FAILED` from every method */
export class TarSplitWriter {
  readonly #fd: number;
  #text = Buffer.allocUnsafe(PIECE_BYTES);
  #length = 0;
  #position = 0;
  #crc = 0;
  #total = 0;

  /** @param fd open for writing; the caller closes it */
  constructor(fd: number) {
    this.#fd = fd;
    writeAll(fd, GZIP_HEADER);
  }

  /** Bytes that no file holds, as one line. An empty run writes nothing. */
  segment(raw: Buffer): void {
    if (raw.length === 0) return;
    const payload = raw.toString("base64");
    this.#reserve(payload.length + LINE_BYTES);
    this.#put('{"type":2,"payload":"');
    this.#put(payload);
    this.#endLine('","position":');
  }

  /**
   * A member. With a size above 0 its content is read back from the file of
   * this name and must have this checksum.
   * @param name binary, verbatim from the archive
   */
  file(name: string, size: number, crc: string): void {
    const label = nameField(name);
    this.#reserve(label.length + LINE_BYTES);
    this.#put(
      size === 0
        ? `{"type":1,${label}"payload":null`
        : `{"type":1,${label}"size":${size},"payload":"${crc}"`,
    );
    this.#endLine(',"position":');
  }

  #endLine(head: string): void {
    this.#put(`${head}${this.#position}}\n`);
    this.#position += 1;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes > this.#text.length) this.#flush(bytes);
  }

  /** @param bytes binary: one character a byte */
  #put(bytes: string): void {
    this.#length += this.#text.write(bytes, this.#length, "latin1");
  }

  #flush(room: number): void {
    if (this.#length > 0) {
      const text = this.#text.subarray(0, this.#length);
      this.#crc = crc32(text, this.#crc);
      this.#total = (this.#total + text.length) % 2 ** 32;
      // Each piece ends on a byte boundary, so the pieces form one stream.
      writeAll(
        this.#fd,
        deflateRawSync(text, {
          level: LEVEL,
          finishFlush: constants.Z_SYNC_FLUSH,
        }),
      );
      this.#length = 0;
    }
    if (room > this.#text.length) this.#text = Buffer.allocUnsafe(room);
  }

  /** Completes the stream. */
  end(): void {
    this.#flush(0);
    const trailer = Buffer.alloc(8);
    trailer.writeUInt32LE(this.#crc, 0);
    trailer.writeUInt32LE(this.#total, 4);
    writeAll(this.#fd, Buffer.concat([DEFLATE_END, trailer]));
  }
}

function writeAll(fd: number, bytes: Buffer): void {
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
  } catch (error) {
    throw ioFailure(error, "write a layer's tar-split.json.gz");
  }
}

// oxlint-disable-next-line no-control-regex -- exactly the characters Go's encoder changes
const NEEDS_CARE = /[\u0000-\u001f"\\<>&\u0080-\u00ff]/;

/** `"name":"…",` in UTF-8, or `"name_raw":"<base64>",` for names that are not; nothing for no name. Binary. */
function nameField(name: string): string {
  if (name === "") return "";
  if (!NEEDS_CARE.test(name)) return `"name":"${name}",`;
  const bytes = Buffer.from(name, "latin1");
  if (!isUtf8(bytes)) return `"name_raw":"${bytes.toString("base64")}",`;
  const text = goString(bytes.toString("utf8"));
  return `"name":${Buffer.from(text).toString("latin1")},`;
}

// oxlint-disable-next-line no-control-regex -- exactly the characters Go's encoder changes
const ESCAPED = /[\u0000-\u001f"\\<>&\u2028\u2029]/g;
const SHORT = new Map([
  ['"', '\\"'],
  ["\\", "\\\\"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);

/** A JSON string as Go's encoding/json writes it, HTML-safe. */
function goString(text: string): string {
  const escaped = text.replace(
    ESCAPED,
    (character) =>
      SHORT.get(character) ??
      `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}
