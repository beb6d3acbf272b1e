/**
 * The system calls that Node does not offer, called in the C library of this
 * very process.
 *
 * One convention throughout: a wrapper returns what the call returns, and the
 * negated errno where the call returned -1, so `result < 0` is a failure and
 * `errnoName(result)` its name. No wrapper throws for a failed call; a platform
 * without these calls throws once, at the first use.
 *
 * Paths are bytes with a NUL at the end, because names in archives need not be
 * UTF-8: see {@link cPath}. Nothing here keeps a pointer after it returned.
 */
import { AT_SYMLINK_NOFOLLOW, O_CLOEXEC } from "./abi.js";
import { type Calls, type CString, libc } from "./bind.js";

export * from "./abi.js";
export type { CString } from "./bind.js";

function checked(calls: Calls, result: number): number {
  return result < 0 ? -calls.errno() : result;
}

/**
 * Makes the calls ready, so that an unfit platform is known before any work.
 * @throws TpullError `PLATFORM_UNSUPPORTED`
 */
export function requireLibc(): void {
  libc();
}

/** open(2) below an open directory. Always close-on-exec. Returns the descriptor. */
export function openat(
  dir: number,
  path: CString,
  flags: number,
  mode = 0,
): number {
  const c = libc();
  return checked(c, c.openat(dir, path, flags | O_CLOEXEC, mode));
}

export function close(fd: number): number {
  const c = libc();
  return checked(c, c.close(fd));
}

/**
 * Fills `buffer` with entries of an open directory, as `struct linux_dirent64`;
 * returns how many bytes. Undefined where the C library lacks the function.
 */
export function getdents64(fd: number, buffer: Uint8Array): number | undefined {
  const c = libc();
  if (c.getdents64 === undefined) return undefined;
  return checked(c, c.getdents64(fd, buffer, buffer.length));
}

/** May write less than asked, as write(2) may. `data` can be an address. */
export function write(
  fd: number,
  data: Uint8Array | bigint,
  length: number,
): number {
  const c = libc();
  return checked(c, c.write(fd, data, length));
}

export function pwrite(
  fd: number,
  data: Uint8Array | bigint,
  length: number,
  offset: number,
): number {
  const c = libc();
  return checked(c, c.pwrite(fd, data, length, offset));
}

export function ftruncate(fd: number, length: number): number {
  const c = libc();
  return checked(c, c.ftruncate(fd, length));
}

/** The umask applies to `mode`. */
export function mkdirat(dir: number, path: CString, mode: number): number {
  const c = libc();
  return checked(c, c.mkdirat(dir, path, mode));
}

/** `mode` holds the type (S_IFCHR, S_IFBLK, S_IFIFO, S_IFREG); the umask applies. */
export function mknodat(
  dir: number,
  path: CString,
  mode: number,
  device: number | bigint,
): number {
  const c = libc();
  return checked(c, c.mknodat(dir, path, mode, device));
}

export function symlinkat(target: CString, dir: number, path: CString): number {
  const c = libc();
  return checked(c, c.symlinkat(target, dir, path));
}

/** Does not follow a symbolic link at `from` (unless `flags` say so). */
export function linkat(
  fromDir: number,
  from: CString,
  toDir: number,
  to: CString,
  flags = 0,
): number {
  const c = libc();
  return checked(c, c.linkat(fromDir, from, toDir, to, flags));
}

/** `flags` is 0 for anything but a directory, {@link AT_REMOVEDIR} for one. */
export function unlinkat(dir: number, path: CString, flags = 0): number {
  const c = libc();
  return checked(c, c.unlinkat(dir, path, flags));
}

/** `flags` is {@link RENAME_EXCHANGE}; -EINVAL where the filesystem does not know it, -ENOSYS where the kernel does not. */
export function renameat2(
  fromDir: number,
  from: CString,
  toDir: number,
  to: CString,
  flags: number,
): number {
  const c = libc();
  return checked(c, c.renameat2(fromDir, from, toDir, to, flags));
}

/** Fills `buffer` with the link's target, without a NUL; returns its length (a full buffer may mean a longer target). */
export function readlinkat(
  dir: number,
  path: CString,
  buffer: Uint8Array,
): number {
  const c = libc();
  return checked(c, c.readlinkat(dir, path, buffer, buffer.length));
}

/** `flags` is {@link AT_SYMLINK_NOFOLLOW} for lchown(2). */
export function fchownat(
  dir: number,
  path: CString,
  uid: number,
  gid: number,
  flags: number = AT_SYMLINK_NOFOLLOW,
): number {
  const c = libc();
  return checked(c, c.fchownat(dir, path, uid, gid, flags));
}

export function fchown(fd: number, uid: number, gid: number): number {
  const c = libc();
  return checked(c, c.fchown(fd, uid, gid));
}

export function fchmod(fd: number, mode: number): number {
  const c = libc();
  return checked(c, c.fchmod(fd, mode));
}

/** Follows a symbolic link: use it on what is known not to be one. */
export function fchmodat(dir: number, path: CString, mode: number): number {
  const c = libc();
  return checked(c, c.fchmodat(dir, path, mode, 0));
}

// struct timespec[2]: access time, then modification time; seconds, then nanoseconds.
const times = new BigInt64Array(4);

function setTimes(
  atime: number,
  atimeNs: number,
  mtime: number,
  mtimeNs: number,
): BigInt64Array {
  times[0] = BigInt(atime);
  times[1] = BigInt(atimeNs);
  times[2] = BigInt(mtime);
  times[3] = BigInt(mtimeNs);
  return times;
}

/**
 * Sets both times to whole seconds since 1970 plus nanoseconds (0 to
 * 999,999,999). `flags` is {@link AT_SYMLINK_NOFOLLOW} unless given.
 */
export function utimensat(
  dir: number,
  path: CString,
  atime: number,
  atimeNs: number,
  mtime: number,
  mtimeNs: number,
  flags: number = AT_SYMLINK_NOFOLLOW,
): number {
  const c = libc();
  return checked(
    c,
    c.utimensat(dir, path, setTimes(atime, atimeNs, mtime, mtimeNs), flags),
  );
}

/** {@link utimensat} on an open file. */
export function futimens(
  fd: number,
  atime: number,
  atimeNs: number,
  mtime: number,
  mtimeNs: number,
): number {
  const c = libc();
  return checked(c, c.futimens(fd, setTimes(atime, atimeNs, mtime, mtimeNs)));
}

export function fsetxattr(
  fd: number,
  name: CString,
  value: Uint8Array,
): number {
  const c = libc();
  return checked(c, c.fsetxattr(fd, name, value, value.length, 0));
}

/**
 * Sets an attribute of the link itself. There is no form with a directory
 * descriptor: `/proc/self/fd/<descriptor>/<name>` stands in for one.
 */
export function lsetxattr(
  path: CString,
  name: CString,
  value: Uint8Array,
): number {
  const c = libc();
  return checked(c, c.lsetxattr(path, name, value, value.length, 0));
}

/** Fills `list` with the names of the attributes of the file (or link) itself, each with a NUL behind it; returns their length. */
export function llistxattr(path: CString, list: Uint8Array): number {
  const c = libc();
  return checked(c, c.llistxattr(path, list, list.length));
}

/** Fills `value` with one attribute of the file (or link) itself; returns its length. */
export function lgetxattr(
  path: CString,
  name: CString,
  value: Uint8Array,
): number {
  const c = libc();
  return checked(c, c.lgetxattr(path, name, value, value.length));
}

/** With {@link LOCK_NB} it returns -EAGAIN instead of blocking this thread: never call it without. */
export function flock(fd: number, operation: number): number {
  const c = libc();
  return checked(c, c.flock(fd, operation));
}

/**
 * Writes everything of the filesystem that holds `fd` to its medium, on a
 * thread of the pool. Resolves to 0 or the negated errno.
 */
export function syncfs(fd: number): Promise<number> {
  const c = libc();
  return new Promise((resolve, reject) => {
    c.syncfs.async(fd, (error, result) => {
      if (error) reject(error as Error);
      else resolve(checked(c, result));
    });
  });
}
