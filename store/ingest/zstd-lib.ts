/** zstd by the machine's libzstd, called in this process. */
import { type LibZstd, addressOf } from "../native/libraries.js";
import type { Inflater } from "./inflate.js";
import type { ByteSource } from "./ring.js";
import { damagedZstd } from "./zstd-frames.js";

/** Streaming by libzstd. Its default limit of a 128 MiB window is the memory bound. */
export class LibZstdInflater implements Inflater {
  readonly isFast = true;
  readonly #zstd: LibZstd;
  readonly #source: ByteSource;
  readonly #stream: unknown;
  // ZSTD_inBuffer and ZSTD_outBuffer: pointer, size, position.
  readonly #in = Buffer.from(new ArrayBuffer(24 + 64), 0, 24);
  readonly #out = Buffer.from(new ArrayBuffer(24 + 64), 0, 24);
  #input: Uint8Array = new Uint8Array(0);
  #inputEnded = false;
  /** What the last call hinted: 0 exactly at the end of a frame. */
  #insideFrame = false;
  #closed = false;

  constructor(library: LibZstd, source: ByteSource) {
    this.#zstd = library;
    this.#source = source;
    this.#stream = library.ZSTD_createDStream();
  }

  read(into: Uint8Array): number {
    for (;;) {
      if (this.#input.length === 0 && !this.#inputEnded) {
        const next = this.#source.next();
        if (next === undefined) this.#inputEnded = true;
        else this.#input = next;
      }
      // Without input a call only flushes what the decoder still holds.
      const hadInput = this.#input.length > 0;
      if (!hadInput && this.#inputEnded && !this.#insideFrame) return 0;
      const produced = this.#decompress(into);
      if (produced > 0) return produced;
      if (!hadInput && this.#inputEnded && this.#insideFrame) {
        throw damagedZstd("unexpected end of file");
      }
    }
  }

  #decompress(into: Uint8Array): number {
    this.#in.writeBigUInt64LE(
      this.#input.length === 0 ? 0n : BigInt(addressOf(this.#input)),
      0,
    );
    this.#in.writeBigUInt64LE(BigInt(this.#input.length), 8);
    this.#in.writeBigUInt64LE(0n, 16);
    this.#out.writeBigUInt64LE(BigInt(addressOf(into)), 0);
    this.#out.writeBigUInt64LE(BigInt(into.length), 8);
    this.#out.writeBigUInt64LE(0n, 16);
    const hint = this.#zstd.ZSTD_decompressStream(
      this.#stream,
      this.#out,
      this.#in,
    );
    if (this.#zstd.ZSTD_isError(hint) !== 0) {
      throw damagedZstd(this.#zstd.ZSTD_getErrorName(hint));
    }
    this.#insideFrame = Number(hint) !== 0;
    this.#input = this.#input.subarray(Number(this.#in.readBigUInt64LE(16)));
    return Number(this.#out.readBigUInt64LE(16));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#zstd.ZSTD_freeDStream(this.#stream);
  }
}
