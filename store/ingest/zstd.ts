/**
 * zstd layers: by the machine's libzstd where it is installed, else by Node's
 * own decoder where it has one (22.15 and later), else by fzstd in JavaScript.
 */
import { createRequire } from "node:module";
import * as zlib from "node:zlib";
import { TpullError } from "../errors.js";
import { type LibZstd, addressOf, libzstd } from "../native/libraries.js";
import type { Inflater } from "./inflate.js";
import { PushInflater } from "./push-inflater.js";
import type { ByteSource } from "./ring.js";

/** A run-length block of 4 bytes yields up to 128 KiB, so slices are short: at most 128 MiB of output for one. */
const SLICE_BYTES = 4 * 1024;

export function zstdInflater(source: ByteSource): Inflater {
  const library = libzstd();
  if (library) return new LibZstdInflater(library, source);
  return "ZstdDecompress" in zlib
    ? new PushInflater(source, SLICE_BYTES, nodeDecompressor)
    : new PushInflater(source, SLICE_BYTES, javascriptDecompressor);
}

function damaged(reason: string, cause?: unknown): TpullError {
  return new TpullError(
    "LAYER_INVALID",
    `the zstd stream is damaged: ${reason}`,
    { cause },
  );
}

/** Streaming by libzstd. Its default limit of a 128 MiB window is the memory bound. */
class LibZstdInflater implements Inflater {
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
        throw damaged("unexpected end of file");
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
      throw damaged(this.#zstd.ZSTD_getErrorName(hint));
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

const require = createRequire(import.meta.url);

function nodeDecompressor(output: (chunk: Uint8Array) => void): {
  push(chunk: Uint8Array): void;
  finish(): void;
  close(): void;
} {
  const { ZstdDecompress } = require("minizlib") as typeof import("minizlib");
  const stream = new ZstdDecompress({} as object);
  let failure: unknown;
  stream.on("data", (chunk: Buffer) => output(chunk));
  stream.on("error", (error: unknown) => {
    failure = error;
  });
  const check = (): void => {
    if (failure !== undefined) {
      throw damaged((failure as Error).message, failure);
    }
  };
  return {
    push(chunk): void {
      stream.write(
        Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength),
      );
      check();
    },
    finish(): void {
      stream.end();
      check();
    },
    close(): void {
      stream.close();
    },
  };
}

function javascriptDecompressor(output: (chunk: Uint8Array) => void): {
  push(chunk: Uint8Array): void;
  finish(): void;
  close(): void;
} {
  const { Decompress } = require("fzstd") as typeof import("fzstd");
  const stream = new Decompress((chunk) => output(chunk));
  const push = (chunk: Uint8Array, last: boolean): void => {
    try {
      stream.push(chunk, last);
    } catch (error) {
      throw damaged((error as Error).message, error);
    }
  };
  return {
    // It keeps what it could not use yet, and our view is about to be reused.
    push: (chunk) => push(Uint8Array.from(chunk), false),
    finish: () => push(new Uint8Array(0), true),
    close(): void {},
  };
}
