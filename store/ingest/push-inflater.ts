/**
 * Turns a decompressor that is pushed input and calls back with output into
 * one that is pulled. Output of one push is queued, so pushes are kept small:
 * a slice of hostile input may grow a thousandfold.
 */
import type { Inflater } from "./inflate.js";
import type { ByteSource } from "./ring.js";

export interface PushDecompressor {
  /** Takes all of `chunk`, handing output to the callback it was made with. */
  push(chunk: Uint8Array): void;
  /** No more input: checks that the stream was whole. */
  finish(): void;
  close(): void;
}

/** What minizlib's streams have in common. */
interface MinizlibStream {
  write(chunk: Buffer): unknown;
  readonly handle: unknown;
  readonly sawError: boolean;
}

/**
 * Writes to a decompressor of minizlib.
 * @returns how many bytes it took: it may stop at the end of a frame
 */
export function writeTo(stream: MinizlibStream, chunk: Uint8Array): number {
  // It keeps a reference only during the call, but insists on a Buffer.
  stream.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  if (stream.sawError) return chunk.length;
  // Node's own stream, which minizlib drives, counts what the last call took.
  const { bytesWritten } = stream.handle as { bytesWritten: number };
  if (bytesWritten === 0 && chunk[0] !== 0) {
    throw new Error("a decompressor made no progress");
  }
  return bytesWritten;
}

export class PushInflater implements Inflater {
  readonly isFast = false;
  readonly #source: ByteSource;
  readonly #decompressor: PushDecompressor;
  readonly #sliceBytes: number;
  readonly #queue: Uint8Array[] = [];
  #input: Uint8Array = new Uint8Array(0);
  #ended = false;

  /** @param sliceBytes longest input given to one push */
  constructor(
    source: ByteSource,
    sliceBytes: number,
    make: (output: (chunk: Uint8Array) => void) => PushDecompressor,
  ) {
    this.#source = source;
    this.#sliceBytes = sliceBytes;
    this.#decompressor = make((chunk) => {
      if (chunk.length > 0) this.#queue.push(chunk);
    });
  }

  read(into: Uint8Array): number {
    while (this.#queue.length === 0) {
      if (this.#ended) return 0;
      this.#pump();
    }
    let filled = 0;
    while (filled < into.length) {
      const chunk = this.#queue[0];
      if (chunk === undefined) break;
      const length = Math.min(chunk.length, into.length - filled);
      into.set(chunk.subarray(0, length), filled);
      filled += length;
      if (length === chunk.length) this.#queue.shift();
      else this.#queue[0] = chunk.subarray(length);
    }
    return filled;
  }

  #pump(): void {
    if (this.#input.length === 0) {
      const next = this.#source.next();
      if (next === undefined) {
        this.#ended = true;
        this.#decompressor.finish();
        return;
      }
      this.#input = next;
    }
    const slice = this.#input.subarray(0, this.#sliceBytes);
    this.#input = this.#input.subarray(slice.length);
    this.#decompressor.push(slice);
  }

  close(): void {
    this.#decompressor.close();
    this.#queue.length = 0;
  }
}
