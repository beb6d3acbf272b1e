/**
 * Notes of layers that no image uses yet. A note is durable before its layer
 * becomes visible, and goes when an image uses the layer or the layer is gone.
 * So what a killed process left without an image can be told from what belongs
 * into the store. A note has no owner: a layer that somebody relies on is locked.
 */
import { mark, unmark } from "./atomic.js";
import { type ChainId, isDigest } from "./digest.js";
import type { Layout } from "./layout.js";
import { readNames } from "./read.js";

/** Notes that a layer is about to become visible before its image. The caller flushes. */
export function noteUnused(layout: Layout, chainId: ChainId): void {
  mark(layout.unusedNote(chainId));
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
