/**
 * zstd layers: by the machine's libzstd where it is installed, else by Node's
 * own decoder where it has one (22.15 and later), else by fzstd in JavaScript.
 */
import { createRequire } from "node:module";
import * as zlib from "node:zlib";
import { libzstd } from "../native/libraries.js";
import type { Inflater } from "./inflate.js";
import {
  type PushDecompressor,
  PushInflater,
  writeTo,
} from "./push-inflater.js";
import type { ByteSource } from "./ring.js";
import { ZstdFrames, damagedZstd } from "./zstd-frames.js";
import { LibZstdInflater } from "./zstd-lib.js";

/** A run-length block of 4 bytes yields up to 128 KiB, so slices are short: at most 32 MiB of output for one. */
const SLICE_BYTES = 1024;

type Output = (chunk: Uint8Array) => void;

export function zstdInflater(source: ByteSource): Inflater {
  const library = libzstd();
  if (library) return new LibZstdInflater(library, source);
  return "ZstdDecompress" in zlib
    ? nodeZstdInflater(source)
    : javascriptZstdInflater(source);
}

/** By Node's own decoder; only where `node:zlib` has one. */
export function nodeZstdInflater(source: ByteSource): Inflater {
  return new PushInflater(source, SLICE_BYTES, framed(nodeDecompressor));
}

/** By fzstd. It does not verify the frames' checksums: a layer's diff ID has to. */
export function javascriptZstdInflater(source: ByteSource): Inflater {
  return new PushInflater(source, SLICE_BYTES, framed(javascriptDecompressor));
}

/** Adds what neither of them does: a bound for the window, and an end that is known to be one. */
function framed(
  make: (output: Output) => PushDecompressor,
): (output: Output) => PushDecompressor {
  return (output) => {
    const frames = new ZstdFrames();
    const inner = make(output);
    return {
      push(chunk): void {
        frames.follow(chunk);
        inner.push(chunk);
      },
      finish(): void {
        if (frames.inside) throw damagedZstd("unexpected end of file");
        inner.finish();
      },
      close: () => inner.close(),
    };
  };
}

const require = createRequire(import.meta.url);

function nodeDecompressor(output: Output): PushDecompressor {
  const { ZstdDecompress } = require("minizlib") as typeof import("minizlib");
  const stream = new ZstdDecompress({} as object);
  let failure: unknown;
  stream.on("data", (chunk: Buffer) => output(chunk));
  stream.on("error", (error: unknown) => {
    failure = error;
  });
  const check = (): void => {
    if (failure !== undefined) {
      const reason = (failure as Error).message.replace(/^zlib: /, "");
      throw damagedZstd(reason, failure);
    }
  };
  return {
    push(chunk): void {
      // It stops at the end of each frame.
      for (let rest = chunk; rest.length > 0;) {
        const taken = writeTo(stream, rest);
        check();
        rest = rest.subarray(taken);
      }
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

function javascriptDecompressor(output: Output): PushDecompressor {
  const { Decompress } = require("fzstd") as typeof import("fzstd");
  const stream = new Decompress((chunk) => output(chunk));
  const push = (chunk: Uint8Array, last: boolean): void => {
    try {
      stream.push(chunk, last);
    } catch (error) {
      throw damagedZstd((error as Error).message, error);
    }
  };
  return {
    // It keeps what it could not use yet, and our view is about to be reused.
    push: (chunk) => push(Uint8Array.from(chunk), false),
    finish: () => push(new Uint8Array(0), true),
    close(): void {},
  };
}
