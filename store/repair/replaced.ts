/**
 * A pull that finds a layer damaged puts a whole one in its place, under a new
 * cache-id and link. What then is left to do: layers of other images that are on
 * it are tied to the new one, and the old files go.
 */
import type { CacheId, ChainId } from "../digest.js";
import type { Session } from "../session.js";
import { deriveOverlay } from "./derive.js";
import { type KnownLayer, KnownLayers } from "./known-layers.js";
import { OverlayMap } from "./overlay-map.js";
import { Steps } from "./steps.js";
import { Uses } from "./uses.js";

/** A layer that was replaced as a whole. */
export interface Replaced {
  readonly chainId: ChainId;
  /** Where its files were. */
  readonly cacheId: CacheId;
}

/**
 * Runs in the section, when the new layers are visible.
 * @returns the directories in `overlay2` that nobody needs any more
 */
export async function settleReplaced(
  { layout }: Session,
  replaced: readonly Replaced[],
): Promise<CacheId[]> {
  if (replaced.length === 0) return [];
  const known = new KnownLayers(layout);
  const map = await OverlayMap.read(layout, known, undefined);
  const steps = new Steps(layout, false, undefined);
  const tie = async ({ chainId }: KnownLayer): Promise<void> => {
    for (const child of known.childrenOf(chainId)) {
      await deriveOverlay({ layout, known, map, steps }, child);
      await tie(child);
    }
  };
  for (const { chainId } of replaced) {
    const layer = known.get(chainId);
    if (layer !== undefined) await tie(layer);
  }
  const uses = new Uses(layout, known, undefined);
  return replaced
    .map(({ cacheId }) => cacheId)
    .filter((cacheId) => uses.ofDirectory(cacheId) === undefined);
}
