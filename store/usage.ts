/** What is in use in the store, by whom: asked before anything is removed. */
import { join } from "node:path";
import { type ChainId, isDigest } from "./digest.js";
import { listLayers } from "./layers.js";
import { LAYER_FILE, type Layout } from "./layout.js";
import { readBytes, readNames, readText } from "./read.js";

/** The names in `overlay2` that a layer or a container uses. */
export function usedOverlayNames(layout: Layout): Set<string> {
  const used = new Set<string>();
  // Entries under other names count too: dockerd itself finishes their removal.
  for (const name of readNames(layout.layers)) {
    const id = readText(join(layout.layers, name, LAYER_FILE.cacheId));
    if (id !== undefined) used.add(id.trim());
  }
  for (const name of readNames(layout.mounts)) {
    for (const file of ["mount-id", "init-id"]) {
      const id = readText(join(layout.mounts, name, file));
      if (id !== undefined) used.add(id.trim());
    }
  }
  return used;
}

/** How many layers and containers sit directly on each layer that has any. */
export function countChildren(layout: Layout): Map<ChainId, number> {
  const files = [
    ...listLayers(layout).map((id) => layout.layerFile(id, "parent")),
    ...readNames(layout.mounts).map((name) =>
      join(layout.mounts, name, LAYER_FILE.parent),
    ),
  ];
  const counts = new Map<ChainId, number>();
  for (const file of files) {
    const chainId = readChainId(file);
    if (chainId === undefined) continue;
    counts.set(chainId, (counts.get(chainId) ?? 0) + 1);
  }
  return counts;
}

/** The layer below, as {@link countChildren} counts it: also of an entry that is damaged otherwise. */
export function readParent(
  layout: Layout,
  chainId: ChainId,
): ChainId | undefined {
  return readChainId(layout.layerFile(chainId, "parent"));
}

function readChainId(file: string): ChainId | undefined {
  const text = readText(file)?.trim();
  return isDigest(text) ? (text as string as ChainId) : undefined;
}

/**
 * Tells which layers dockerd's builder keeps in its cache. Those may have no
 * image: the builder refers to layers by chain ID in a database of its own. That
 * is not interpreted here; an ID that occurs anywhere in it counts as in use.
 */
export function layersOfBuilds(layout: Layout): (chainId: ChainId) => boolean {
  const database = readBytes(layout.buildSnapshots);
  return (chainId) => database?.includes(chainId) ?? false;
}
