/**
 * Reading where absence is an answer, not a failure. What is read here is small:
 * a call takes microseconds, and less than handing it to another thread.
 */
import { type Dirent, readdirSync, readFileSync } from "node:fs";
import { errnoOf, isAbsent } from "./io-error.js";

/** A file's bytes; undefined when there is no such file. */
export function readBytes(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    const code = errnoOf(error);
    if (isAbsent(error) || code === "EISDIR" || code === "ELOOP") {
      return undefined;
    }
    throw error;
  }
}

/** A small file's text; undefined when there is no such file. */
export function readText(path: string): string | undefined {
  return readBytes(path)?.toString();
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
  return readEntries(path).map(({ name }) => name);
}
