/**
 * A staged layer takes the place of a damaged one, in steps each of which is
 * durable and leaves nothing worse than it was. The layer keeps its cache-id
 * and its link, so that layers above and containers need not change.
 */
import { lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  copyFlatDirectory,
  exchange,
  moveDirectory,
  replaceFile,
  syncDirectory,
  writeFlushed,
} from "../atomic.js";
import { forgetComplete } from "../complete.js";
import { type CacheId, newCacheId } from "../digest.js";
import { TpullError } from "../errors.js";
import { isAbsent } from "../io-error.js";
import { LAYER_FILE, type StagingPaths } from "../layout.js";
import { FILE_MODE } from "../plan.js";
import { removeTree } from "../remove.js";
import type { Brought } from "./bring-layer.js";
import { type Derivation, deriveEntry, deriveOverlay } from "./derive.js";
import type { KnownLayer } from "./known-layers.js";
import { mountedNames } from "./mounted.js";
import type { LayerPlace } from "./overlay-map.js";
import { Steps } from "./steps.js";

/**
 * Runs in the section, after what is staged has been flushed. What the layer
 * had before is then in the staging directory, and goes with it.
 * @throws TpullError `LAYER_IN_USE` while the layer is mounted
 */
export async function placeLayer(
  repair: Derivation,
  layer: KnownLayer,
  { claim: { paths }, staged: { size } }: Brought,
): Promise<void> {
  const { layout, map } = repair;
  // It is one step to people: a layer with all that belongs to it.
  const steps = new Steps(layout, false, undefined);
  const derivation = { ...repair, steps };
  const before = map.placeOf(layer.chainId)!;
  refuseMounted(before);
  // From here on what is staged is not the whole layer any more.
  forgetComplete(paths);
  await syncDirectory(paths.directory);
  const cacheId = await placeFiles(derivation, layer, before, paths);
  await deriveOverlay(derivation, layer);
  if (isDirectory(layout.layer(layer.chainId))) {
    await replaceRecord(derivation, layer, paths);
    await deriveEntry(derivation, layer, size);
  } else {
    await publish(derivation, layer, cacheId, size, paths);
  }
  if (before.isThere && cacheId !== before.cacheId) {
    moveDirectory(layout.cache(before.cacheId!), paths.layer);
    await syncDirectory(layout.overlay);
  }
}

/**
 * A mount does not care where its directories are, but very much whether their files go.
 * @throws TpullError `LAYER_IN_USE`
 */
export function refuseMounted({ cacheId, link, isThere }: LayerPlace): void {
  if (!isThere) return;
  const mounted = mountedNames();
  if (!mounted.has(link) && !mounted.has(cacheId ?? "")) return;
  throw new TpullError(
    "LAYER_IN_USE",
    "a running container or build has the layer mounted",
    { hint: "Stop the containers of the image, and repair again." },
  );
}

/** Where the archive record is of a layer that is staged. */
export function recordPath({ writeSet }: StagingPaths): string {
  return join(writeSet, LAYER_FILE.tarSplit);
}

/** Gives a layer whose files are right the archive record of what is staged. Runs in the section. */
export async function placeRecord(
  derivation: Derivation,
  layer: KnownLayer,
  { claim: { paths }, staged: { size } }: Brought,
): Promise<void> {
  await replaceRecord(derivation, layer, paths);
  await deriveEntry(derivation, layer, size);
}

async function replaceRecord(
  { layout }: Derivation,
  { chainId }: KnownLayer,
  paths: StagingPaths,
): Promise<void> {
  const record = layout.layerFile(chainId, "tarSplit");
  if (isDirectory(record)) await removeTree(record);
  const bytes = readFileSync(recordPath(paths));
  await replaceFile(record, bytes, FILE_MODE);
}

/** @returns where the files are now */
async function placeFiles(
  { layout, map }: Derivation,
  { chainId }: KnownLayer,
  place: LayerPlace,
  paths: StagingPaths,
): Promise<CacheId> {
  const cacheId = place.cacheId ?? newCacheId();
  const home = layout.cache(cacheId);
  const diff = layout.cacheFile(cacheId, "diff");
  if (place.isThere && exchange(paths.diff, diff)) {
    await syncDirectory(home);
    await syncDirectory(paths.layer);
    return cacheId;
  }
  if (!place.isThere && isDirectory(home)) {
    await removeTree(diff);
    moveDirectory(paths.diff, diff);
    await syncDirectory(home);
    map.put(chainId, cacheId);
    return cacheId;
  }
  // Where names cannot be exchanged, a directory of another name takes over.
  const fresh = place.isThere ? newCacheId() : cacheId;
  if (!place.isThere) await removeTree(home);
  moveDirectory(paths.layer, layout.cache(fresh));
  await syncDirectory(layout.overlay);
  map.put(chainId, fresh);
  return fresh;
}

/** The layer has no entry (any more): it is made as a whole and becomes visible by one rename. */
async function publish(
  { layout }: Derivation,
  { chainId, diffId, parent }: KnownLayer,
  cacheId: CacheId,
  size: number,
  paths: StagingPaths,
): Promise<void> {
  const home = layout.layer(chainId);
  const made = layout.temporaryLayer("write-set", chainId);
  await removeTree(made);
  await copyFlatDirectory(paths.writeSet, made, [LAYER_FILE.tarSplit]);
  const texts: readonly [string, string | undefined][] = [
    [LAYER_FILE.diff, diffId],
    [LAYER_FILE.size, String(size)],
    [LAYER_FILE.cacheId, cacheId],
    [LAYER_FILE.parent, parent],
  ];
  for (const [name, text] of texts) {
    if (text !== undefined) {
      await writeFlushed(join(made, name), text, FILE_MODE);
    }
  }
  await syncDirectory(made);
  await removeTree(home); // whatever has its name and is no directory
  moveDirectory(made, home);
  await syncDirectory(layout.layers);
}

function isDirectory(path: string): boolean {
  try {
    return lstatSync(path).isDirectory();
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}
