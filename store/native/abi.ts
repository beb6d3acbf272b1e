/** The constants and encodings of the Linux system calls. */
import { constants as fsConstants } from "node:fs";
import { constants as osConstants } from "node:os";
import type { CString } from "./bind.js";

/** Relative paths count from the working directory. */
export const AT_FDCWD: number = -100;
/** Act on a symbolic link itself. */
export const AT_SYMLINK_NOFOLLOW: number = 0x100;
/** For {@link unlinkat}: remove an empty directory. */
export const AT_REMOVEDIR: number = 0x200;
/** For {@link linkat} and {@link fchownat}: an empty path means the descriptor itself. */
export const AT_EMPTY_PATH: number = 0x1000;

/** For {@link renameat2}: both names exist, and change places. */
export const RENAME_EXCHANGE: number = 2;

export const LOCK_SH: number = 1;
export const LOCK_EX: number = 2;
export const LOCK_NB: number = 4;
export const LOCK_UN: number = 8;

// These two have the same value in every Linux ABI; Node does not export them.
export const O_CLOEXEC: number = 0o2000000;
export const O_PATH: number = 0o10000000;
export const O_DIRECTORY: number = fsConstants.O_DIRECTORY;
export const O_NOFOLLOW: number = fsConstants.O_NOFOLLOW;

const names = new Map<number, string>();
for (const [name, value] of Object.entries(osConstants.errno)) {
  if (!names.has(value)) names.set(value, name);
}

/** `ENOENT` for 2 and for -2; the number itself where Node has no name for it. */
export function errnoName(errno: number): string {
  return names.get(Math.abs(errno)) ?? `errno ${Math.abs(errno)}`;
}

/** The bytes of a path or name (text is taken as UTF-8) with the NUL that C wants. */
export function cPath(path: string | Uint8Array): CString {
  const bytes =
    typeof path === "string"
      ? Buffer.from(`${path}\0`)
      : Buffer.concat([path, ZERO]);
  if (bytes.indexOf(0) !== bytes.length - 1) {
    throw new RangeError("a path cannot hold a NUL byte");
  }
  return bytes;
}
const ZERO = new Uint8Array(1);

/** A device number of major and minor as the C library packs it. */
export function deviceNumber(major: number, minor: number): number | bigint {
  const low =
    (major & 0xfff) * 0x100 + (minor & 0xff) + (minor >>> 8) * 0x100000;
  const high = major >>> 12;
  return high === 0 ? low : (BigInt(high) << 44n) | BigInt(low);
}
