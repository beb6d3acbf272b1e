/**
 * Staged layers become part of the store, in groups, base first. Everything is
 * written and flushed while nobody can see it; what makes a layer visible is a
 * single rename.
 */
import { readFileSync, symlinkSync } from "node:fs";
import {
  copyFlatDirectory,
  mark,
  moveDirectory,
  replaceFile,
  syncDirectory,
  syncFilesystem,
} from "./atomic.js";
import type { CacheId, ChainId } from "./digest.js";
import { errnoOf } from "./io-error.js";
import { type LayerRecord, readCacheId, type StagedLayer } from "./layers.js";
import { LAYER_FILE, linkTarget } from "./layout.js";
import { lowerAbove } from "./place.js";
import {
  FILE_MODE,
  markInGroup,
  type Plan,
  planGroup,
  writePlan,
} from "./plan.js";
import { removeTree } from "./remove.js";
import { removeOverlay } from "./repair/remove-overlay.js";
import { type Replaced, settleReplaced } from "./repair/replaced.js";
import type { Session, Staging } from "./session.js";
import { revert } from "./staging.js";
import { forgetUnused, noteUnused } from "./unused.js";

/** Looks for a whole layer of this chain ID that somebody else put into the store. */
export type FindLayer = (chainId: ChainId) => LayerRecord | undefined;

/**
 * Commits layers whose parents are in the store or earlier in the list. On
 * failure, those that did not become visible are withdrawn and their claims are
 * still to be discarded.
 * @returns the layers as the store has them: ours, or the one that was there first
 * @throws TpullError `TOO_MANY_LAYERS`, `LAYER_PARENT_MISSING`
 */
export async function commitGroup(
  session: Session,
  ready: readonly StagedLayer[],
  find: FindLayer,
  onVisible: (record: LayerRecord) => void,
): Promise<LayerRecord[]> {
  const { layout } = session;
  const staging = await session.staging();
  const plans = planGroup(ready, (chainId) => {
    find(chainId);
    return session.places.get(chainId);
  });
  for (const plan of plans) writePlan(plan);
  for (const { record, blob } of plans) {
    markInGroup(plans, record.parent);
    noteUnused(layout, record.chainId, blob);
  }
  await syncFilesystem(staging.base);
  if (!staging.reachesLayerdb) await syncFilesystem(layout.layers);
  if (staging.base !== layout.staging) await syncFilesystem(layout.unused);

  const replaced: Replaced[] = [];
  const records = await session.section(async () => {
    const committed: LayerRecord[] = [];
    try {
      for (const plan of plans) moveOverlay(session, plan);
      await syncDirectory(layout.overlay);
      await syncDirectory(layout.links);
      for (const plan of plans) {
        const record = await publish(session, staging, plan, find, replaced);
        if (plan.published) onVisible(record);
        committed.push(record);
      }
    } catch (error) {
      for (const plan of plans.toReversed()) {
        if (!plan.published) await withdraw(session, plan);
      }
      throw error;
    } finally {
      await syncDirectory(layout.layers);
    }
    return committed;
  }, session.signal);
  for (const { claim } of plans) await claim.close();
  await clearReplaced(session, replaced);
  return records;
}

/** What was damaged goes, once nothing is tied to it any more. */
async function clearReplaced(
  session: Session,
  replaced: readonly Replaced[],
): Promise<void> {
  if (replaced.length === 0) return;
  try {
    const unneeded = await session.section(() =>
      settleReplaced(session, replaced),
    );
    for (const cacheId of unneeded) {
      await removeOverlay(session.layout, cacheId);
    }
  } catch {
    // The new layers are there: what is left of the old ones is in nobody's way.
  }
}

/** Puts the unpacked layer where it belongs. Nothing refers to it yet. */
function moveOverlay(session: Session, plan: Plan): void {
  const { layout } = session;
  const { cacheId, link } = plan.place;
  moveDirectory(plan.claim.paths.layer, layout.cache(cacheId));
  symlinkSync(linkTarget(cacheId), layout.link(link));
}

async function publish(
  session: Session,
  staging: Staging,
  plan: Plan,
  find: FindLayer,
  replaced: Replaced[],
): Promise<LayerRecord> {
  const { layout } = session;
  const { chainId, parent, cacheId } = plan.record;
  const home = layout.layer(chainId);
  if (parent !== undefined) await fitToParent(session, cacheId, parent);
  const writeSet = staging.reachesLayerdb
    ? plan.claim.paths.writeSet
    : await copyWriteSet(session, plan);
  for (;;) {
    try {
      moveDirectory(writeSet, home); // A LAYER BECOMES VISIBLE HERE
      break;
    } catch (error) {
      if (!isTaken(error)) throw error;
    }
    const sibling = find(chainId);
    if (sibling !== undefined) {
      await withdraw(session, plan);
      return sibling;
    }
    // dockerd would skip this entry, or could not mount it: it gives way.
    const wreck = layout.temporaryLayer("damaged", chainId);
    await removeTree(wreck);
    const old = readCacheId(home);
    if (old !== undefined) replaced.push({ chainId, cacheId: old });
    moveDirectory(home, wreck);
    await removeTree(wreck);
  }
  plan.published = true;
  session.places.set(chainId, {
    ...plan.place,
    lower: lowerAbove(parent && session.places.get(parent)),
  });
  return plan.record;
}

/** Takes back what a layer that did not become visible has in the store so far. */
async function withdraw(session: Session, plan: Plan): Promise<void> {
  const { layout } = session;
  await removeTree(layout.temporaryLayer("write-set", plan.record.chainId));
  await revert(layout, plan.claim.paths);
  forgetUnused(layout, [plan.record.chainId]);
}

function isTaken(error: unknown): boolean {
  const code = errnoOf(error);
  return code === "EEXIST" || code === "ENOTEMPTY" || code === "ENOTDIR";
}

/**
 * Ties a layer to the parent it really gets. That is another than planned where
 * somebody else put the same parent into the store first.
 */
async function fitToParent(
  session: Session,
  cacheId: CacheId,
  parent: ChainId,
): Promise<void> {
  const { layout } = session;
  const place = session.places.get(parent);
  if (place === undefined) throw new Error(`${parent} has no place`);
  const lower = layout.cacheFile(cacheId, "lower");
  if (readFileSync(lower, "utf8") !== lowerAbove(place)) {
    await replaceFile(lower, lowerAbove(place), FILE_MODE);
  }
  if (mark(layout.cacheFile(place.cacheId, "committed"))) {
    session.marked.add(parent);
    await syncDirectory(layout.cache(place.cacheId));
  }
}

/** Brings a write-set into the filesystem of `layerdb`. The one that is staged stays: it is what a later session finds after a crash. */
async function copyWriteSet(session: Session, plan: Plan): Promise<string> {
  const { chainId, parent } = plan.record;
  const target = session.layout.temporaryLayer("write-set", chainId);
  await removeTree(target);
  const { parent: parentFile, ...always } = LAYER_FILE;
  const names: string[] = Object.values(always);
  if (parent !== undefined) names.push(parentFile);
  await copyFlatDirectory(plan.claim.paths.writeSet, target, names);
  return target;
}
