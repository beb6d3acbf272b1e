/**
 * How something comes to exist in a data root: written beside its place,
 * flushed, renamed into it, and the directory flushed. The only file that
 * renames. Modes are set explicitly, so the umask has no say; owners are root's
 * wherever that is possible.
 */
import { randomInt } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { check, errnoOf, isAbsent } from "./io-error.js";
import * as libc from "./native/libc.js";
import { privilege } from "./privilege.js";

/** Begins the names of files that are not in their place yet; docker's own writers use the same. */
export const TEMPORARY_PREFIX = ".tmp-";

const MARK_MODE = 0o600;

/** Above this many files, flushing the filesystem once is cheaper than flushing each. */
const FLUSH_EACH_UP_TO = 4;

/** Creates a directory with exactly this mode. Returns false when something of that name is there already. */
export function createDirectory(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode: mode & 0o700 });
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw error;
  }
  try {
    if (privilege() === "native") chownSync(path, 0, 0);
    chmodSync(path, mode);
  } catch (error) {
    // It may be gone: one that is empty is anybody's to sweep.
    if (!isAbsent(error)) rmdirSync(path);
    throw error;
  }
  return true;
}

/**
 * Gives an empty directory the rest of its mode when it is as a process left it
 * that died in the middle of {@link createDirectory}.
 */
export function finishDirectory(path: string, mode: number): void {
  const { mode: found, uid } = lstatSync(path);
  const begun = constants.S_IFDIR | (mode & 0o700);
  if (found !== begun || mode === (mode & 0o700)) return;
  if (uid !== process.geteuid?.() || readdirSync(path).length > 0) return;
  chmodSync(path, mode);
}

/** Creates a file that must not exist yet. It is not flushed. */
export function writeNew(
  path: string,
  bytes: Uint8Array | string,
  mode: number,
): void {
  const file = openSync(path, "wx", mode & 0o600);
  try {
    const data = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
    for (let done = 0; done < data.length;) {
      done += writeSync(file, data, done);
    }
    if (privilege() === "native") fchownSync(file, 0, 0);
    fchmodSync(file, mode);
  } finally {
    closeSync(file);
  }
}

/** Creates a file that must not exist yet, and makes its content durable. */
export async function writeFlushed(
  path: string,
  bytes: Uint8Array | string,
  mode: number,
): Promise<void> {
  writeNew(path, bytes, mode);
  await syncFile(path);
}

/** Makes an empty file whose being there is all it says. Returns false when it is there already; it is not flushed. */
export function mark(path: string): boolean {
  try {
    writeNew(path, "", MARK_MODE);
    return true;
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** Takes a mark away. Returns false when there is none. */
export function unmark(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

export interface Replacement {
  path: string;
  bytes: Uint8Array | string;
  mode: number;
}

/**
 * Gives files new content, each by one rename: a reader, or a crash, sees the
 * old or the new content. They are renamed in the order given, and all lie in
 * one filesystem.
 */
export async function replaceFiles(
  files: readonly Replacement[],
): Promise<void> {
  const waiting: string[] = [];
  try {
    const each = files.length <= FLUSH_EACH_UP_TO;
    for (const { path, bytes, mode } of files) {
      const name = `${TEMPORARY_PREFIX}${basename(path)}${randomInt(2 ** 32)}`;
      waiting.push(join(dirname(path), name));
      writeNew(waiting.at(-1)!, bytes, mode);
      if (each) await syncFile(waiting.at(-1)!);
    }
    if (!each) await syncFilesystem(dirname(files[0]!.path));
    for (const { path } of files) {
      renameSync(waiting[0]!, path);
      waiting.shift();
    }
  } finally {
    for (const temporary of waiting) unmark(temporary);
  }
  for (const directory of new Set(files.map(({ path }) => dirname(path)))) {
    await syncDirectory(directory);
  }
}

/** {@link replaceFiles} for one file. */
export async function replaceFile(
  path: string,
  bytes: Uint8Array | string,
  mode: number,
): Promise<void> {
  await replaceFiles([{ path, bytes, mode }]);
}

/**
 * Renames a directory to a place that must be free (an empty directory counts
 * as free): otherwise it fails with EEXIST or ENOTEMPTY. The caller flushes.
 */
export function moveDirectory(from: string, to: string): void {
  renameSync(from, to);
}

/** Gives a file that is written and flushed its place, replacing what is there. */
export async function moveFile(from: string, to: string): Promise<void> {
  renameSync(from, to);
  await syncDirectory(dirname(to));
}

/** What a filesystem or kernel says that cannot exchange two names. */
const NO_EXCHANGE = new Set(["EINVAL", "ENOSYS", "EOPNOTSUPP"]);

/**
 * Two things of one mount change places in one step: a reader, or a crash, sees
 * both before it or both after it. The caller flushes.
 * @returns false, with nothing changed, where the filesystem or the kernel cannot
 */
export function exchange(one: string, other: string): boolean {
  const result = libc.renameat2(
    libc.AT_FDCWD,
    libc.cPath(one),
    libc.AT_FDCWD,
    libc.cPath(other),
    libc.RENAME_EXCHANGE,
  );
  if (result < 0 && NO_EXCHANGE.has(libc.errnoName(result))) return false;
  check(result, "renameat2", one);
  return true;
}

/** Makes `path` a symbolic link to `target` by one rename, whatever it was before but a directory. Flushed. */
export async function replaceLink(path: string, target: string): Promise<void> {
  const name = `${TEMPORARY_PREFIX}${basename(path)}${randomInt(2 ** 32)}`;
  const temporary = join(dirname(path), name);
  symlinkSync(target, temporary);
  try {
    if (privilege() === "native") lchownSync(temporary, 0, 0);
    renameSync(temporary, path);
  } catch (error) {
    unmark(temporary);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Gives what is there (no symbolic link) mode and owner. Flushed. */
export async function setMode(path: string, mode: number): Promise<void> {
  if (privilege() === "native") chownSync(path, 0, 0);
  chmodSync(path, mode);
  await using file = await open(path, "r");
  await file.sync();
}

/** Copies a directory of small files, flushed, under a name that must be free. */
export async function copyFlatDirectory(
  from: string,
  to: string,
  names: readonly string[],
): Promise<void> {
  createDirectory(to, 0o700);
  for (const name of names) {
    await writeFlushed(join(to, name), readFileSync(join(from, name)), 0o644);
  }
  await syncDirectory(to);
}

/** Makes a file's content durable. */
async function syncFile(path: string): Promise<void> {
  await using file = await open(path, "r");
  await file.sync();
}

/** Makes the names in a directory (what was created, renamed or removed there) durable. */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, "r");
  await directory.sync();
}

/** Makes everything durable that was written to the filesystem of `path` so far. */
export async function syncFilesystem(path: string): Promise<void> {
  await using directory = await open(path, "r");
  check(await libc.syncfs(directory.fd), "syncfs", path);
}

/**
 * Identifies where a directory can be renamed to: two paths with equal domains
 * are in one mount of one filesystem. (A bind mount is another mount of the
 * same device, a btrfs subvolume another device in the same mount: rename
 * crosses neither.)
 */
export async function renameDomain(path: string): Promise<string> {
  await using directory = await open(path, "r");
  const { dev } = await directory.stat();
  const info = readFileSync(`/proc/self/fdinfo/${directory.fd}`, "latin1");
  return `${dev}:${/^mnt_id:\s*(\d+)$/m.exec(info)?.[1] ?? ""}`;
}
