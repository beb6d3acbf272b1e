/**
 * Splits a tar stream into members, keeping every byte that is not payload:
 * those bytes are what tar-split records. The rules of where one record ends
 * and the next begins are tar-split's, down to its treatment of global pax
 * headers.
 */
import {
  BLOCK,
  type Extensions,
  type TarHeader,
  Type,
  blockSize,
  blockType,
  gnuText,
  invalidTar,
  memberHeader,
  parsePax,
} from "./tar-header.js";
import type { ByteSource } from "./ring.js";

/** Longest extended header: what Go's reader accepts. */
const MAX_EXTENDED_BYTES = 1024 * 1024;
/** Most bytes of headers for one member: they are held until it is known whose they are. */
const MAX_HEADERS_BYTES = 8 * 1024 * 1024;
const EMPTY = Buffer.alloc(0);
const ZERO_BLOCK = Buffer.alloc(BLOCK);

/** Sequential access to a source whose chunks end anywhere. */
export class TarInput {
  readonly #source: ByteSource;
  readonly #onChunk: (chunk: Uint8Array) => void;
  readonly #scratch = Buffer.allocUnsafe(BLOCK);
  #chunk: Buffer = EMPTY;
  #at = 0;
  /** Bytes of the stream up to the end of the chunk. */
  #seen = 0;
  #ended = false;

  /** @param onChunk sees every byte of the stream once, in order (for the diff ID) */
  constructor(source: ByteSource, onChunk: (chunk: Uint8Array) => void) {
    this.#source = source;
    this.#onChunk = onChunk;
  }

  /** Bytes that were taken so far. */
  get offset(): number {
    return this.#seen - (this.#chunk.length - this.#at);
  }

  #fill(): boolean {
    while (this.#at === this.#chunk.length) {
      if (this.#ended) return false;
      const next = this.#source.next();
      if (next === undefined) {
        this.#ended = true;
        this.#chunk = EMPTY;
        this.#at = 0;
        return false;
      }
      this.#onChunk(next);
      this.#seen += next.length;
      this.#chunk = Buffer.from(next.buffer, next.byteOffset, next.byteLength);
      this.#at = 0;
    }
    return true;
  }

  /** Up to `most` bytes in one piece, valid until the next call; empty at the end. */
  some(most: number): Buffer {
    if (most === 0 || !this.#fill()) return EMPTY;
    const end = Math.min(this.#at + most, this.#chunk.length);
    const piece = this.#chunk.subarray(this.#at, end);
    this.#at = end;
    return piece;
  }

  /** `length` bytes, fewer only at the end of the stream; valid until the next call. */
  exactly(length: number): Buffer {
    const first = this.some(length);
    if (first.length === length || first.length === 0) return first;
    const whole =
      length <= this.#scratch.length
        ? this.#scratch.subarray(0, length)
        : Buffer.allocUnsafe(length);
    let filled = first.copy(whole);
    while (filled < length) {
      const more = this.some(length - filled);
      if (more.length === 0) break;
      filled += more.copy(whole, filled);
    }
    return whole.subarray(0, filled);
  }
}

/** A growing run of raw bytes. */
export class RawBytes {
  #buffer = Buffer.allocUnsafe(4096);
  #length = 0;

  append(bytes: Uint8Array): void {
    const wanted = this.#length + bytes.length;
    if (wanted > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(
        Math.max(wanted, this.#buffer.length * 2),
      );
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = wanted;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }
}

export class TarReader {
  /** Bytes since the last payload: padding, then headers. The caller records and clears them. */
  readonly raw: RawBytes = new RawBytes();
  readonly #input: TarInput;
  #payloadLeft = 0;
  #padding = 0;

  constructor(input: TarInput) {
    this.#input = input;
  }

  /**
   * The next member, or `undefined` at the end of the archive. A global pax
   * header is a member of type `g` without payload.
   * @throws TpullError `LAYER_INVALID`
   */
  next(): TarHeader | undefined {
    if (this.#payloadLeft > 0) throw new Error("payload was not read");
    if (!this.#skipPadding()) return undefined;
    let extensions: Extensions = {};
    for (;;) {
      const block = this.#block();
      if (block === undefined) return undefined;
      const type = blockType(block);
      if (type === Type.paxGlobal) {
        const header = memberHeader(block, type, {});
        const data = this.#extended(blockSize(block));
        this.raw.append(data);
        // Its records are about no member, but a path among them is its own name.
        header.name = parsePax(data).get("path") || header.name;
        header.size = 0;
        return header;
      }
      if (
        type === Type.paxHeader ||
        type === Type.gnuLongName ||
        type === Type.gnuLongLink
      ) {
        const data = this.#extended(blockSize(block));
        this.raw.append(data);
        extensions = { ...extensions, ...extensionOf(type, data) };
        if (!this.#skipPadding())
          throw invalidTar("it ends inside an extended header");
        continue;
      }
      const header = memberHeader(block, type, extensions);
      this.#payloadLeft = header.size;
      this.#padding = -header.size & (BLOCK - 1);
      return header;
    }
  }

  /** The next piece of the current member's payload; empty once it is all read. */
  payload(): Buffer {
    const piece = this.#input.some(this.#payloadLeft);
    if (piece.length === 0 && this.#payloadLeft > 0) {
      throw invalidTar("it ends inside a member's content");
    }
    this.#payloadLeft -= piece.length;
    return piece;
  }

  /** Whatever follows the end of the archive, in pieces; empty at the end of the stream. */
  trailing(most: number): Buffer {
    return this.#input.some(most);
  }

  /** One header block, or `undefined` at the end-of-archive marker or the end of the stream. */
  #block(): Buffer | undefined {
    const block = this.#input.exactly(BLOCK);
    if (block.length === 0) return undefined;
    if (block.length < BLOCK) throw invalidTar("it ends inside a header");
    this.raw.append(block);
    if (block[0] !== 0 || !block.equals(ZERO_BLOCK)) return block;
    const second = this.#input.exactly(BLOCK);
    if (second.length === 0) return undefined; // one zero block then the end is tolerated
    if (second.length < BLOCK)
      throw invalidTar("it ends inside the end-of-archive marker");
    this.raw.append(second);
    if (second.equals(ZERO_BLOCK)) return undefined;
    throw invalidTar("a zero block is followed by more members");
  }

  #extended(size: number): Buffer {
    if (size > MAX_EXTENDED_BYTES) {
      throw invalidTar(
        `an extended header has ${size} bytes (at most ${MAX_EXTENDED_BYTES})`,
      );
    }
    if (this.raw.bytes.length + size > MAX_HEADERS_BYTES) {
      throw invalidTar("a member has too many extended headers");
    }
    const data = this.#input.exactly(size);
    if (data.length < size)
      throw invalidTar("it ends inside an extended header");
    this.#padding = -size & (BLOCK - 1);
    return data;
  }

  /** False when the stream ends in the padding, which ends the archive without complaint. */
  #skipPadding(): boolean {
    if (this.#padding === 0) return true;
    const padding = this.#input.exactly(this.#padding);
    this.raw.append(padding);
    const whole = padding.length === this.#padding;
    this.#padding = 0;
    return whole;
  }
}

function extensionOf(type: string, data: Buffer): Extensions {
  if (type === Type.paxHeader) return { pax: parsePax(data) };
  return type === Type.gnuLongName
    ? { gnuName: gnuText(data) }
    : { gnuLink: gnuText(data) };
}
