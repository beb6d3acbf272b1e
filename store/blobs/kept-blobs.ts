/**
 * Blobs that are kept as registries served them: one regular file for each,
 * named after its digest. A file has that name only when its bytes had that
 * digest, and all of it was on the medium. Whatever else has such a name (a
 * link, a directory) is not a blob.
 */
import { lstatSync } from "node:fs";
import { resolve } from "node:path";
import { unmark } from "../atomic.js";
import { type Digest, isDigest } from "../digest.js";
import { isAbsent } from "../io-error.js";
import { Layout } from "../layout.js";
import { LOCK_EX } from "../native/libc.js";
import { readNames } from "../read.js";
import { openPlain } from "./plain-file.js";

/** A blob that is kept. */
export interface KeptBlob {
  readonly digest: Digest;
  readonly bytes: number;
  /** When it was stored, or last used, in milliseconds since 1970. */
  readonly used: number;
}

/**
 * Lists the blobs that are kept in a data root, those that were used longest
 * ago first. Takes no lock, and reads no content.
 * @param root the data root; one that does not exist has none
 */
export function listKeptBlobs(root: string): KeptBlob[] {
  return keptBlobs(new Layout(resolve(root)));
}

/** See {@link listKeptBlobs}. */
export function keptBlobs(layout: Layout): KeptBlob[] {
  const found: KeptBlob[] = [];
  for (const name of readNames(layout.blobs)) {
    const digest = `sha256:${name}`;
    if (!isDigest(digest)) continue;
    const blob = keptBlob(layout, digest);
    if (blob !== undefined) found.push(blob);
  }
  return found.sort(
    (a, b) => a.used - b.used || (a.digest < b.digest ? -1 : 1),
  );
}

/** A blob, if it is kept. */
export function keptBlob(layout: Layout, digest: Digest): KeptBlob | undefined {
  try {
    const found = lstatSync(layout.keptBlob(digest));
    if (!found.isFile()) return undefined;
    return { digest, bytes: found.size, used: found.mtimeMs };
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** Whether a blob is kept with all its bytes. */
export function isKept(layout: Layout, digest: Digest, size: number): boolean {
  return keptBlob(layout, digest)?.bytes === size;
}

/**
 * Removes a blob, unless a running tpull relies on it. Not flushed: one that
 * comes back after a power cut is as good as it was.
 * @returns whether it was removed
 */
export function removeKeptBlob(layout: Layout, digest: Digest): boolean {
  const path = layout.keptBlob(digest);
  const file = openPlain(path);
  if (file === undefined) return false;
  try {
    return file.tryLock(LOCK_EX) && file.isAt(path) && unmark(path);
  } finally {
    file.close();
  }
}
