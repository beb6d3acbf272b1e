/**
 * Layers that were published for an image which then did not come about. They
 * wait for the image to be pulled again, but not for ever; and where the image
 * was refused, they go at once. Nothing else ever removes them: dockerd keeps a
 * layer that no image has reached since its start.
 */
import { existsSync } from "node:fs";
import {
  copyFlatDirectory,
  moveDirectory,
  syncDirectory,
  unmark,
} from "./atomic.js";
import type { ChainId } from "./digest.js";
import { layersOfAllImages } from "./images.js";
import { readLayer } from "./layers.js";
import type { Layout } from "./layout.js";
import { tryLockDirectory } from "./lock.js";
import { LOCK_EX } from "./native/libc.js";
import { readNames } from "./read.js";
import { removeTree } from "./remove.js";
import type { Session, Staging } from "./session.js";
import { revert, type StagedClaim, tryClaim } from "./staging.js";
import { forgetUnused, notedSince, notedUnused } from "./unused.js";
import { countChildren, layersOfBuilds } from "./usage.js";

/** Which of the noted layers are not to wait any longer. */
export type IsOver = (chainId: ChainId, since: number) => boolean;

/**
 * Removes those of the noted layers whose time is over and that nobody relies
 * on, top down: no image, no container, no build, no other layer and no running
 * tpull. Whose notes they are does not matter. A layer is invisible, and durably so, before any of its
 * files go; then its staging directory tells what to remove, so that this may
 * be interrupted at any point.
 * @returns whether a note stays, because somebody other than an image relies on its layer
 */
export async function retractUnused(
  session: Session,
  isOver: IsOver,
): Promise<boolean> {
  const outgoing: StagedClaim[] = [];
  try {
    return await session.section(async () => {
      const staging = await session.staging();
      await hideUnused(session, staging, isOver, outgoing);
      removeIdleMarks(session);
      return notedUnused(session.layout).length > 0;
    });
  } finally {
    // Files can be many: other sessions need not wait until they are gone.
    for (const claim of outgoing) await claim.discard();
  }
}

/** Makes the layers invisible and collects what is then to be discarded. */
async function hideUnused(
  { layout }: Session,
  staging: Staging,
  isOver: IsOver,
  outgoing: StagedClaim[],
): Promise<void> {
  const noted = new Set(notedUnused(layout));
  const inImages = layersOfAllImages(layout);
  const inBuilds = layersOfBuilds(layout);
  const children = countChildren(layout);
  const settled: ChainId[] = [];
  const candidates = [...noted];
  for (const chainId of candidates) {
    if (inImages.has(chainId)) {
      settled.push(chainId);
      continue;
    }
    if (!existsSync(layout.layer(chainId))) {
      forgetAbsent(layout, staging, chainId);
      continue;
    }
    if ((children.get(chainId) ?? 0) > 0 || inBuilds(chainId)) continue;
    if (!isOver(chainId, notedSince(layout, chainId) ?? 0)) continue;
    const parent = readLayer(layout, chainId)?.parent;
    const claim = await hide(layout, staging, chainId);
    if (claim === undefined) continue;
    settled.push(chainId);
    outgoing.push(claim);
    if (parent === undefined) continue;
    children.set(parent, (children.get(parent) ?? 1) - 1);
    if (noted.has(parent)) candidates.push(parent); // its turn may have come too early
  }
  // First where the entries went, then that they did.
  await syncDirectory(staging.base);
  await syncDirectory(layout.layers);
  for (const claim of outgoing) await removeTree(aside(layout, claim));
  forgetUnused(layout, settled);
}

/** Removes the note of a layer that is not in the store, unless somebody is about to put it there. */
function forgetAbsent(
  layout: Layout,
  { base }: Staging,
  chainId: ChainId,
): void {
  // Nothing is made for this: the disk may be full. Between a claim and its
  // note lies the unpacking of a layer, between these two lines nothing.
  const lock = tryLockDirectory(
    layout.staged(base, chainId).directory,
    LOCK_EX,
  );
  if (lock === "busy") return;
  forgetUnused(layout, [chainId]);
  if (lock !== "gone") lock.close();
}

/** Takes a layer out of `layerdb`, unless somebody writes it or relies on it. */
async function hide(
  layout: Layout,
  staging: Staging,
  chainId: ChainId,
): Promise<StagedClaim | undefined> {
  const claim = tryClaim(layout, staging, chainId);
  if (typeof claim === "string") return undefined;
  let hidden = false;
  try {
    // Whoever relies on the layer shares this lock for as long as it matters.
    const lock = tryLockDirectory(layout.layer(chainId), LOCK_EX);
    if (lock === "busy") return undefined;
    if (lock === "gone") return undefined;
    try {
      await takeOut(layout, staging, claim);
    } finally {
      lock.close();
    }
    hidden = true;
    return claim;
  } finally {
    if (!hidden) await claim.discard();
  }
}

/** The opposite of the moment a layer becomes visible: from here on its write-set tells what to remove. */
async function takeOut(
  layout: Layout,
  staging: Staging,
  claim: StagedClaim,
): Promise<void> {
  const home = layout.layer(claim.chainId);
  await revert(layout, claim.paths);
  if (staging.reachesLayerdb) {
    moveDirectory(home, claim.paths.writeSet);
    return;
  }
  await copyFlatDirectory(home, claim.paths.writeSet, readNames(home));
  await removeTree(aside(layout, claim));
  moveDirectory(home, aside(layout, claim));
}

/** Where the entry of a layer goes that cannot be renamed into staging. */
function aside(layout: Layout, { chainId }: StagedClaim): string {
  return layout.temporaryLayer("retracted", chainId);
}

/** Removes the `committed` marks of this write session whose children did not come about. Runs in the section. */
function removeIdleMarks({ layout, marked }: Session): void {
  if (marked.size === 0) return;
  const children = countChildren(layout);
  for (const parent of marked) {
    if ((children.get(parent) ?? 0) > 0) continue;
    const record = readLayer(layout, parent);
    if (record !== undefined) {
      unmark(layout.cacheFile(record.cacheId, "committed"));
    }
  }
}
