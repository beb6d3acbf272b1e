/** Whether files are those of a layer: they are if its tar can be put together from them. */
import { createHash } from "node:crypto";
import { lstatSync, readdirSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import type { DiffId } from "../digest.js";
import { isTpullError } from "../errors.js";
import {
  type StoredLayer,
  TarSplitSource,
} from "../ingest/tar-split-source.js";

/** Pieces between two looks at the event loop. */
const BATCH = 16;
/** Entries of directories between two. */
const ENTRIES = 2048;

/** Whether archive record and files give back the tar with this diff ID. */
export async function isProvedBy(
  diffId: DiffId,
  stored: StoredLayer,
): Promise<boolean> {
  let source: TarSplitSource | undefined;
  try {
    source = new TarSplitSource(stored, () => false);
    const hash = createHash("sha256");
    for (let pieces = 1; ; pieces += 1) {
      const piece = source.next();
      if (piece === undefined) break;
      hash.update(piece);
      if (pieces % BATCH === 0) await setImmediate();
    }
    return `sha256:${hash.digest("hex")}` === diffId;
  } catch (error) {
    if (isTpullError(error)) return false;
    throw error;
  } finally {
    source?.close();
  }
}

/** Bytes of all files below a directory as docker counts a layer's size: each inode once, directories not. */
export async function sizeOfTree(directory: string): Promise<number> {
  const inodes = new Set<bigint>();
  let size = 0;
  let seen = 0;
  const slash = Buffer.from("/");
  const waiting = [Buffer.from(directory)];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    for (const name of readdirSync(next, { encoding: "buffer" })) {
      const path = Buffer.concat([next, slash, name]);
      const found = lstatSync(path, { bigint: true });
      if (found.isDirectory()) waiting.push(path);
      else if (!inodes.has(found.ino)) {
        inodes.add(found.ino);
        size += Number(found.size);
      }
      seen += 1;
      if (seen % ENTRIES === 0) await setImmediate();
    }
  }
  return size;
}
