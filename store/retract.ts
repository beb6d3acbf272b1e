/**
 * Layers that a session committed for an image that then failed. Nothing else
 * ever removes them: dockerd keeps a layer that no image has reached since its
 * start.
 */
import { unlinkSync } from "node:fs";
import { copyFlatDirectory, moveDirectory, syncDirectory } from "./atomic.js";
import type { ChainId } from "./digest.js";
import { isAbsent } from "./io-error.js";
import { layersOfAllImages } from "./images.js";
import { readLayer } from "./layers.js";
import { tryLockDirectory } from "./lock.js";
import { LOCK_EX } from "./native/libc.js";
import { readNames } from "./read.js";
import { removeTree } from "./remove.js";
import type { Session, Staging } from "./session.js";
import { revert, type StagedClaim, tryClaim } from "./staging.js";
import { countChildren } from "./usage.js";

/**
 * Removes layers again, top down, except those that an image, a container,
 * another layer or another running tpull relies on. Runs in the section.
 * @param committed in the order of their commit
 * @returns those that stay
 */
export async function retractLayers(
  session: Session,
  committed: readonly ChainId[],
): Promise<ChainId[]> {
  const { layout } = session;
  const staging = await session.staging();
  const inImages = layersOfAllImages(layout);
  const children = countChildren(layout);
  const staying: ChainId[] = [];
  for (const chainId of committed.toReversed()) {
    const used = inImages.has(chainId) || (children.get(chainId) ?? 0) > 0;
    const parent = readLayer(layout, chainId)?.parent;
    if (used || !(await retract(session, staging, chainId))) {
      staying.push(chainId);
    } else if (parent !== undefined) {
      children.set(parent, (children.get(parent) ?? 1) - 1);
    }
  }
  await syncDirectory(layout.layers);
  return staying;
}

async function retract(
  session: Session,
  staging: Staging,
  chainId: ChainId,
): Promise<boolean> {
  const { layout } = session;
  const claim = tryClaim(layout, staging.base, chainId);
  if (typeof claim === "string") return false;
  const home = layout.layer(chainId);
  // Whoever reuses the layer shares this lock for as long as it matters.
  const lock = tryLockDirectory(home, LOCK_EX);
  if (typeof lock === "string") {
    await claim.close();
    return false;
  }
  try {
    await takeBack(session, staging, claim);
    session.places.delete(chainId);
  } finally {
    lock.close();
    await claim.discard();
  }
  return true;
}

/** The opposite of the moment a layer becomes visible: from here on its write-set tells what to remove. */
async function takeBack(
  session: Session,
  staging: Staging,
  claim: StagedClaim,
): Promise<void> {
  const { layout } = session;
  const home = layout.layer(claim.chainId);
  await revert(layout, claim.paths);
  if (staging.reachesLayerdb) {
    moveDirectory(home, claim.paths.writeSet);
    return;
  }
  const names = readNames(home);
  await copyFlatDirectory(home, claim.paths.writeSet, names);
  const aside = layout.temporaryLayer("retracted", claim.chainId);
  await removeTree(aside);
  moveDirectory(home, aside);
  await removeTree(aside);
}

/** Removes the `committed` marks of this session whose children did not come about. Runs in the section. */
export function removeIdleMarks(session: Session): void {
  const { layout, marked } = session;
  const children = countChildren(layout);
  for (const parent of marked) {
    if ((children.get(parent) ?? 0) > 0) continue;
    const record = readLayer(layout, parent);
    if (record === undefined) continue;
    try {
      unlinkSync(layout.cacheFile(record.cacheId, "committed"));
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }
}
