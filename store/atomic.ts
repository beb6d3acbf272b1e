/**
 * How something comes to exist in a data root: written beside its place,
 * flushed, renamed into it, and the directory flushed. The only file that
 * renames. Modes are set explicitly, so the umask has no say; owners are root's
 * wherever that is possible.
 */
import { randomInt } from "node:crypto";
import {
  chmod,
  chown,
  mkdir,
  open,
  readFile,
  rename,
  rmdir,
  unlink,
} from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { check, errnoOf } from "./io-error.js";
import * as libc from "./native/libc.js";
import { privilege } from "./privilege.js";

/** Begins the names of files that are not in their place yet; docker's own writers use the same. */
export const TEMPORARY_PREFIX = ".tmp-";

/** Above this many files, flushing the filesystem once is cheaper than flushing each. */
const FLUSH_EACH_UP_TO = 4;

/** Creates a directory with exactly this mode. Resolves to false when something of that name is there already. */
export async function createDirectory(
  path: string,
  mode: number,
): Promise<boolean> {
  try {
    await mkdir(path, { mode: mode & 0o700 });
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw error;
  }
  try {
    if (privilege() === "native") await chown(path, 0, 0);
    await chmod(path, mode);
  } catch (error) {
    await rmdir(path);
    throw error;
  }
  return true;
}

export interface WriteOptions {
  /** Return only when the bytes are on the medium. */
  sync: boolean;
}

/** Creates a file that must not exist yet. */
export async function writeNew(
  path: string,
  bytes: Uint8Array | string,
  mode: number,
  options: WriteOptions,
): Promise<void> {
  await using file = await open(path, "wx", mode & 0o600);
  await file.writeFile(bytes);
  if (privilege() === "native") await file.chown(0, 0);
  await file.chmod(mode);
  if (options.sync) await file.sync();
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
      await writeNew(waiting.at(-1)!, bytes, mode, { sync: each });
    }
    if (!each) await syncFilesystem(dirname(files[0]!.path));
    for (const { path } of files) {
      await rename(waiting[0]!, path);
      waiting.shift();
    }
  } finally {
    for (const temporary of waiting) {
      await unlink(temporary).catch(() => undefined);
    }
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
export async function moveDirectory(from: string, to: string): Promise<void> {
  await rename(from, to);
}

/** Copies a directory of small files, flushed, under a name that must be free. */
export async function copyFlatDirectory(
  from: string,
  to: string,
  names: readonly string[],
): Promise<void> {
  await createDirectory(to, 0o700);
  for (const name of names) {
    const bytes = await readFile(join(from, name));
    await writeNew(join(to, name), bytes, 0o644, { sync: true });
  }
  await syncDirectory(to);
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
  const info = await readFile(`/proc/self/fdinfo/${directory.fd}`, "latin1");
  return `${dev}:${/^mnt_id:\s*(\d+)$/m.exec(info)?.[1] ?? ""}`;
}
