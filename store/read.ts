/** Reading where absence is an answer, not a failure. */
import type { Dirent } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { errnoOf, isAbsent } from "./io-error.js";

/** A file's bytes; undefined when there is no such file. */
export async function readBytes(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    const code = errnoOf(error);
    if (isAbsent(error) || code === "EISDIR" || code === "ELOOP") {
      return undefined;
    }
    throw error;
  }
}

/** A small file's text; undefined when there is no such file. */
export async function readText(path: string): Promise<string | undefined> {
  return (await readBytes(path))?.toString();
}

/** What is in a directory; nothing when it is absent. */
export async function readEntries(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

/** The names in a directory; none when it is absent. */
export async function readNames(path: string): Promise<string[]> {
  return (await readEntries(path)).map(({ name }) => name);
}
