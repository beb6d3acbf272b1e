/**
 * Notes of layers that no image uses yet. A note is durable before its layer
 * becomes visible, and goes when an image uses the layer or the layer is gone.
 * So what a killed process left without an image can be told from what belongs
 * into the store. A note has no owner: a layer that somebody relies on is locked.
 * It holds the digest of the blob that the layer was, if it was one.
 */
import { lstatSync, utimesSync } from "node:fs";
import { unmark, writeNew } from "./atomic.js";
import { type ChainId, type Digest, isDigest } from "./digest.js";
import { errnoOf, isAbsent } from "./io-error.js";
import type { Layout } from "./layout.js";
import { readNames, readText } from "./read.js";

const MODE = 0o600;

/** Notes that a layer is about to become visible before its image. The caller flushes. */
export function noteUnused(
  layout: Layout,
  chainId: ChainId,
  blob: Digest | undefined,
): void {
  try {
    writeNew(layout.unusedNote(chainId), blob ?? "", MODE);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
}

/** Notes that a layer is to go: whoever next goes through the notes removes it, unless somebody relies on it. The caller flushes. */
export function noteDue(layout: Layout, chainId: ChainId): void {
  noteUnused(layout, chainId, undefined);
  utimesSync(layout.unusedNote(chainId), 0, 0);
}

/** When somebody last had a use for a noted layer, in milliseconds since 1970; undefined when it is not noted. */
export function notedSince(
  layout: Layout,
  chainId: ChainId,
): number | undefined {
  try {
    return lstatSync(layout.unusedNote(chainId)).mtimeMs;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** The layer, if it is noted, has been of use today. */
export function renewUnused(layout: Layout, chainId: ChainId): void {
  try {
    const now = new Date();
    utimesSync(layout.unusedNote(chainId), now, now);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}

/** The blobs of the noted layers. */
export function blobsUnused(layout: Layout): Digest[] {
  return notedUnused(layout).flatMap((chainId) => {
    const blob = readText(layout.unusedNote(chainId));
    return isDigest(blob) ? [blob] : [];
  });
}

/**
 * Removes notes. Not flushed: one that comes back after a power cut is found
 * out of date and removed again.
 * @returns whether there were any
 */
export function forgetUnused(
  layout: Layout,
  chainIds: Iterable<ChainId>,
): boolean {
  let any = false;
  for (const chainId of chainIds) {
    if (unmark(layout.unusedNote(chainId))) any = true;
  }
  return any;
}

/** The layers that are noted, whether they are in the store or not. */
export function notedUnused(layout: Layout): ChainId[] {
  const found: ChainId[] = [];
  for (const name of readNames(layout.unused)) {
    const chainId = `sha256:${name}`;
    if (isDigest(chainId)) found.push(chainId as string as ChainId);
  }
  return found;
}
