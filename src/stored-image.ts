/** Images that are in the store already, in the terms of a pull. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type ChainId,
  type DiffId,
  type Store,
  chainIds,
} from "../store/index.js";
import type { LayerResult } from "./events.js";
import { type ImageConfig, parseImageConfig } from "./image-config.js";
import { type Platform, normalizePlatform } from "./platform.js";

/** A config of the store; undefined for one that no pull would have put there. */
export function parseStoredConfig(bytes: Buffer): ImageConfig | undefined {
  try {
    const { rootfs } = JSON.parse(bytes.toString("utf8")) as {
      rootfs?: { diff_ids?: unknown[] | null };
    };
    return parseImageConfig(bytes, rootfs?.diff_ids?.length ?? 0);
  } catch {
    return undefined;
  }
}

/**
 * An image's layers as the store has them, base first.
 * @param repository canonical, whose blobs are named if others are known, too
 * @returns undefined unless the store has all with their files, and knows where they came from
 */
export async function storedLayers(
  store: Store,
  diffIds: readonly DiffId[],
  repository: string,
): Promise<LayerResult[] | undefined> {
  const top = chainIds(diffIds).at(-1);
  if (top === undefined) return [];
  const layers: LayerResult[] = [];
  for (const record of (await store.layerChain(top)) ?? []) {
    const { diffId, chainId, cacheId, size } = record;
    // An entry whose files are gone is not a layer: the pull mends it.
    if (!existsSync(join(store.layerPath(cacheId), "diff"))) return undefined;
    const [digest] = [
      ...(await store.originsOf(diffId, repository)),
      ...(await store.originsOf(diffId)),
    ];
    if (digest === undefined) return undefined;
    layers.push({
      digest,
      diffId,
      chainId,
      cacheId,
      size,
      source: "reused",
    });
  }
  return layers.length === diffIds.length ? layers : undefined;
}

/**
 * The layers of an image that are not in the store, base first. Found from the
 * top, so that a whole chain is one look.
 */
export async function missingLayers<Layer extends { chainId: ChainId }>(
  store: Store,
  layers: readonly Layer[],
): Promise<Layer[]> {
  for (const [at, { chainId }] of [...layers.entries()].toReversed()) {
    const chain = await store.layerChain(chainId);
    if (chain !== undefined) return layers.slice(at + 1);
  }
  return [...layers];
}

/** The layers of all images that have a name. */
export async function layersInUse(store: Store): Promise<Set<ChainId>> {
  const found = new Set<ChainId>();
  for (const names of (await store.references()).values()) {
    for (const imageId of new Set(names.values())) {
      const bytes = await store.imageConfig(imageId);
      const config = bytes && parseStoredConfig(bytes);
      for (const chainId of chainIds(config?.diffIds ?? [])) found.add(chainId);
    }
  }
  return found;
}

/** A config may spell its platform otherwise, and old ones leave out the variant. */
export function samePlatform(config: ImageConfig, wanted: Platform): boolean {
  const { os, architecture, variant } = normalizePlatform(config);
  return (
    os === wanted.os &&
    architecture === wanted.architecture &&
    (config.variant === undefined || (variant ?? "") === (wanted.variant ?? ""))
  );
}
