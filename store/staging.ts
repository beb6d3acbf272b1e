/**
 * Layers that are being written. Each has a directory named after its chain ID,
 * whose lock says that somebody works on it and whose `write-set` says what to
 * remove when nobody does.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  createDirectory,
  syncDirectory,
  TEMPORARY_PREFIX,
  unmark,
} from "./atomic.js";
import type { CacheId, ChainId } from "./digest.js";
import { type LayerClaim, readCacheId } from "./layers.js";
import {
  type Layout,
  type StagingPaths,
  stagingPaths,
  TEMPORARY_LAYER_PREFIX,
} from "./layout.js";
import { type LockedFile, tryLockDirectory } from "./lock.js";
import { LOCK_EX } from "./native/libc.js";
import { isLinkOf, readLinkId } from "./place.js";
import { readNames } from "./read.js";
import { removeTree } from "./remove.js";
import { usedOverlayNames } from "./usage.js";

/** A claim as the store itself sees it. */
export class StagedClaim implements LayerClaim {
  readonly chainId: ChainId;
  readonly paths: StagingPaths;
  readonly #layout: Layout;
  #lock: LockedFile | undefined;

  constructor(
    layout: Layout,
    chainId: ChainId,
    paths: StagingPaths,
    lock: LockedFile,
  ) {
    this.chainId = chainId;
    this.paths = paths;
    this.#layout = layout;
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
  base: string,
  chainId: ChainId,
): StagedClaim | "busy" | "gone" {
  const paths = layout.staged(base, chainId);
  createDirectory(paths.directory, 0o700);
  const lock = tryLockDirectory(paths.directory, LOCK_EX);
  return typeof lock === "string"
    ? lock
    : new StagedClaim(layout, chainId, paths, lock);
}

/**
 * Undoes a layer that is not visible (any more): its directory in `overlay2`
 * with its short link, if it has them, and what is staged. The write-set goes
 * last, when the rest is gone for certain, because it names the rest. May be
 * repeated after a crash.
 */
export async function revert(
  layout: Layout,
  paths: StagingPaths,
): Promise<void> {
  const cacheId = readCacheId(paths.writeSet);
  if (cacheId !== undefined && !usedOverlayNames(layout).has(cacheId)) {
    await removeMoved(layout, paths, cacheId);
  }
  await removeTree(paths.layer);
  await removeTree(paths.writeSet);
}

/** Removes what a commit has brought to `overlay2`. The link is found through the directory, so it goes first. */
async function removeMoved(
  layout: Layout,
  paths: StagingPaths,
  cacheId: CacheId,
): Promise<void> {
  const moved = layout.cache(cacheId);
  const link = readLinkId(moved) ?? readLinkId(paths.layer);
  if (link !== undefined && isLinkOf(layout, link, cacheId)) {
    unmark(layout.link(link));
    await syncDirectory(layout.links);
  }
  if (!existsSync(moved)) return;
  await removeTree(moved);
  await syncDirectory(layout.overlay);
}

/** Removes what processes left that no longer run. Layers in work are not touched. */
export async function sweepStaging(layout: Layout): Promise<void> {
  for (const base of [layout.staging, layout.overlayStaging]) {
    for (const name of readNames(base)) {
      if (!/^[0-9a-f]{64}$/.test(name)) continue;
      const paths = stagingPaths(join(base, name));
      const lock = tryLockDirectory(paths.directory, LOCK_EX);
      if (typeof lock === "string") continue;
      try {
        await revert(layout, paths);
        await removeTree(paths.directory);
      } finally {
        lock.close();
      }
    }
  }
}

/** Removes half-written files beside their places. The caller holds the section lock, under which alone they are made. */
export async function sweepTemporaries(layout: Layout): Promise<void> {
  const places: [directory: string, prefix: string][] = [
    [layout.driver, TEMPORARY_PREFIX],
    [layout.imagedbContent, TEMPORARY_PREFIX],
    [layout.diffIdByDigest, TEMPORARY_PREFIX],
    [layout.v2Metadata, TEMPORARY_PREFIX],
    [layout.layerdbTemporary, TEMPORARY_LAYER_PREFIX],
  ];
  for (const [directory, prefix] of places) {
    for (const name of readNames(directory)) {
      if (name.startsWith(prefix)) await removeTree(join(directory, name));
    }
  }
}
