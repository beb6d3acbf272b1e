/** `imagedb`: the configs of images, each under its own digest. */
import { replaceFile } from "./atomic.js";
import {
  type ChainId,
  type DiffId,
  type ImageId,
  chainIds,
  digestOf,
  isDigest,
} from "./digest.js";
import { TpullError } from "./errors.js";
import type { Layout } from "./layout.js";
import { readDocument, readNames } from "./read.js";

const CONFIG_MODE = 0o600;

/** A config whose bytes have the digest they are filed under; undefined when absent or damaged. */
export function readImageConfig(
  layout: Layout,
  imageId: ImageId,
): Buffer | undefined {
  const bytes = readDocument(layout.imageConfig(imageId));
  if (bytes === undefined) return undefined;
  return (digestOf(bytes) as string) === imageId ? bytes : undefined;
}

/**
 * The chain IDs of the layers that a config names, base first.
 * @throws TpullError `IMAGE_CONFIG_INVALID`
 */
export function layersOfConfig(config: Uint8Array): ChainId[] {
  let parsed: { rootfs?: { diff_ids?: unknown } | null } | null;
  try {
    parsed = JSON.parse(Buffer.from(config).toString()) as typeof parsed;
  } catch (error) {
    throw new TpullError("IMAGE_CONFIG_INVALID", "the config is not JSON", {
      cause: error,
    });
  }
  const diffIds = parsed?.rootfs?.diff_ids ?? [];
  if (!parsed?.rootfs || !Array.isArray(diffIds) || !diffIds.every(isDigest)) {
    throw new TpullError(
      "IMAGE_CONFIG_INVALID",
      "the config has no rootfs with a list of diff IDs",
    );
  }
  return chainIds(diffIds as string[] as DiffId[]);
}

/**
 * Files a config under its digest. The caller holds the section lock and has
 * verified both digest and layers.
 * @returns false when it was there already
 */
export async function writeImageConfig(
  layout: Layout,
  imageId: ImageId,
  config: Uint8Array,
): Promise<boolean> {
  if (readImageConfig(layout, imageId) !== undefined) return false;
  await replaceFile(layout.imageConfig(imageId), config, CONFIG_MODE);
  return true;
}

/** The chain IDs of all layers that any image names. Configs dockerd would skip are skipped. */
export function layersOfAllImages(layout: Layout): Set<ChainId> {
  const used = new Set<ChainId>();
  for (const chain of layersOfEachImage(layout).values()) {
    for (const chainId of chain) used.add(chainId);
  }
  return used;
}

/** The chain IDs of each image's layers, base first. Configs dockerd would skip are skipped. */
export function layersOfEachImage(layout: Layout): Map<ImageId, ChainId[]> {
  const chains = new Map<ImageId, ChainId[]>();
  for (const name of readNames(layout.imagedbContent)) {
    const digest = `sha256:${name}`;
    if (!isDigest(digest)) continue;
    const imageId = digest as string as ImageId;
    const config = readImageConfig(layout, imageId);
    if (config === undefined) continue;
    try {
      chains.set(imageId, layersOfConfig(config));
    } catch {
      continue;
    }
  }
  return chains;
}
