/** Blobs that were kept as registries served them, and are to go: all of them, or those that no image uses any more. */
import { blobUses } from "../blobs/blob-uses.js";
import {
  type KeptBlob,
  keptBlobs,
  removeKeptBlob,
} from "../blobs/kept-blobs.js";
import { attempt } from "../io-error.js";
import type { Layout } from "../layout.js";
import type { Store } from "../store.js";
import { lockWatch } from "../survey/held.js";
import type { ImageTable } from "./image-table.js";
import type { Leftover } from "./leftovers.js";
import { isThere, managing } from "./managing.js";
import type { PruneLeftoversOptions } from "./prune-leftovers.js";
import type { Pruned } from "./prune.js";

/**
 * Removes the blobs that pulls have kept beside the layers. Images are not
 * touched; what is saved or served of them has digests of its own then. What a
 * running tpull relies on stays.
 * @returns no images, and as {@link Pruned.leftovers} what went
 * @throws TpullError what refuses the root as a whole, unless it is a dry run:
 *   `ROOT_IN_USE_BY_DOCKERD` and others of {@link Store.beginWrite}, `ABORTED`,
 *   `ROOT_NOT_WRITABLE`, `STORE_IO_FAILED`
 */
export async function pruneBlobs(
  store: Store,
  options: PruneLeftoversOptions = {},
): Promise<Pruned> {
  const { layout, root } = store;
  const { before = Number.POSITIVE_INFINITY, dryRun = false } = options;
  if (!isThere(layout)) return pruned([]);
  const isOver = ({ used }: KeptBlob): boolean => used < before;
  if (dryRun) {
    return await attempt(
      `read the data root ${root}`,
      () => pruned(freeOnes(layout, keptBlobs(layout).filter(isOver))),
      "read",
    );
  }
  return await managing(
    layout,
    options,
    `remove kept blobs from ${root}`,
    async () => {
      const leftovers = removed(layout, keptBlobs(layout).filter(isOver));
      return { result: pruned(leftovers), changed: leftovers.length > 0 };
    },
  );
}

function pruned(leftovers: readonly Leftover[]): Pruned {
  const freedBytes = leftovers.reduce((sum, { bytes }) => sum + bytes, 0);
  return { images: [], leftovers, freedBytes, damage: [] };
}

/** Removes the blobs that none of the images in the table uses. In the section. */
export function removeUnusedBlobs(
  table: ImageTable,
  until: number | undefined,
): Leftover[] {
  return removed(table.layout, unusedBlobs(table, until));
}

/** What {@link removeUnusedBlobs} would come to now. */
export function unusedBlobsNow(
  table: ImageTable,
  until: number | undefined,
): Leftover[] {
  return freeOnes(table.layout, unusedBlobs(table, until));
}

function unusedBlobs(
  table: ImageTable,
  until: number = Number.POSITIVE_INFINITY,
): KeptBlob[] {
  const { layout } = table;
  const blobs = keptBlobs(layout).filter(({ used }) => used <= until);
  if (blobs.length === 0) return [];
  const images = table.imageIds.map((id) => [id, table.namesOf(id)] as const);
  const uses = blobUses(layout, new Map(images));
  return blobs.filter(({ digest }) => !uses.has(digest));
}

function removed(layout: Layout, blobs: readonly KeptBlob[]): Leftover[] {
  return blobs
    .filter(({ digest }) => removeKeptBlob(layout, digest))
    .map(asLeftover);
}

function freeOnes(layout: Layout, blobs: readonly KeptBlob[]): Leftover[] {
  const isFree = lockWatch();
  return blobs
    .filter(({ digest }) => isFree(layout.keptBlob(digest)))
    .map(asLeftover);
}

function asLeftover({ digest, bytes }: KeptBlob): Leftover {
  return { kind: "kept-blob", digest, bytes };
}
