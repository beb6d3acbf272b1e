/** Layers on their way into a root: being unpacked, or kept for the next try of an interrupted pull. */
import { lstatSync } from "node:fs";
import { completeSince } from "../complete.js";
import type { ChainId } from "../digest.js";
import { isAbsent } from "../io-error.js";
import { readCacheId } from "../layers.js";
import type { Layout } from "../layout.js";
import { stagedLayers } from "../staging.js";
import { notedSince } from "../unused.js";
import type { UsedLayer } from "./layer-use.js";
import type { HeldLocks } from "./locks.js";

/**
 * How far a layer has come. `unpacking`: not whole. `complete`: whole, and waits
 * for a layer below. `waiting`: in the store, and waits for its image. `going`:
 * about to be removed by the next session that writes.
 */
export type UnfinishedState = "unpacking" | "complete" | "waiting" | "going";

/** A layer that is no image's yet, before it is measured. */
export interface FoundUnfinished {
  readonly chainId: ChainId;
  readonly state: UnfinishedState;
  /** Whether a running tpull writes it or relies on it. */
  readonly inUse: boolean;
  /** When it was last of use, in milliseconds since 1970. */
  readonly since: number;
  /** Where its bytes are; or how many, where that is known. */
  readonly measure: readonly string[] | number;
}

/** Layers that wait in `layerdb`, then those in staging directories. */
export function findUnfinished(
  layout: Layout,
  layers: Iterable<UsedLayer>,
  locks: HeldLocks,
): FoundUnfinished[] {
  const found: FoundUnfinished[] = [];
  for (const { chainId, record, use } of layers) {
    if (use !== "waiting" && use !== "going") continue;
    found.push({
      chainId,
      state: use,
      inUse: locks.isHeld(layout.layer(chainId)),
      since: notedSince(layout, chainId) ?? 0,
      measure: record?.size ?? [layout.layer(chainId)],
    });
  }
  for (const { chainId, paths } of stagedIn(layout)) {
    const begun = modified(paths.directory);
    if (begun === undefined) continue; // it went just now
    const complete = completeSince(paths);
    const moved = readCacheId(paths.writeSet);
    found.push({
      chainId,
      state: complete === undefined ? "unpacking" : "complete",
      inUse: locks.isHeld(paths.directory),
      since: complete ?? begun,
      measure: [
        paths.directory,
        ...(moved === undefined ? [] : [layout.cache(moved)]),
      ],
    });
  }
  return found;
}

function stagedIn(layout: Layout): ReturnType<typeof stagedLayers> {
  return [layout.staging, layout.overlayStaging].flatMap((base) =>
    stagedLayers(layout, base),
  );
}

/** The names in `overlay2` of layers that a commit, or its undoing, is about to rename. */
export function stagedOverlayNames(layout: Layout): Set<string> {
  return new Set(
    stagedIn(layout).flatMap(({ paths }) => readCacheId(paths.writeSet) ?? []),
  );
}

function modified(path: string): number | undefined {
  try {
    return lstatSync(path).mtimeMs;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
