/**
 * Reading where absence is an answer, not a failure. What is read here is small:
 * a call takes microseconds, and less than handing it to another thread.
 */
import {
  closeSync,
  type Dirent,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
} from "node:fs";
import { errnoOf, isAbsent } from "./io-error.js";

/** A file's bytes; undefined when there is no such file. */
export function readBytes(path: string): Buffer | undefined {
  return unlessAbsent(() => readFileSync(path));
}

/** Room for what all small files of a store have in them. */
const small = Buffer.allocUnsafeSlow(4096);

/** A small file's text; undefined when there is no such file. */
export function readText(path: string): string | undefined {
  return unlessAbsent(() => readSmall(path) ?? readFileSync(path, "utf8"));
}

/**
 * The same without asking for the size first, in half of the time: there are
 * thousands of such files. Undefined when it is too long.
 */
function readSmall(path: string): string | undefined {
  const fd = openSync(path, "r");
  try {
    const length = readSync(fd, small, 0, small.length, 0);
    return length === small.length
      ? undefined
      : small.toString("utf8", 0, length);
  } finally {
    closeSync(fd);
  }
}

function unlessAbsent<Content>(read: () => Content): Content | undefined {
  try {
    return read();
  } catch (error) {
    const code = errnoOf(error);
    if (isAbsent(error) || code === "EISDIR" || code === "ELOOP") {
      return undefined;
    }
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
