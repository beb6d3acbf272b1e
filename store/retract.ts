/**
 * Layers that a session committed for an image that then failed. Nothing else
 * ever removes them: dockerd keeps a layer that no image has reached since its
 * start.
 */
import { unlink } from "node:fs/promises";
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
  const inImages = await layersOfAllImages(layout);
  const children = await countChildren(layout);
  const staying: ChainId[] = [];
  for (const chainId of committed.toReversed()) {
    const used = inImages.has(chainId) || (children.get(chainId) ?? 0) > 0;
    const parent = (await readLayer(layout, chainId))?.parent;
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
  const claim = await tryClaim(layout, staging.base, chainId);
  if (typeof claim === "string") return false;
  const home = layout.layer(chainId);
  // Whoever reuses the layer shares this lock for as long as it matters.
  const lock = await tryLockDirectory(home, LOCK_EX);
  if (typeof lock === "string") {
    await claim.close();
    return false;
  }
  try {
    await takeBack(session, staging, claim);
    session.places.delete(chainId);
  } finally {
    await lock.close();
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
    await moveDirectory(home, claim.paths.writeSet);
    return;
  }
  const names = await readNames(home);
  await copyFlatDirectory(home, claim.paths.writeSet, names);
  const aside = layout.temporaryLayer("retracted", claim.chainId);
  await removeTree(aside);
  await moveDirectory(home, aside);
  await removeTree(aside);
}

/** Removes the `committed` marks of this session whose children did not come about. Runs in the section. */
export async function removeIdleMarks(session: Session): Promise<void> {
  const { layout, marked } = session;
  const children = await countChildren(layout);
  for (const parent of marked) {
    if ((children.get(parent) ?? 0) > 0) continue;
    const record = await readLayer(layout, parent);
    if (record === undefined) continue;
    try {
      await unlink(layout.cacheFile(record.cacheId, "committed"));
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }
}
