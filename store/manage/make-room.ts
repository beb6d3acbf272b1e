/**
 * On a full disk even a removal needs a few blocks first: for the names that are
 * left, and for the notes of what is to go. Hints give theirs.
 */
import { syncDirectory, unmark } from "../atomic.js";
import {
  type ChainId,
  type DiffId,
  type ImageId,
  isDigest,
} from "../digest.js";
import { readOrigins } from "../distribution.js";
import { isTpullError } from "../errors.js";
import { ioFailure } from "../io-error.js";
import { listLayers } from "../layers.js";
import type { Layout } from "../layout.js";
import { readText } from "../read.js";

/** Whether a failure says that the disk is full. */
export function isFull(error: unknown): boolean {
  const failure = ioFailure(error, "write");
  return isTpullError(failure) && failure.code === "DISK_FULL";
}

/**
 * Removes what is only known of layers and images that are about to go: where
 * they came from. The caller holds the section lock.
 */
export async function makeRoom(
  layout: Layout,
  images: readonly ImageId[],
  layers: readonly ChainId[],
): Promise<void> {
  for (const id of images) unmark(layout.manifest(id));
  const going = new Set(layers);
  const staying = new Set<DiffId | undefined>();
  for (const chainId of listLayers(layout)) {
    if (!going.has(chainId)) staying.add(readDiff(layout, chainId));
  }
  for (const chainId of going) {
    const diffId = readDiff(layout, chainId);
    if (diffId === undefined || staying.has(diffId)) continue;
    for (const digest of readOrigins(layout, diffId)) {
      unmark(layout.diffIdOf(digest));
    }
    unmark(layout.v2MetadataOf(diffId));
  }
  // Some filesystems give blocks away only after that.
  await syncDirectory(layout.diffIdByDigest);
  await syncDirectory(layout.v2Metadata);
}

/** The diff ID in a layer's entry, whatever else is wrong with it. */
function readDiff(layout: Layout, chainId: ChainId): DiffId | undefined {
  const diff = readText(layout.layerFile(chainId, "diff"))?.trim();
  return isDigest(diff) ? (diff as string as DiffId) : undefined;
}
