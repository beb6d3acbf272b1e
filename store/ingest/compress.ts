/**
 * Compressing a layer's tar. Synchronous, in a worker, and in pieces that know
 * nothing of each other, so that memory does not grow with the layer and the
 * same tar gives the same bytes however it arrives.
 */
import * as zlib from "node:zlib";
import { TpullError } from "../errors.js";
import { libzstdCompressor } from "../native/libraries.js";

export type Compression = "none" | "gzip" | "zstd";

export interface Compressor {
  push(bytes: Uint8Array): void;
  /** No more input: hands out what is left. */
  finish(): void;
  /** Frees what is held outside the heap. */
  close(): void;
}

/** Takes compressed bytes; a view that is valid during the call. */
type Emit = (bytes: Uint8Array) => void;

/** @throws TpullError `COMPRESSION_UNAVAILABLE` */
export function compressorFor(
  compression: Compression,
  emit: Emit,
): Compressor {
  switch (compression) {
    case "none":
      return { push: emit, finish: () => undefined, close: () => undefined };
    case "gzip":
      return new Gzip(emit);
    case "zstd":
      return new Zstd(emit);
  }
}

/** Collects input into pieces of one length. */
class Pieces {
  readonly #piece: Buffer;
  readonly #take: (piece: Buffer) => void;
  #length = 0;

  constructor(bytes: number, take: (piece: Buffer) => void) {
    this.#piece = Buffer.from(new ArrayBuffer(bytes));
    this.#take = take;
  }

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const room = this.#piece.length - this.#length;
      const part = bytes.subarray(at, at + room);
      this.#piece.set(part, this.#length);
      this.#length += part.length;
      at += part.length;
      if (this.#length === this.#piece.length) this.flush();
    }
  }

  flush(): void {
    if (this.#length === 0) return;
    const length = this.#length;
    this.#length = 0;
    this.#take(this.#piece.subarray(0, length));
  }
}

const GZIP_PIECE_BYTES = 1024 * 1024;
const GZIP_LEVEL = 6;
/** No name, no time, unknown system: what Go's gzip writer puts first. */
const GZIP_HEADER = Buffer.from("1f8b08000000000000ff", "hex");
/** An empty final deflate block. */
const DEFLATE_END = Buffer.from("0300", "hex");

/** One gzip member. The flush between pieces lets each be compressed by itself. */
class Gzip implements Compressor {
  readonly #emit: Emit;
  readonly #pieces: Pieces;
  #crc = 0;
  #total = 0;

  constructor(emit: Emit) {
    this.#emit = emit;
    this.#pieces = new Pieces(GZIP_PIECE_BYTES, (piece) =>
      this.#deflate(piece),
    );
    emit(GZIP_HEADER);
  }

  push(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
  }

  #deflate(piece: Buffer): void {
    this.#crc = zlib.crc32(piece, this.#crc);
    this.#total += piece.length;
    this.#emit(
      zlib.deflateRawSync(piece, {
        level: GZIP_LEVEL,
        finishFlush: zlib.constants.Z_FULL_FLUSH,
      }),
    );
  }

  finish(): void {
    this.#pieces.flush();
    const trailer = Buffer.alloc(8);
    trailer.writeUInt32LE(this.#crc, 0);
    trailer.writeUInt32LE(this.#total % 2 ** 32, 4);
    this.#emit(DEFLATE_END);
    this.#emit(trailer);
  }

  close(): void {}
}

const ZSTD_PIECE_BYTES = 4 * 1024 * 1024;
const ZSTD_LEVEL = 3;

interface ZstdPiece {
  compress(piece: Buffer): Uint8Array;
  close(): void;
}

/** A frame with a checksum for each piece. */
class Zstd implements Compressor {
  readonly #emit: Emit;
  readonly #pieces: Pieces;
  readonly #zstd: ZstdPiece = libZstdPiece() ?? nodeZstdPiece();
  #empty = true;

  constructor(emit: Emit) {
    this.#emit = emit;
    this.#pieces = new Pieces(ZSTD_PIECE_BYTES, (piece) => this.#frame(piece));
  }

  push(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
  }

  #frame(piece: Buffer): void {
    this.#empty = false;
    this.#emit(this.#zstd.compress(piece));
  }

  finish(): void {
    this.#pieces.flush();
    if (this.#empty) this.#frame(Buffer.alloc(0));
  }

  close(): void {
    this.#zstd.close();
  }
}

// ZSTD_cParameter of zstd.h
const COMPRESSION_LEVEL = 100;
const CHECKSUM_FLAG = 201;

/** By the machine's libzstd. */
function libZstdPiece(): ZstdPiece | undefined {
  const library = libzstdCompressor();
  if (library === undefined) return undefined;
  const context = library.ZSTD_createCCtx();
  library.ZSTD_CCtx_setParameter(context, COMPRESSION_LEVEL, ZSTD_LEVEL);
  library.ZSTD_CCtx_setParameter(context, CHECKSUM_FLAG, 1);
  const room = Number(library.ZSTD_compressBound(ZSTD_PIECE_BYTES));
  const output = Buffer.from(new ArrayBuffer(room));
  let open = true;
  return {
    compress(piece) {
      const length = library.ZSTD_compress2(
        context,
        output,
        output.length,
        piece,
        piece.length,
      );
      if (library.ZSTD_isError(length) !== 0) {
        throw new Error(`libzstd: ${library.ZSTD_getErrorName(length)}`);
      }
      return output.subarray(0, Number(length));
    },
    close() {
      if (open) library.ZSTD_freeCCtx(context);
      open = false;
    },
  };
}

type ZstdCompressSync = (
  bytes: Uint8Array,
  options: { params: Record<number, number> },
) => Buffer;

/** By Node's own zstd, which 22.15 and later have. */
function nodeZstdPiece(): ZstdPiece {
  const compress = (zlib as { zstdCompressSync?: ZstdCompressSync })
    .zstdCompressSync;
  if (compress === undefined) {
    throw new TpullError(
      "COMPRESSION_UNAVAILABLE",
      "layers cannot be compressed with zstd here: there is no libzstd, and this Node has no zstd of its own",
      { hint: "Install libzstd, use Node 22.15 or later, or --compress gzip." },
    );
  }
  const params = { [COMPRESSION_LEVEL]: ZSTD_LEVEL, [CHECKSUM_FLAG]: 1 };
  return { compress: (piece) => compress(piece, { params }), close() {} };
}
