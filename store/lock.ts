/**
 * Locks between processes. All are flock(2) locks on an open file: the kernel
 * drops them when their process ends in whatever way, so there is no stale
 * lock and no file that says who holds one.
 */
import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, open, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { abortedError, throwIfAborted, TpullError } from "./errors.js";
import { check, errnoOf, isAbsent } from "./io-error.js";
import * as libc from "./native/libc.js";

/** How often a taken lock is tried again. */
export const SECTION_POLL_MS = 20;
export const LAYER_POLL_MS = 100;
const ROOT_POLL_MS = 50;

/**
 * For how long a root counts as merely contended. Another tpull that ends
 * without a result holds the file exclusively for an instant; dockerd does for life.
 */
const ROOT_TRIES = 10;

/** Waits, or throws `ABORTED`. */
export async function pause(
  milliseconds: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  throwIfAborted(signal);
  try {
    await sleep(milliseconds, undefined, signal ? { signal } : {});
  } catch {
    throw abortedError();
  }
}

/** Tries to lock an open file without waiting. */
export function tryFlock(file: FileHandle, operation: number): boolean {
  const result = libc.flock(file.fd, operation | libc.LOCK_NB);
  if (libc.errnoName(result) === "EAGAIN") return false;
  check(result, "flock", `descriptor ${file.fd}`);
  return true;
}

/** Whether `path` still names the file that is open: a lock on a removed file excludes nobody. */
async function isStill(path: string, file: FileHandle): Promise<boolean> {
  const opened = await file.stat();
  let named: Stats;
  try {
    named = await lstat(path);
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
  return named.ino === opened.ino && named.dev === opened.dev;
}

/** What came of trying to lock a directory: its open handle, or why not. */
export type DirectoryLock = FileHandle | "busy" | "gone";

/**
 * Tries to lock a directory without waiting.
 * @param operation LOCK_EX or LOCK_SH
 * @returns the open directory, whose closing drops the lock; `busy` when it is
 * locked by another; `gone` when it is not there (any more)
 */
export async function tryLockDirectory(
  path: string,
  operation: number,
): Promise<DirectoryLock> {
  let directory: FileHandle;
  try {
    const flags = libc.O_DIRECTORY | libc.O_NOFOLLOW | constants.O_RDONLY;
    directory = await open(path, flags);
  } catch (error) {
    if (isAbsent(error)) return "gone";
    throw error;
  }
  let held = false;
  try {
    if (!tryFlock(directory, operation)) return "busy";
    held = await isStill(path, directory);
    return held ? directory : "gone";
  } finally {
    if (!held) await directory.close();
  }
}

/** Waits for the lock of a short critical section. The directory must exist. */
export async function lockSection(
  path: string,
  signal?: AbortSignal,
): Promise<FileHandle> {
  const directory = await open(path, constants.O_RDONLY | libc.O_DIRECTORY);
  try {
    while (!tryFlock(directory, libc.LOCK_EX)) {
      await pause(SECTION_POLL_MS, signal);
    }
    return directory;
  } catch (error) {
    await directory.close();
    throw error;
  }
}

/** The lock that keeps dockerd and tpull off each other's root. */
export interface RootLock {
  readonly file: FileHandle;
  /** Whether this call made the file. */
  readonly created: boolean;
}

/**
 * Shares the lock that a running dockerd holds exclusively on its
 * `volumes/metadata.db`. Any number of tpull processes share it; a dockerd that
 * starts meanwhile waits for it and gives up.
 * @param path the file; made (empty, 0600) when absent
 * @throws TpullError `ROOT_IN_USE_BY_DOCKERD`, `ABORTED`
 */
export async function lockRoot(
  path: string,
  signal: AbortSignal | undefined,
): Promise<RootLock> {
  for (let tries = 0; ;) {
    const { file, created } = await openOrCreate(path);
    let held = false;
    try {
      if (tryFlock(file, libc.LOCK_SH)) {
        held = await isStill(path, file);
        if (held) return { file, created };
      } else {
        tries += 1;
        if (tries === ROOT_TRIES) throw await inUse(path, file);
        await pause(ROOT_POLL_MS, signal);
      }
    } finally {
      if (!held) await file.close();
    }
  }
}

/**
 * Whether {@link lockRoot} would be refused now. Makes nothing.
 * @throws TpullError `ROOT_IN_USE_BY_DOCKERD`
 */
export async function checkRootLock(path: string): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (isAbsent(error)) return;
    throw error;
  }
  try {
    // A daemon holds it for life; anything shorter is over at the next try.
    for (let tries = 1; !tryFlock(file, libc.LOCK_SH); tries += 1) {
      if (tries === ROOT_TRIES) throw await inUse(path, file);
      await pause(ROOT_POLL_MS, undefined);
    }
  } finally {
    await file.close();
  }
}

async function openOrCreate(
  path: string,
): Promise<{ file: FileHandle; created: boolean }> {
  for (let tries = 1; ; tries += 1) {
    try {
      return { file: await open(path, "r+"), created: false };
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
    try {
      return { file: await open(path, "wx+", 0o600), created: true };
    } catch (error) {
      if (errnoOf(error) !== "EEXIST" || tries === ROOT_TRIES) throw error;
    }
  }
}

async function inUse(path: string, file: FileHandle): Promise<TpullError> {
  const holder = await holderOf(file);
  return new TpullError(
    "ROOT_IN_USE_BY_DOCKERD",
    `a running dockerd uses this data root: ${holder} holds the lock on ${path}`,
    {
      hint: "dockerd would not see what tpull writes and would overwrite it. Stop dockerd first, or choose another data root with --root.",
    },
  );
}

/** Who has an exclusive lock on the file, in words, as far as this process can see. */
async function holderOf(file: FileHandle): Promise<string> {
  try {
    const { ino } = await file.stat();
    const locks = await readFile("/proc/locks", "latin1");
    const line = new RegExp(
      `FLOCK\\s+ADVISORY\\s+WRITE\\s+(\\d+)\\s+\\S+:${ino}\\s`,
    ).exec(locks);
    const pid = line?.[1];
    if (pid === undefined || pid === "0") return "another process";
    const name = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
    return `process ${pid}${name === "" ? "" : ` (${name.trim()})`}`;
  } catch {
    return "another process";
  }
}
