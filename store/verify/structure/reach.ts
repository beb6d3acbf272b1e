/** Which layers are needed, which of those are missing, and which are needed by nobody. */
import type { ChainId } from "../../digest.js";
import { notedUnused } from "../../unused.js";
import { layersOfBuilds } from "../../usage.js";
import type { Report } from "../report.js";
import type { Live } from "./live.js";
import type { Structure } from "./structure.js";

/**
 * @returns how many layers no image uses, where that cannot be held against
 *   them: an image's config is lost, and they may be of that image
 */
export function checkReach(
  structure: Structure,
  live: Live,
  report: Report,
): number {
  const { layout, layers, mounts } = structure;
  const needed = new Map<ChainId, string>();
  for (const chainId of structure.wanted) needed.set(chainId, "");
  for (const { container, parent } of mounts) {
    const above = `the container ${container.slice(0, 12)} needs it`;
    needBelow(structure, parent?.value as ChainId | undefined, above, needed);
  }
  const inBuilds = layersOfBuilds(layout);
  const noted = new Set(notedUnused(layout));
  for (const chainId of layers.keys()) {
    const waits =
      noted.has(chainId) ||
      structure.usersOf(chainId).length > 0 ||
      live.isLocked(layout.layer(chainId));
    if (waits || inBuilds(chainId)) needBelow(structure, chainId, "", needed);
  }
  const orphans = [...layers.keys()].filter((chainId) => !needed.has(chainId));
  // Where an orphan has lost the layer below, that is missed as well.
  for (const chainId of orphans) {
    const parent = structure.originOf(chainId)?.parent;
    if (parent !== undefined && !needed.has(parent) && !layers.has(parent)) {
      needed.set(parent, `the layer ${chainId} needs it`);
    }
  }
  for (const [chainId, why] of needed) {
    if (layers.has(chainId)) continue;
    const message = why === "" ? "it is missing" : `it is missing, and ${why}`;
    const images = structure.usersOf(chainId);
    report.add("LAYER_MISSING", layout.layer(chainId), message, {
      chainId,
      images,
    });
  }
  if (orphans.length === 0) return 0;
  if (hasLostConfigs(structure)) return orphans.length;
  for (const chainId of orphans) {
    const message = "no image and no container uses it";
    report.add("LAYER_ORPHAN", layout.layer(chainId), message, { chainId });
  }
  return 0;
}

/** Whether there is, or should be, an image of which it is not known which layers it has. */
function hasLostConfigs({ configs, names }: Structure): boolean {
  if (configs.some(({ problem }) => problem?.code === "CONFIG_DAMAGED")) {
    return true;
  }
  const known = new Set<string>(configs.map(({ imageId }) => imageId));
  for (const references of names.repositories.values()) {
    for (const id of references.values()) if (!known.has(id)) return true;
  }
  return false;
}

/** Adds a layer and all below it. */
function needBelow(
  structure: Structure,
  top: ChainId | undefined,
  why: string,
  needed: Map<ChainId, string>,
): void {
  let at = top;
  while (at !== undefined && !needed.has(at)) {
    needed.set(at, why);
    // Better one too many than one that is needed and called an orphan.
    const said = structure.layers.get(at)?.parent?.value;
    at = structure.originOf(at)?.parent ?? (said as ChainId | undefined);
  }
}
