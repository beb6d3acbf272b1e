/**
 * Removal of directory trees that came out of archives: names in any bytes, any
 * depth, directories nobody may enter, links to anywhere.
 */
import { chmodSync, constants, readdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import { setImmediate } from "node:timers/promises";
import { check } from "./io-error.js";
import * as libc from "./native/libc.js";

const ENOENT = -2;
const ENOTDIR = -20;
/** Removals between two looks at the event loop. */
const BATCH = 256;
const PARENT = libc.cPath("..");

/** A directory being emptied; only the innermost one is open. */
interface Level {
  /** The directory's name in the one above. */
  name: libc.CString;
  entries: Buffer[];
}

/**
 * Removes `path` and everything below it. Symbolic links are removed, never
 * followed; permissions of directories are lifted where they are in the way.
 * Nothing there counts as done.
 */
export async function removeTree(path: string): Promise<void> {
  const name = libc.cPath(basename(path));
  let fd = libc.openat(
    libc.AT_FDCWD,
    libc.cPath(dirname(path)),
    libc.O_DIRECTORY,
  );
  if (fd === ENOENT || fd === ENOTDIR) return;
  check(fd, "open", dirname(path));
  try {
    if (unlinked(fd, name, path)) return;
    const levels: Level[] = [];
    fd = enter(fd, name, levels, path);
    for (let removed = 1; levels.length > 0; removed += 1) {
      const { entries } = levels.at(-1)!;
      const entry = entries.pop();
      if (entry === undefined) {
        fd = leave(fd, levels.pop()!.name, path);
      } else {
        const child = libc.cPath(entry);
        if (!unlinked(fd, child, path)) fd = enter(fd, child, levels, path);
      }
      if (removed % BATCH === 0) await setImmediate();
    }
  } finally {
    libc.close(fd);
  }
}

/** Removes what is not a directory; false when it is one. */
function unlinked(fd: number, name: libc.CString, path: string): boolean {
  const result = libc.unlinkat(fd, name);
  if (result === 0 || result === ENOENT) return true;
  const code = libc.errnoName(result);
  if (code === "EISDIR" || code === "EPERM") return false;
  check(result, "unlink", path);
  return true;
}

/** Opens a child directory, which replaces its parent as the open one. */
function enter(
  parent: number,
  name: libc.CString,
  levels: Level[],
  path: string,
): number {
  const reached = check(
    libc.openat(parent, name, libc.O_PATH | libc.O_DIRECTORY | libc.O_NOFOLLOW),
    "open",
    path,
  );
  try {
    const self = `/proc/self/fd/${reached}`;
    chmodSync(self, 0o700);
    const child = check(
      libc.openat(
        libc.AT_FDCWD,
        libc.cPath(self),
        constants.O_RDONLY | libc.O_DIRECTORY,
      ),
      "open",
      path,
    );
    levels.push({ name, entries: readdirSync(self, { encoding: "buffer" }) });
    libc.close(parent);
    return child;
  } finally {
    libc.close(reached);
  }
}

/** Goes back up from an emptied directory and removes it. */
function leave(fd: number, name: libc.CString, path: string): number {
  const parent = check(
    libc.openat(fd, PARENT, constants.O_RDONLY | libc.O_DIRECTORY),
    "open",
    path,
  );
  libc.close(fd);
  const result = libc.unlinkat(parent, name, libc.AT_REMOVEDIR);
  if (result !== ENOENT) check(result, "rmdir", path);
  return parent;
}
