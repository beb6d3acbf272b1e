/** Who needs the layers of a root: asked to tell what nobody would miss. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type ChainId, type ImageId, isDigest } from "../digest.js";
import { layersOfConfig, readImageConfig } from "../images.js";
import type { LayerRecord } from "../layers.js";
import { LAYER_FILE, type Layout } from "../layout.js";
import { readNames, readText } from "../read.js";
import { notedSince, notedUnused } from "../unused.js";
import { layersOfBuilds } from "../usage.js";
import type { Survey } from "./survey.js";

/**
 * Why a layer is there: an `image` names it; a `container` sits on it, though no
 * image does; dockerd's `build` cache keeps it; it is `waiting` for an image
 * whose pull was interrupted; it is `going`, because the next session that writes
 * finishes its removal; or nobody needs it (`none`), which dockerd never removes.
 */
export type LayerUse =
  "image" | "container" | "build" | "waiting" | "going" | "none";

/** A layer that is in `layerdb`, and what it is there for. */
export interface UsedLayer {
  readonly chainId: ChainId;
  /** Undefined when dockerd would skip it. */
  readonly record: LayerRecord | undefined;
  readonly use: LayerUse;
}

/**
 * Every layer that has an entry. The order in which things are read is the
 * opposite of that in which a pull makes them, so that a layer which is on its
 * way is never taken for an orphan: entries, notes, images.
 */
export function layerUses(survey: Survey): Map<ChainId, UsedLayer> {
  const { layout } = survey;
  const ids = survey.layerIds;
  const noted = notedUnused(layout);
  const inBuilds = layersOfBuilds(layout);
  const uses = new Map<ChainId, LayerUse>();
  for (const id of survey.imageIds) {
    // What is below a layer that is known is known, too.
    for (const chainId of namedLayers(survey, id).toReversed()) {
      if (uses.has(chainId)) break;
      uses.set(chainId, "image");
    }
  }
  const mark = (top: ChainId, use: LayerUse): void => {
    for (let next: ChainId | undefined = top; next && !uses.has(next);) {
      uses.set(next, use);
      next = survey.layer(next)?.parent;
    }
  };
  for (const top of topsOfContainers(layout)) mark(top, "container");
  for (const id of ids) if (!uses.has(id) && inBuilds(id)) mark(id, "build");
  for (const id of noted) {
    mark(id, notedSince(layout, id) === 0 ? "going" : "waiting");
  }
  const found = new Map<ChainId, UsedLayer>();
  for (const chainId of ids) {
    const record = survey.layer(chainId);
    // One without a record is damaged, or has gone meanwhile.
    if (record === undefined && !existsSync(layout.layer(chainId))) continue;
    found.set(chainId, { chainId, record, use: uses.get(chainId) ?? "none" });
  }
  return found;
}

/** The layers that an image names, also when a dockerd would not load it: somebody may want to mend it. */
function namedLayers(survey: Survey, id: ImageId): ChainId[] {
  if (survey.config(id) !== undefined) return survey.chainOf(id);
  const bytes = readImageConfig(survey.layout, id);
  try {
    return bytes === undefined ? [] : layersOfConfig(bytes);
  } catch {
    return [];
  }
}

/** The layers that containers sit on, loadable or not, and whatever else dockerd mounts. */
function topsOfContainers(layout: Layout): ChainId[] {
  return readNames(layout.mounts).flatMap((name) => {
    const top = readText(join(layout.mounts, name, LAYER_FILE.parent))?.trim();
    return isDigest(top) ? [top as string as ChainId] : [];
  });
}
