/** Lock files on disk. */
import {
  chmodSync,
  chownSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { toSpecialFile } from "../../store/archive/archive-writer.js";
import { NewFile, isSpecial, writing } from "../../store/archive/new-file.js";
import { TpullError, isTpullError } from "../../store/index.js";
import { isAbsent, outputFailure } from "../../store/io-error.js";
import { printable } from "../../store/reference/printable.js";
import { type TextSource, textOf } from "../lists/file-text.js";
import { formatLock, type Lock } from "./format.js";
import { parseLock } from "./parse.js";

/** Names and digests are no secret; the umask has its say. */
const FILE_MODE = 0o666;
const MODE_BITS = 0o777;

/**
 * Reads a lock file. A pipe is waited for, but no longer than for the signal.
 * @param path `-` is standard input
 * @param source what `-` is, and what ends the wait
 * @throws TpullError `LOCK_INVALID`, also when it cannot be read; `ABORTED`
 */
export async function readLock(
  path: string,
  source: TextSource = {},
): Promise<Lock> {
  try {
    return parseLock(await textOf(path, source));
  } catch (error) {
    if (!isTpullError(error) || error.code === "ABORTED") throw error;
    const shown = path === "-" ? "standard input" : printable(path);
    throw new TpullError("LOCK_INVALID", `${shown}: ${error.message}`, {
      hint: error.hint,
      cause: error,
    });
  }
}

/**
 * The lock that is to be replaced, if there is one.
 * @returns undefined where there is no file, or one that takes whatever it is given
 * @throws TpullError `OUTPUT_EXISTS` for a directory, and for a file that is no lock,
 *   which is not replaced; `OUTPUT_NOT_WRITABLE`
 */
export async function lockInPlace(path: string): Promise<Lock | undefined> {
  const here = await writing(path, async () =>
    statSync(path, { throwIfNoEntry: false }),
  );
  if (here === undefined || (here.isFile() && here.size === 0))
    return undefined;
  if (here.isDirectory()) {
    throw new TpullError("OUTPUT_EXISTS", `${printable(path)} is a directory`, {
      hint: `Name a file for the lock: ${printable(join(path, "tpull.lock"))}`,
    });
  }
  if (isSpecial(path)) return undefined;
  try {
    return await readLock(path);
  } catch (error) {
    if (!isTpullError(error)) throw error;
    throw new TpullError(
      "OUTPUT_EXISTS",
      `${error.message}; it is not replaced`,
      {
        hint: "Choose another place for the lock, or remove what is there.",
        cause: error,
      },
    );
  }
}

/**
 * Writes a lock file: what was there is there until all of the new one is. A
 * link to a file stays one, and a file keeps its mode, and its owner if that is
 * possible. The same lock is not written again.
 * @param signal ends the wait for who reads from a pipe
 * @throws TpullError `OUTPUT_NOT_WRITABLE`, `DISK_FULL`, `ABORTED`
 */
export async function writeLock(
  path: string,
  lock: Lock,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const text = formatLock(lock);
  if (isSpecial(path)) {
    const bytes = Buffer.from(text);
    return toSpecialFile(path, (sink) => sink.write(bytes), signal);
  }
  const place = placeOf(path);
  const before = statSync(place, { throwIfNoEntry: false });
  if (before !== undefined && (await isSame(place, text))) return;
  const bytes = Buffer.from(text);
  const file = await NewFile.begin(place, FILE_MODE);
  try {
    if (before !== undefined) makeLike(file.path, before);
    await file.write(bytes, 0);
    await file.finish(bytes.length);
  } catch (error) {
    await file.discard();
    throw error;
  }
}

/** Where the file itself is that a path names. */
function placeOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (isAbsent(error)) return resolve(path);
    throw outputFailure(error, path);
  }
}

function makeLike(path: string, { mode, uid, gid }: Stats): void {
  try {
    chownSync(path, uid, gid);
  } catch {
    // Only root gives files away; the content is what counts.
  }
  chmodSync(path, mode & MODE_BITS);
}

async function isSame(path: string, text: string): Promise<boolean> {
  try {
    return (await textOf(path)) === text;
  } catch {
    // It is replaced, or the attempt says what is in the way.
    return false;
  }
}
