/**
 * Binds the C library of this very process through koffi. Loading koffi takes
 * some ten milliseconds, so it happens at the first call: commands that only
 * read never pay for it.
 */
import { endianness } from "node:os";
import { TpullError } from "../errors.js";
import { type Koffi, loadKoffi } from "./libraries.js";

/** A path or an attribute name: bytes ending in NUL. */
export type CString = Uint8Array;

type Bytes = Uint8Array | bigint;

/** The functions as C has them: -1 and errno on failure. */
export interface Calls {
  openat(dir: number, path: CString, flags: number, mode: number): number;
  close(fd: number): number;
  write(fd: number, data: Bytes, length: number): number;
  pwrite(fd: number, data: Bytes, length: number, offset: number): number;
  ftruncate(fd: number, length: number): number;
  mkdirat(dir: number, path: CString, mode: number): number;
  mknodat(
    dir: number,
    path: CString,
    mode: number,
    device: number | bigint,
  ): number;
  symlinkat(target: CString, dir: number, path: CString): number;
  linkat(
    fromDir: number,
    from: CString,
    toDir: number,
    to: CString,
    flags: number,
  ): number;
  unlinkat(dir: number, path: CString, flags: number): number;
  renameat2(
    fromDir: number,
    from: CString,
    toDir: number,
    to: CString,
    flags: number,
  ): number;
  readlinkat(
    dir: number,
    path: CString,
    buffer: Uint8Array,
    size: number,
  ): number;
  fchownat(
    dir: number,
    path: CString,
    uid: number,
    gid: number,
    flags: number,
  ): number;
  fchown(fd: number, uid: number, gid: number): number;
  fchmod(fd: number, mode: number): number;
  fchmodat(dir: number, path: CString, mode: number, flags: number): number;
  utimensat(
    dir: number,
    path: CString,
    times: BigInt64Array,
    flags: number,
  ): number;
  futimens(fd: number, times: BigInt64Array): number;
  fsetxattr(
    fd: number,
    name: CString,
    value: Uint8Array,
    size: number,
    flags: number,
  ): number;
  lsetxattr(
    path: CString,
    name: CString,
    value: Uint8Array,
    size: number,
    flags: number,
  ): number;
  llistxattr(path: CString, list: Uint8Array, size: number): number;
  lgetxattr(
    path: CString,
    name: CString,
    value: Uint8Array,
    size: number,
  ): number;
  flock(fd: number, operation: number): number;
  /** Undefined in a glibc before 2.30. */
  getdents64:
    ((fd: number, buffer: Uint8Array, size: number) => number) | undefined;
  syncfs: {
    (fd: number): number;
    async(fd: number, done: (error: unknown, result: number) => void): void;
  };
  errno(): number;
}

let loaded: Calls | undefined;

/** 64-bit Linux only: off_t, time_t and size_t below are 64 bits wide. */
const ARCHITECTURES = ["x64", "arm64", "riscv64", "loong64"];

function unsupported(message: string, cause?: unknown): TpullError {
  return new TpullError("PLATFORM_UNSUPPORTED", message, {
    hint: "Layers can be written on 64-bit little-endian Linux (x64, arm64, riscv64, loong64).",
    cause,
  });
}

function load(): Calls {
  if (process.platform !== "linux") {
    throw unsupported(
      `a docker data root can be written on Linux only, and this is ${process.platform}`,
    );
  }
  if (!ARCHITECTURES.includes(process.arch) || endianness() !== "LE") {
    throw unsupported(
      `the system calls of ${process.arch} Linux are not known to tpull`,
    );
  }
  let koffi: Koffi;
  try {
    koffi = loadKoffi();
  } catch (error) {
    const [reason] = (error as Error).message.split("\n");
    throw new TpullError(
      "PLATFORM_UNSUPPORTED",
      `koffi, by which the system is called, cannot be loaded: ${reason}`,
      {
        hint: "Install tpull anew on this machine, with optional dependencies: they hold koffi's part for each system.",
        cause: error,
      },
    );
  }
  try {
    return bind(koffi);
  } catch (error) {
    throw unsupported("the C library of this system cannot be called", error);
  }
}

function bind(koffi: Koffi): Calls {
  const library = koffi.load(null);
  const call = (definition: string): never =>
    library.func(definition) as unknown as never;
  loaded = {
    openat: call("int openat(int, const void *, int, unsigned int)"),
    close: call("int close(int)"),
    write: call("long write(int, const void *, unsigned long)"),
    pwrite: call("long pwrite(int, const void *, unsigned long, int64_t)"),
    ftruncate: call("int ftruncate(int, int64_t)"),
    mkdirat: call("int mkdirat(int, const void *, unsigned int)"),
    mknodat: bindMknodat(call),
    symlinkat: call("int symlinkat(const void *, int, const void *)"),
    linkat: call("int linkat(int, const void *, int, const void *, int)"),
    unlinkat: call("int unlinkat(int, const void *, int)"),
    renameat2: bindRenameat2(call),
    readlinkat: call(
      "long readlinkat(int, const void *, void *, unsigned long)",
    ),
    fchownat: call(
      "int fchownat(int, const void *, unsigned int, unsigned int, int)",
    ),
    fchown: call("int fchown(int, unsigned int, unsigned int)"),
    fchmod: call("int fchmod(int, unsigned int)"),
    fchmodat: call("int fchmodat(int, const void *, unsigned int, int)"),
    utimensat: call("int utimensat(int, const void *, const void *, int)"),
    futimens: call("int futimens(int, const void *)"),
    fsetxattr: call(
      "int fsetxattr(int, const void *, const void *, unsigned long, int)",
    ),
    lsetxattr: call(
      "int lsetxattr(const void *, const void *, const void *, unsigned long, int)",
    ),
    llistxattr: call("long llistxattr(const void *, void *, unsigned long)"),
    lgetxattr: call(
      "long lgetxattr(const void *, const void *, void *, unsigned long)",
    ),
    flock: call("int flock(int, int)"),
    getdents64: bindGetdents64(call),
    syncfs: call("int syncfs(int)"),
    errno: koffi.errno as () => number,
  };
  return loaded;
}

/** musl has it under its old name. */
function bindGetdents64(
  call: (definition: string) => never,
): Calls["getdents64"] {
  for (const name of ["getdents64", "getdents"]) {
    try {
      return call(`long ${name}(int, void *, unsigned long)`);
    } catch {
      continue;
    }
  }
  return undefined;
}

/** glibc before 2.33 has no symbol of that name, only the function behind its macro. */
function bindMknodat(call: (definition: string) => never): Calls["mknodat"] {
  try {
    return call("int mknodat(int, const void *, unsigned int, uint64_t)");
  } catch {
    const versioned = call(
      "int __xmknodat(int, int, const void *, unsigned int, const void *)",
    ) as (
      version: number,
      dir: number,
      path: CString,
      mode: number,
      device: Uint8Array,
    ) => number;
    const device = new BigUint64Array(1);
    const bytes = new Uint8Array(device.buffer);
    return (dir, path, mode, number) => {
      device[0] = BigInt(number);
      return versioned(0, dir, path, mode, bytes);
    };
  }
}

/** C libraries have it late (glibc since 2.28), the kernel since 3.15. */
function bindRenameat2(
  call: (definition: string) => never,
): Calls["renameat2"] {
  try {
    return call(
      "int renameat2(int, const void *, int, const void *, unsigned int)",
    );
  } catch {
    const syscall = call(
      "long syscall(long, int, const void *, int, const void *, unsigned int)",
    ) as (number: number, ...rest: Parameters<Calls["renameat2"]>) => number;
    const number = process.arch === "x64" ? 316 : 276;
    return (...rest) => syscall(number, ...rest);
  }
}

/**
 * The bound functions.
 * @throws TpullError `PLATFORM_UNSUPPORTED`
 */
export function libc(): Calls {
  return loaded ?? load();
}
