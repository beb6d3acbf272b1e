/**
 * Reading where absence is an answer, not a failure. What is read here is small:
 * a call takes microseconds, and less than handing it to another thread.
 */
import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
} from "node:fs";
import { errnoOf, isAbsent } from "./io-error.js";

/** What is no regular file can neither hold up who opens it nor become a terminal. */
const READING = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** More than any text of a store has, and well below the longest string there can be. */
const MOST_TEXT = 256 * 1024 * 1024;
/** What one buffer is filled with in one go. */
const MOST_BYTES = 2 ** 31 - 1;

/**
 * A file's bytes; undefined when there is no such file.
 * @param most bytes that are wanted of it
 * @throws `EFBIG` for a longer one, of which nothing is read
 */
export function readBytes(
  path: string,
  most: number = MOST_BYTES,
): Buffer | undefined {
  return unlessAbsent(() => readWhole(path, most));
}

/** The same; undefined also when it is too long for anything that is to be parsed as a whole. */
export function readDocument(path: string): Buffer | undefined {
  return unlessTooLarge(() => readWhole(path, MOST_TEXT));
}

/** Room for what all small files of a store have in them. */
const small = Buffer.allocUnsafeSlow(4096);

/** A small file's text; undefined when there is no such file, or it is too long. */
export function readText(path: string): string | undefined {
  return unlessTooLarge(
    () => readSmall(path) ?? readWhole(path, MOST_TEXT)?.toString(),
  );
}

/**
 * The same without asking for the size first, in half of the time: there are
 * thousands of such files. Undefined when it is not certain that this is all of
 * a file.
 */
function readSmall(path: string): string | undefined {
  const fd = openSync(path, READING);
  try {
    const length = readSync(fd, small, 0, small.length, 0);
    return length === small.length || length === 0
      ? undefined
      : small.toString("utf8", 0, length);
  } catch (error) {
    // What cannot be read at an offset is looked at more closely.
    if (errnoOf(error) === "ESPIPE" || errnoOf(error) === "EAGAIN") {
      return undefined;
    }
    throw error;
  } finally {
    closeSync(fd);
  }
}

/**
 * Opens a regular file for reading, and nothing else: opening a pipe may wait for ever.
 * @throws the failed system call; `EINVAL` for what is no regular file
 */
export function openFile(path: string): number {
  const fd = openSync(path, READING);
  try {
    if (fstatSync(fd).isFile()) return fd;
    const code = "EINVAL";
    const message = `${code}: not a regular file, open '${path}'`;
    throw Object.assign(new Error(message), { code, path });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Undefined for what is no regular file: pipes and devices have no end, or none that comes. */
function readWhole(path: string, most: number): Buffer | undefined {
  const fd = openSync(path, READING);
  try {
    const found = fstatSync(fd);
    if (!found.isFile()) return undefined;
    if (found.size > most) {
      const code = "EFBIG";
      const message = `${code}: file too large, read '${path}'`;
      throw Object.assign(new Error(message), { code, path });
    }
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

function unlessTooLarge<Content>(
  read: () => Content | undefined,
): Content | undefined {
  try {
    return unlessAbsent(read);
  } catch (error) {
    if (errnoOf(error) === "EFBIG") return undefined;
    throw error;
  }
}

/** What opening says of a socket, or of a device that nothing is behind. */
const NO_FILE = new Set(["EISDIR", "ELOOP", "ENXIO", "ENODEV"]);

function unlessAbsent<Content>(read: () => Content): Content | undefined {
  try {
    return read();
  } catch (error) {
    if (isAbsent(error) || NO_FILE.has(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}

/** What is in a directory; nothing when it is absent. */
export function readEntries(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

/** The names in a directory; none when it is absent. */
export function readNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}
