/** How large a directory is, measured file by file. */
import { type Dirent, lstatSync, readdirSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { throwIfAborted } from "../errors.js";
import { errnoOf, isAbsent } from "../io-error.js";

export interface SizeOptions {
  /** Whether to stay out of what is mounted below, such as a running container's `merged`. */
  readonly sameFilesystem?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Entries between two looks at the event loop. */
const BATCH = 2000;
const SLASH = Buffer.from("/");

/**
 * Bytes of everything below a path as docker counts them: the lengths of files
 * and of the targets of links, each inode once, and nothing for directories
 * (moby, internal/directory). What goes meanwhile, and what may not be read,
 * counts nothing.
 * @returns undefined when there is nothing of that name
 * @throws TpullError `ABORTED`
 */
export async function treeSize(
  path: string,
  options: SizeOptions = {},
): Promise<number | undefined> {
  const top = statusOf(Buffer.from(path));
  if (top === undefined) return undefined;
  if (!top.isDirectory()) return Number(top.size);
  const seen = new Set<bigint>();
  const waiting: Buffer[] = [Buffer.from(path)];
  let size = 0;
  let looked = 0;
  for (;;) {
    const directory = waiting.pop();
    if (directory === undefined) return size;
    for (const { name } of entriesOf(directory)) {
      const child = Buffer.concat([directory, SLASH, name]);
      const status = statusOf(child);
      looked += 1;
      if (looked % BATCH === 0) {
        await setImmediate();
        throwIfAborted(options.signal);
      }
      if (status === undefined) continue;
      if (status.isDirectory()) {
        if (options.sameFilesystem && status.dev !== top.dev) continue;
        waiting.push(child);
        continue;
      }
      if (status.nlink > 1n) {
        if (seen.has(status.ino)) continue;
        seen.add(status.ino);
      }
      size += Number(status.size);
    }
  }
}

/** Names in archives are bytes, and need not be text. */
function entriesOf(path: Buffer): Dirent<Buffer>[] {
  try {
    return readdirSync(path, { withFileTypes: true, encoding: "buffer" });
  } catch (error) {
    if (isAbsent(error) || isForbidden(error)) return [];
    throw error;
  }
}

function statusOf(path: Buffer) {
  try {
    return lstatSync(path, { bigint: true });
  } catch (error) {
    if (isAbsent(error) || isForbidden(error)) return undefined;
    throw error;
  }
}

function isForbidden(error: unknown): boolean {
  const code = errnoOf(error);
  return code === "EACCES" || code === "EPERM";
}
