/**
 * Makes removals real, in dockerd's order: names, then images, then layers from
 * the top down. Each step is durable before the next begins. Layers that nobody
 * will need any more are noted as due before their images go, so that after a
 * crash whoever next ends a writing session finishes the removal.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { syncDirectory, unmark } from "../atomic.js";
import type { ChainId, ImageId } from "../digest.js";
import { LAYER_FILE, type Layout } from "../layout.js";
import { DEFAULT_MAX_AGE_MS } from "../partials.js";
import { readText } from "../read.js";
import { removeTree } from "../remove.js";
import { writeRepositories } from "../repositories.js";
import { hideUnused, type IsOver } from "../retract.js";
import type { Session } from "../session.js";
import type { StagedClaim } from "../staging.js";
import { noteDue } from "../unused.js";
import type { Changes } from "./image-table.js";
import { isFull, makeRoom } from "./make-room.js";

/**
 * Runs in the section. Whatever happens, what was collected in `outgoing` is to
 * be discarded afterwards, outside of it.
 * @param outgoing collects the layers that went, each before its parent
 */
export async function carryOut(
  session: Session,
  { names, images, parentless, orphans }: Changes,
  outgoing: StagedClaim[],
): Promise<void> {
  const { layout } = session;
  const begin = async (): Promise<boolean> => {
    const noted = await noteOrphans(layout, orphans);
    if (names !== undefined) await writeRepositories(layout, names);
    return noted;
  };
  const noted = await begin().catch(async (error: unknown) => {
    if (!isFull(error)) throw error;
    await makeRoom(layout, images, orphans);
    return await begin();
  });
  await removeMetadata(layout, images, parentless);
  await removeConfigs(layout, images);
  const unnoted = noted ? [] : orphans;
  await hideUnused(session, isDue(), outgoing, unnoted);
}

/** The IDs of the images and layers that are really gone: a running tpull may have kept some of those that were to go. */
export function whatWent(
  { images }: Changes,
  outgoing: readonly StagedClaim[],
): ReadonlySet<ImageId | ChainId> {
  return new Set([...images, ...outgoing.map(({ chainId }) => chainId)]);
}

/** Bytes of the files of layers that were taken out, as docker counts them. */
export function bytesOf(outgoing: readonly StagedClaim[]): number {
  return outgoing.reduce((sum, { paths }) => sum + sizeIn(paths.writeSet), 0);
}

/** The size that a layer's entry, wherever it is, tells; 0 where that is damaged. */
export function sizeIn(entry: string): number {
  const size = readText(join(entry, LAYER_FILE.size)) ?? "";
  return /^\d+$/.test(size) ? Number(size) : 0;
}

/** Notes whose time is over: those of layers that are due, and those that waited too long for their image. */
export function isDue(): IsOver {
  const oldest = Date.now() - DEFAULT_MAX_AGE_MS;
  return (_, since) => since < oldest;
}

/** @returns false where the disk is too full for it: then the removal is not finished after a crash, but it frees the disk */
async function noteOrphans(
  layout: Layout,
  orphans: readonly ChainId[],
): Promise<boolean> {
  if (orphans.length === 0) return true;
  try {
    for (const chainId of orphans) noteDue(layout, chainId);
    await syncDirectory(layout.unused);
    return true;
  } catch (error) {
    if (isFull(error)) return false;
    throw error;
  }
}

/** docker's notes on the images go before their configs, and with an image what says that others were built from it. */
async function removeMetadata(
  layout: Layout,
  images: readonly ImageId[],
  parentless: readonly ImageId[],
): Promise<void> {
  for (const id of parentless) {
    const directory = layout.imageMetadata(id);
    if (unmark(join(directory, "parent"))) await syncDirectory(directory);
  }
  let removed = false;
  for (const id of images) {
    const directory = layout.imageMetadata(id);
    if (!existsSync(directory)) continue;
    await removeTree(directory);
    removed = true;
  }
  if (removed) await syncDirectory(layout.imagedbMetadata);
}

async function removeConfigs(
  layout: Layout,
  images: readonly ImageId[],
): Promise<void> {
  if (images.length === 0) return;
  for (const id of images) {
    await removeTree(layout.imageConfig(id));
    unmark(layout.manifest(id));
  }
  await syncDirectory(layout.imagedbContent);
}
