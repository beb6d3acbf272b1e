/**
 * Follows a zstd stream from frame to frame (RFC 8878) without decompressing
 * it: for decoders that bound no window and do not say where a stream ends.
 */
import { TpullError } from "../errors.js";

/** What libzstd allows unless told otherwise: the memory a decoder may need. */
const MAX_WINDOW_BYTES = 128 * 1024 * 1024;

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50; // to ...5f
const LAST_BLOCK = 1;
const RLE = 1;

const WINDOW_BYTES_OF = [0, 1, 2, 4]; // of the dictionary ID, by its flag
const CONTENT_SIZE_BYTES_OF = [0, 2, 4, 8];

type Part = "frame" | "skippable" | "header" | "block";

export class ZstdFrames {
  /** Bytes of the stream that are looked at next, as far as they have come. */
  readonly #head = Buffer.alloc(18);
  #filled = 0;
  #wanted = 4;
  #part: Part = "frame";
  /** Bytes to pass over before that. */
  #skip = 0;
  #checksum = false;

  /** Whether a frame has begun and not ended. */
  get inside(): boolean {
    return this.#part !== "frame" || this.#filled > 0 || this.#skip > 0;
  }

  /** @throws TpullError `LAYER_INVALID` for what is no zstd or needs too much memory */
  follow(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#skip > 0) {
        const passed = Math.min(this.#skip, chunk.length - at);
        this.#skip -= passed;
        at += passed;
        continue;
      }
      const missing = this.#wanted - this.#filled;
      const piece = chunk.subarray(at, at + missing);
      this.#head.set(piece, this.#filled);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#filled === this.#wanted) this.#look();
    }
  }

  #next(part: Part, wanted: number, skip = 0): void {
    this.#part = part;
    this.#wanted = wanted;
    this.#skip = skip;
    this.#filled = 0;
  }

  #look(): void {
    const head = this.#head;
    switch (this.#part) {
      case "frame": {
        const magic = head.readUInt32LE(0);
        if (magic === MAGIC) this.#next("header", 1);
        else if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) {
          this.#next("skippable", 4);
        } else throw damagedZstd("unknown frame");
        return;
      }
      case "skippable":
        this.#next("frame", 4, head.readUInt32LE(0));
        return;
      case "header":
        this.#header();
        return;
      case "block": {
        const block = head.readUIntLE(0, 3);
        const size = ((block >> 1) & 3) === RLE ? 1 : block >> 3;
        if ((block & LAST_BLOCK) === 0) this.#next("block", 3, size);
        else this.#next("frame", 4, size + (this.#checksum ? 4 : 0));
      }
    }
  }

  #header(): void {
    const head = this.#head;
    const flags = head[0] ?? 0;
    const single = (flags & 0x20) !== 0;
    const dictionary = WINDOW_BYTES_OF[flags & 3] ?? 0;
    const content = single
      ? Math.max(1, CONTENT_SIZE_BYTES_OF[flags >> 6] ?? 0)
      : (CONTENT_SIZE_BYTES_OF[flags >> 6] ?? 0);
    const length = 1 + (single ? 0 : 1) + dictionary + content;
    if (this.#filled < length) {
      this.#wanted = length;
      return;
    }
    if (windowBytes(head, single, content, length) > MAX_WINDOW_BYTES) {
      throw damagedZstd("frame requires too much memory for decoding");
    }
    this.#checksum = (flags & 4) !== 0;
    this.#next("block", 3);
  }
}

/** A frame of a single segment is its own window. */
function windowBytes(
  head: Buffer,
  single: boolean,
  content: number,
  length: number,
): number {
  if (single) {
    const at = length - content;
    if (content === 8) return Number(head.readBigUInt64LE(at));
    return head.readUIntLE(at, content) + (content === 2 ? 256 : 0);
  }
  const descriptor = head[1] ?? 0;
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

/** The error for a stream that cannot be decompressed. */
export function damagedZstd(reason: string, cause?: unknown): TpullError {
  return new TpullError(
    "LAYER_INVALID",
    `the zstd stream is damaged: ${reason}`,
    { cause },
  );
}
