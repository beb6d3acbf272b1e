/**
 * Layers that are being written. Each has a directory named after its chain ID,
 * whose lock says that somebody works on it and whose `write-set` says what to
 * remove when nobody does. A complete one stays for the next who wants it.
 */
import { existsSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import {
  createDirectory,
  moveDirectory,
  syncDirectory,
  TEMPORARY_PREFIX,
  unmark,
} from "./atomic.js";
import {
  blobOfComplete,
  completeSince,
  eraOf,
  forgetComplete,
  readComplete,
  type WholeLayer,
  writeComplete,
} from "./complete.js";
import { type CacheId, type ChainId, type Digest, isDigest } from "./digest.js";
import { isAbsent } from "./io-error.js";
import { type LayerClaim, readCacheId } from "./layers.js";
import {
  LAYER_FILE,
  type Layout,
  OVERLAY_FILE,
  type StagingPaths,
  TEMPORARY_LAYER_PREFIX,
} from "./layout.js";
import { type LockedFile, tryLockDirectory } from "./lock.js";
import { LOCK_EX } from "./native/libc.js";
import { isLinkOf, readLinkId } from "./place.js";
import { readNames } from "./read.js";
import { removeTree } from "./remove.js";
import type { Staging } from "./session.js";
import { usedOverlayNames } from "./usage.js";

/** A claim as the store itself sees it. */
export class StagedClaim implements LayerClaim {
  readonly chainId: ChainId;
  readonly paths: StagingPaths;
  readonly #layout: Layout;
  readonly #era: string | undefined;
  #lock: LockedFile | undefined;

  constructor(
    layout: Layout,
    { base, era }: Pick<Staging, "base" | "era">,
    chainId: ChainId,
    lock: LockedFile,
  ) {
    this.chainId = chainId;
    this.paths = layout.staged(base, chainId);
    this.#layout = layout;
    this.#era = era;
    this.#lock = lock;
  }

  get layerDirectory(): string {
    return this.paths.layer;
  }

  get diffDirectory(): string {
    return this.paths.diff;
  }

  get writeSetDirectory(): string {
    return this.paths.writeSet;
  }

  get isOpen(): boolean {
    return this.#lock !== undefined;
  }

  /** Clears what an interrupted process left and lays out the empty layer. */
  async prepare(): Promise<void> {
    await revert(this.#layout, this.paths);
    createDirectory(this.paths.layer, 0o710);
    createDirectory(this.paths.diff, 0o755);
    createDirectory(this.paths.writeSet, 0o700);
  }

  complete(layer: WholeLayer): void {
    if (this.#era === undefined) return;
    try {
      writeComplete(this.paths, this.#era, layer);
    } catch {
      // On a full disk, say: then the layer is only worth less to a later session.
    }
  }

  /** The layer that an earlier session left whole here, ready to be committed once more. */
  recover(): WholeLayer | undefined {
    const layer = readComplete(this.paths, this.chainId, this.#era);
    if (layer === undefined) return undefined;
    return withdrawPlan(this.#layout, this.paths) ? layer : undefined;
  }

  /** Lets go of the directory, and leaves in it a layer that is whole. */
  async release(): Promise<void> {
    if (readComplete(this.paths, this.chainId, this.#era) === undefined) {
      return this.discard();
    }
    this.abandon();
  }

  /** Lets go of the directory as it is: the next sweep finishes what was begun in it. */
  abandon(): void {
    this.#lock?.close();
    this.#lock = undefined;
  }

  /** Removes the directory, all that is left in it, and with it the lock. */
  async close(): Promise<void> {
    const lock = this.#lock;
    if (lock === undefined) return;
    this.#lock = undefined;
    try {
      await removeTree(this.paths.directory);
    } finally {
      lock.close();
    }
  }

  async discard(): Promise<void> {
    if (this.#lock === undefined) return;
    try {
      await revert(this.#layout, this.paths);
    } finally {
      await this.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discard();
  }
}

/**
 * Tries to become the one who writes this layer.
 * @returns `busy` while another process is; `gone` when it stopped just now
 */
export function tryClaim(
  layout: Layout,
  staging: Pick<Staging, "base" | "era">,
  chainId: ChainId,
): StagedClaim | "busy" | "gone" {
  const { directory } = layout.staged(staging.base, chainId);
  try {
    createDirectory(directory, 0o700);
  } catch (error) {
    // A session that begins sweeps what nobody has locked, however new it is.
    if (isAbsent(error)) return "gone";
    throw error;
  }
  const lock = tryLockDirectory(directory, LOCK_EX);
  return typeof lock === "string"
    ? lock
    : new StagedClaim(layout, staging, chainId, lock);
}

/** Undoes one layer; see {@link revertAll}. */
export async function revert(
  layout: Layout,
  paths: StagingPaths,
): Promise<void> {
  await revertAll(layout, [paths]);
}

/**
 * Undoes layers that are not visible (any more): their directories in `overlay2`
 * with their short links, if they have them, and what is staged. The write-sets
 * go last, when the rest is gone for certain, because they name the rest. May be
 * repeated after a crash.
 */
async function revertAll(
  layout: Layout,
  all: readonly StagingPaths[],
): Promise<void> {
  const moved: { paths: StagingPaths; cacheId: CacheId }[] = [];
  for (const paths of all) {
    forgetComplete(paths);
    const cacheId = readCacheId(paths.writeSet);
    if (cacheId !== undefined) moved.push({ paths, cacheId });
  }
  if (moved.length > 0) {
    const used = usedOverlayNames(layout);
    await removeMoved(
      layout,
      moved.filter(({ cacheId }) => !used.has(cacheId)),
    );
  }
  for (const paths of all) {
    await removeTree(paths.layer);
    await removeTree(paths.writeSet);
  }
}

/** Removes what commits have brought to `overlay2`. The links are found through the directories, so they go first. */
async function removeMoved(
  layout: Layout,
  all: readonly { paths: StagingPaths; cacheId: CacheId }[],
): Promise<void> {
  let unlinked = false;
  for (const { paths, cacheId } of all) {
    const link = readLinkId(layout.cache(cacheId)) ?? readLinkId(paths.layer);
    if (link === undefined || !isLinkOf(layout, link, cacheId)) continue;
    if (unmark(layout.link(link))) unlinked = true;
  }
  if (unlinked) await syncDirectory(layout.links);
  let removed = false;
  for (const { cacheId } of all) {
    const moved = layout.cache(cacheId);
    if (!existsSync(moved)) continue;
    await removeTree(moved);
    removed = true;
  }
  if (removed) await syncDirectory(layout.overlay);
}

/**
 * Discards claims together, which takes a flush or two for all of them. What
 * cannot be removed is left for the next sweep.
 */
export async function discardAll(
  layout: Layout,
  claims: readonly StagedClaim[],
): Promise<void> {
  const open = claims.filter(({ isOpen }) => isOpen);
  try {
    await revertAll(
      layout,
      open.map(({ paths }) => paths),
    );
    for (const claim of open) await claim.close();
  } finally {
    for (const claim of open) claim.abandon();
  }
}

/**
 * Undoes what a commit that was interrupted did to a whole layer. Its cache-id
 * goes last, because it tells where the layer is.
 * @returns false when the layer is not all there
 */
function withdrawPlan(layout: Layout, paths: StagingPaths): boolean {
  const cacheId = readCacheId(paths.writeSet);
  if (cacheId !== undefined && !existsSync(paths.layer)) {
    if (usedOverlayNames(layout).has(cacheId)) return false;
    const moved = layout.cache(cacheId);
    if (!existsSync(moved)) return false;
    const link = readLinkId(moved);
    if (link !== undefined && isLinkOf(layout, link, cacheId)) {
      unmark(layout.link(link));
    }
    moveDirectory(moved, paths.layer);
  }
  if (!existsSync(paths.diff)) return false;
  if (!existsSync(join(paths.writeSet, LAYER_FILE.tarSplit))) return false;
  const { work, link, lower, committed } = OVERLAY_FILE;
  if (existsSync(join(paths.layer, work))) rmdirSync(join(paths.layer, work));
  for (const name of [link, lower, committed]) unmark(join(paths.layer, name));
  const { diff, size, parent, cacheId: id } = LAYER_FILE;
  for (const name of [diff, size, parent, id]) {
    unmark(join(paths.writeSet, name));
  }
  return true;
}

/** The staging directories of all layers, locked or not. */
export function stagedLayers(
  layout: Layout,
  base: string,
): { chainId: ChainId; paths: StagingPaths }[] {
  return readNames(base).flatMap((name) => {
    const chainId = `sha256:${name}`;
    if (!isDigest(chainId)) return [];
    const id = chainId as string as ChainId;
    return [{ chainId: id, paths: layout.staged(base, id) }];
  });
}

/** The blobs whose layers are staged as a whole. */
export function blobsStaged(layout: Layout): Digest[] {
  return [layout.staging, layout.overlayStaging].flatMap((base) =>
    stagedLayers(layout, base).flatMap(
      ({ paths }) => blobOfComplete(paths) ?? [],
    ),
  );
}

/**
 * Removes what processes left that no longer run. Layers in work are not
 * touched, and neither are whole ones.
 * @param since whole layers are left that are no older than this; milliseconds since 1970
 * @returns whether whole ones are left
 */
export async function sweepStaging(
  layout: Layout,
  since: number,
): Promise<boolean> {
  let left = false;
  for (const base of [layout.staging, layout.overlayStaging]) {
    const staged = stagedLayers(layout, base);
    if (staged.length === 0) continue;
    const era = await eraOf(base);
    for (const { chainId, paths } of staged) {
      const lock = tryLockDirectory(paths.directory, LOCK_EX);
      if (typeof lock === "string") continue;
      try {
        if ((completeSince(paths) ?? Number.NEGATIVE_INFINITY) >= since) {
          const note = readComplete(paths, chainId, era);
          if (note !== undefined && withdrawPlan(layout, paths)) {
            left = true;
            continue;
          }
        }
        await revert(layout, paths);
        await removeTree(paths.directory);
      } finally {
        lock.close();
      }
    }
  }
  return left;
}

/** Removes half-written files beside their places. The caller holds the section lock, under which alone they are made. */
export async function sweepTemporaries(layout: Layout): Promise<void> {
  const places: [directory: string, prefix: string][] = [
    [layout.driver, TEMPORARY_PREFIX],
    [layout.imagedbContent, TEMPORARY_PREFIX],
    [layout.diffIdByDigest, TEMPORARY_PREFIX],
    [layout.v2Metadata, TEMPORARY_PREFIX],
    [layout.partial, TEMPORARY_PREFIX],
    [layout.layerdbTemporary, TEMPORARY_LAYER_PREFIX],
  ];
  for (const [directory, prefix] of places) {
    for (const name of readNames(directory)) {
      if (name.startsWith(prefix)) await removeTree(join(directory, name));
    }
  }
}
