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
import { discardAll, revert, type StagedClaim, tryClaim } from "./staging.js";
import { lockWatch } from "./survey/held.js";
import { forgetUnused, notedSince, notedUnused } from "./unused.js";
import { countChildren, layersOfBuilds, readParent } from "./usage.js";

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
      await hideUnused(session, isOver, outgoing);
      removeIdleMarks(session);
      return notedUnused(session.layout).length > 0;
    });
  } finally {
    // Files can be many: other sessions need not wait until they are gone.
    await discardAll(session.layout, outgoing);
  }
}

/**
 * The part of {@link retractUnused} that runs in the section: makes the layers
 * invisible. Whatever happens, what was collected is to be discarded afterwards.
 * @param outgoing collects them, each before its parent
 * @param more layers to be looked at that could not be noted
 */
export async function hideUnused(
  session: Session,
  isOver: IsOver,
  outgoing: StagedClaim[],
  more: Iterable<ChainId> = [],
): Promise<void> {
  const { layout } = session;
  const staging = await session.staging();
  const noted = new Set([...notedUnused(layout), ...more]);
  const { inUse, absent, taken } = await takeUnused(
    layout,
    noted,
    isOver,
    async (chainId) => {
      const claim = await hide(layout, staging, chainId);
      if (claim !== undefined) outgoing.push(claim);
      return claim !== undefined;
    },
  );
  for (const chainId of absent) forgetAbsent(layout, staging, chainId);
  await settle(layout, staging, outgoing);
  forgetUnused(layout, [...inUse, ...taken]);
}

/** The noted layers that {@link hideUnused} would take, as far as can be seen without a lock, each before its parent. */
export async function overdueLayers(
  layout: Layout,
  isOver: IsOver,
): Promise<ChainId[]> {
  const noted = new Set(notedUnused(layout));
  const isFree = lockWatch();
  const { taken } = await takeUnused(layout, noted, isOver, (chainId) =>
    isFree(layout.layer(chainId)),
  );
  return taken;
}

/** What became of noted layers. */
interface Taken {
  /** An image has them by now. */
  readonly inUse: ChainId[];
  readonly absent: ChainId[];
  /** Each before its parent. */
  readonly taken: ChainId[];
}

/** Goes through noted layers from the top down and offers those that nobody needs to `take`, which may decline. */
async function takeUnused(
  layout: Layout,
  noted: ReadonlySet<ChainId>,
  isOver: IsOver,
  take: (chainId: ChainId) => boolean | Promise<boolean>,
): Promise<Taken> {
  const inImages = layersOfAllImages(layout);
  const inBuilds = layersOfBuilds(layout);
  const children = countChildren(layout);
  const inUse: ChainId[] = [];
  const absent: ChainId[] = [];
  const taken = new Set<ChainId>();
  const candidates = [...noted];
  for (const chainId of candidates) {
    if (taken.has(chainId)) continue;
    if (inImages.has(chainId)) {
      inUse.push(chainId);
      continue;
    }
    if (!existsSync(layout.layer(chainId))) {
      absent.push(chainId);
      continue;
    }
    if ((children.get(chainId) ?? 0) > 0 || inBuilds(chainId)) continue;
    if (!isOver(chainId, notedSince(layout, chainId) ?? 0)) continue;
    const parent = readParent(layout, chainId);
    if (!(await take(chainId))) continue;
    taken.add(chainId);
    if (parent === undefined) continue;
    children.set(parent, (children.get(parent) ?? 1) - 1);
    if (noted.has(parent)) candidates.push(parent); // its turn may have come too early
  }
  return { inUse, absent, taken: [...taken] };
}

/** Makes it durable that entries were taken out: first where they went, then that they did. */
export async function settle(
  layout: Layout,
  staging: Staging,
  outgoing: readonly StagedClaim[],
): Promise<void> {
  await syncDirectory(staging.base);
  await syncDirectory(layout.layers);
  if (staging.reachesLayerdb) return;
  for (const claim of outgoing) await removeTree(aside(layout, claim));
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
      await takeOut(layout, staging, claim, layout.layer(chainId));
    } finally {
      lock.close();
    }
    hidden = true;
    return claim;
  } finally {
    if (!hidden) await claim.discard();
  }
}

/**
 * The opposite of the moment a layer becomes visible: from here on its write-set tells what to remove.
 * @param home the layer's entry
 */
export async function takeOut(
  layout: Layout,
  staging: Staging,
  claim: StagedClaim,
  home: string,
): Promise<void> {
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
