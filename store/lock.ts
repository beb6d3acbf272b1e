/**
 * Locks between processes. All are flock(2) locks on an open file: the kernel
 * drops them when their process ends in whatever way, so there is no stale
 * lock and no file that says who holds one.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
} from "node:fs";
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

/** A file or directory held open for the lock on it. */
export class LockedFile {
  readonly fd: number;
  #open = true;

  constructor(path: string, flags: number | string, mode?: number) {
    this.fd = openSync(path, flags, mode);
  }

  /** Tries to lock it, or to change the lock, without waiting. */
  tryLock(operation: number): boolean {
    const result = libc.flock(this.fd, operation | libc.LOCK_NB);
    if (libc.errnoName(result) === "EAGAIN") return false;
    check(result, "flock", `descriptor ${this.fd}`);
    return true;
  }

  /** Whether `path` still names it: a lock on a removed file excludes nobody. */
  isAt(path: string): boolean {
    const opened = fstatSync(this.fd, { bigint: true });
    let named: BigIntStats;
    try {
      named = lstatSync(path, { bigint: true });
    } catch (error) {
      if (isAbsent(error)) return false;
      throw error;
    }
    return named.ino === opened.ino && named.dev === opened.dev;
  }

  /** Closes it, and with it drops the lock. Does nothing the second time. */
  close(): void {
    if (this.#open) closeSync(this.fd);
    this.#open = false;
  }
}

/** What came of trying to lock a directory: the lock, or why there is none. */
export type DirectoryLock = LockedFile | "busy" | "gone";

/**
 * Tries to lock a directory without waiting.
 * @param operation LOCK_EX or LOCK_SH
 * @returns `busy` when it is locked by another; `gone` when it is not there (any more)
 */
export function tryLockDirectory(
  path: string,
  operation: number,
): DirectoryLock {
  let directory: LockedFile;
  try {
    directory = new LockedFile(path, libc.O_DIRECTORY | libc.O_NOFOLLOW);
  } catch (error) {
    if (isAbsent(error)) return "gone";
    throw error;
  }
  let held = false;
  try {
    if (!directory.tryLock(operation)) return "busy";
    held = directory.isAt(path);
    return held ? directory : "gone";
  } finally {
    if (!held) directory.close();
  }
}

/** Waits for the lock of a short critical section. The directory must exist. */
export async function lockSection(
  path: string,
  signal?: AbortSignal,
): Promise<LockedFile> {
  const directory = new LockedFile(path, constants.O_RDONLY);
  try {
    while (!directory.tryLock(libc.LOCK_EX)) {
      await pause(SECTION_POLL_MS, signal);
    }
    return directory;
  } catch (error) {
    directory.close();
    throw error;
  }
}

/** The lock that keeps dockerd and tpull off each other's root. */
export interface RootLock {
  readonly file: LockedFile;
  /** Whether this call made the file. */
  readonly created: boolean;
}

/**
 * Shares the lock that a running dockerd holds exclusively on its
 * `volumes/metadata.db`. Any number of tpull processes share it; a dockerd that
 * starts meanwhile waits for it and gives up.
 * @param path the file; made (empty) when absent
 * @throws TpullError `ROOT_IN_USE_BY_DOCKERD`, `ABORTED`
 */
export async function lockRoot(
  path: string,
  signal: AbortSignal | undefined,
): Promise<RootLock> {
  for (let tries = 0; ;) {
    const { file, created } = openOrCreate(path);
    let held = false;
    try {
      if (file.tryLock(libc.LOCK_SH)) {
        held = file.isAt(path);
        if (held) return { file, created };
      } else {
        tries += 1;
        if (tries === ROOT_TRIES) throw inUse(path, file);
        await pause(ROOT_POLL_MS, signal);
      }
    } finally {
      if (!held) file.close();
    }
  }
}

/**
 * Whether {@link lockRoot} would be refused now. Makes nothing.
 * @throws TpullError `ROOT_IN_USE_BY_DOCKERD`
 */
export async function checkRootLock(path: string): Promise<void> {
  let file: LockedFile;
  try {
    file = new LockedFile(path, "r");
  } catch (error) {
    if (isAbsent(error)) return;
    throw error;
  }
  try {
    // A daemon holds it for life; anything shorter is over at the next try.
    for (let tries = 1; !file.tryLock(libc.LOCK_SH); tries += 1) {
      if (tries === ROOT_TRIES) throw inUse(path, file);
      await pause(ROOT_POLL_MS, undefined);
    }
  } finally {
    file.close();
  }
}

function openOrCreate(path: string): RootLock {
  for (let tries = 1; ; tries += 1) {
    try {
      return { file: new LockedFile(path, "r+"), created: false };
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
    try {
      return { file: new LockedFile(path, "wx+", 0o600), created: true };
    } catch (error) {
      if (errnoOf(error) !== "EEXIST" || tries === ROOT_TRIES) throw error;
    }
  }
}

function inUse(path: string, file: LockedFile): TpullError {
  return new TpullError(
    "ROOT_IN_USE_BY_DOCKERD",
    `a running dockerd uses this data root: ${holderOf(file)} holds the lock on ${path}`,
    {
      hint: "dockerd would not see what tpull writes and would overwrite it. Stop dockerd first, or choose another data root with --root.",
    },
  );
}

/** Who has an exclusive lock on the file, in words, as far as this process can see. */
function holderOf(file: LockedFile): string {
  try {
    const { ino } = fstatSync(file.fd, { bigint: true });
    const holder = new RegExp(
      `FLOCK\\s+ADVISORY\\s+WRITE\\s+(\\d+)\\s+\\S+:${ino}\\s`,
    );
    const pid = holder.exec(readFileSync("/proc/locks", "latin1"))?.[1];
    if (pid === undefined || pid === "0") return "another process";
    const name = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
    return `process ${pid} (${name})`;
  } catch {
    return "another process";
  }
}
