/**
 * Optional shared libraries of the machine that make a pull faster. None is
 * required: each has a portable stand-in, and a library that does not pass its
 * own check at load is treated as absent.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

export type Koffi = typeof import("koffi");
let koffi: Koffi | undefined;

/** koffi itself, loaded at the first use: reading commands never pay for it. */
export function loadKoffi(): Koffi {
  if (koffi !== undefined) return koffi;
  const require = createRequire(import.meta.url);
  koffi = nativePart(require.resolve("koffi")) ?? (require("koffi") as Koffi);
  return koffi;
}

/** The C library of these is the one that the files there are made for, unless musl is here, too. */
const MUSL = { x64: "x86_64", arm64: "aarch64" } as Record<string, string>;

/**
 * koffi's native part is all of it that is needed. Its entry comes to it by four
 * modules, which takes three quarters of the time, in each thread. Where it
 * lies is not documented: if it is not there, the entry knows.
 * @param entry koffi's main file
 */
function nativePart(entry: string): Koffi | undefined {
  const { platform, arch } = process;
  const musl = MUSL[arch];
  if (platform !== "linux" || musl === undefined) return undefined;
  if (existsSync(`/lib/ld-musl-${musl}.so.1`)) return undefined;
  const own = join(dirname(entry), "node_modules/@koromix");
  const folder = existsSync(own) ? own : join(dirname(entry), "../@koromix");
  const file = `koffi-linux-${arch}/linux_${arch}/koffi.node`;
  const loaded = { exports: {} };
  try {
    process.dlopen(loaded, join(folder, file));
  } catch {
    return undefined;
  }
  return loaded.exports as Koffi;
}

/**
 * The address of a buffer's first byte. Valid while the buffer is referenced:
 * a buffer with a backing store of its own (all but tiny typed arrays, which
 * may live in the movable heap) stays where it is.
 */
export function addressOf(bytes: Uint8Array): number {
  copy ??= loadKoffi()
    .load(null)
    .func("uintptr_t memcpy(void *to, const void *from, size_t n)") as CopyCall;
  return copy(bytes, bytes, 0);
}
type CopyCall = (to: Uint8Array, from: Uint8Array, length: number) => number;
let copy: CopyCall | undefined;

/** Intel's ISA-L (soname 2): an inflate about twice as fast as zlib, and CRC-64. */
export interface Isal {
  isal_inflate_init(state: Uint8Array): void;
  isal_inflate_reset(state: Uint8Array): void;
  isal_inflate(state: Uint8Array): number;
  crc64_iso_refl(
    seed: number | bigint,
    data: Uint8Array,
    length: number,
  ): number | bigint;
}

/** libzstd (soname 1), for versions of Node without zstd of their own. */
export interface LibZstd {
  ZSTD_createDStream(): unknown;
  ZSTD_freeDStream(stream: unknown): number;
  ZSTD_decompressStream(
    stream: unknown,
    output: Uint8Array,
    input: Uint8Array,
  ): number | bigint;
  ZSTD_isError(code: number | bigint): number;
  ZSTD_getErrorName(code: number | bigint): string;
}

/** ISA-L, or `undefined` where it is absent or `TPULL_NATIVE=off` is set. */
export const isal: () => Isal | undefined = optional(
  "libisal.so.2",
  (load) => ({
    isal_inflate_init: load("void isal_inflate_init(void *state)"),
    isal_inflate_reset: load("void isal_inflate_reset(void *state)"),
    isal_inflate: load("int isal_inflate(void *state)"),
    crc64_iso_refl: load(
      "uint64_t crc64_iso_refl(uint64_t seed, const void *data, uint64_t n)",
    ),
  }),
);

/** libzstd, or `undefined` where it is absent or `TPULL_NATIVE=off` is set. */
export const libzstd: () => LibZstd | undefined = optional(
  "libzstd.so.1",
  (load) => ({
    ZSTD_createDStream: load("void *ZSTD_createDStream()"),
    ZSTD_freeDStream: load("size_t ZSTD_freeDStream(void *stream)"),
    ZSTD_decompressStream: load(
      "size_t ZSTD_decompressStream(void *stream, void *output, void *input)",
    ),
    ZSTD_isError: load("unsigned int ZSTD_isError(size_t code)"),
    ZSTD_getErrorName: load("const char *ZSTD_getErrorName(size_t code)"),
  }),
);

/** The compressing half of libzstd, since 1.4.0. */
export interface LibZstdCompressor {
  ZSTD_createCCtx(): unknown;
  ZSTD_freeCCtx(context: unknown): number;
  ZSTD_CCtx_setParameter(
    context: unknown,
    parameter: number,
    value: number,
  ): number | bigint;
  ZSTD_compressBound(length: number): number | bigint;
  ZSTD_compress2(
    context: unknown,
    output: Uint8Array,
    room: number,
    input: Uint8Array,
    length: number,
  ): number | bigint;
  ZSTD_isError(code: number | bigint): number;
  ZSTD_getErrorName(code: number | bigint): string;
}

/** The same for compressing, or `undefined`. */
export const libzstdCompressor: () => LibZstdCompressor | undefined = optional(
  "libzstd.so.1",
  (load) => ({
    ZSTD_createCCtx: load("void *ZSTD_createCCtx()"),
    ZSTD_freeCCtx: load("size_t ZSTD_freeCCtx(void *context)"),
    ZSTD_CCtx_setParameter: load(
      "size_t ZSTD_CCtx_setParameter(void *context, int parameter, int value)",
    ),
    ZSTD_compressBound: load("size_t ZSTD_compressBound(size_t length)"),
    ZSTD_compress2: load(
      "size_t ZSTD_compress2(void *context, void *output, size_t room, const void *input, size_t length)",
    ),
    ZSTD_isError: load("unsigned int ZSTD_isError(size_t code)"),
    ZSTD_getErrorName: load("const char *ZSTD_getErrorName(size_t code)"),
  }),
);

type Load = (prototype: string) => never;

function optional<Library>(
  soname: string,
  bind: (load: Load) => Library,
): () => Library | undefined {
  let found: { library: Library | undefined } | undefined;
  return () => {
    found ??= { library: tryLoad(soname, bind) };
    return found.library;
  };
}

function tryLoad<Library>(
  soname: string,
  bind: (load: Load) => Library,
): Library | undefined {
  if (process.env["TPULL_NATIVE"] === "off") return undefined;
  try {
    const handle = loadKoffi().load(soname);
    return bind((prototype) => handle.func(prototype) as never);
  } catch {
    return undefined;
  }
}
