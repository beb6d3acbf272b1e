/** Which layers of an image a pull would have to bring into a store. */
import {
  type ChainId,
  type DiffId,
  type Digest,
  type Store,
  chainIds,
} from "../../store/index.js";
import type { ImageConfig } from "../image-config.js";
import type { ImageManifest } from "../registry/manifest.js";
import { missingLayers } from "../stored-image.js";

/** A layer that is not in the store. */
export interface NeededLayer {
  readonly digest: Digest;
  readonly diffId: DiffId;
  readonly chainId: ChainId;
  readonly size: number;
  readonly mediaType: string;
  /** Whether the store has the same content under another parent. */
  readonly copyable: boolean;
}

/** The layers of an image, and those of them that are not in the store; both base first. */
export async function neededLayers(
  store: Store,
  manifest: ImageManifest,
  config: ImageConfig,
): Promise<{ all: NeededLayer[]; needed: NeededLayer[] }> {
  const chain = chainIds(config.diffIds);
  const all = await Promise.all(
    manifest.layers.map(async ({ digest, size, mediaType }, index) => {
      const diffId = config.diffIds[index] as DiffId;
      return {
        digest,
        diffId,
        chainId: chain[index] as ChainId,
        size,
        mediaType,
        copyable: await isCopyable(store, digest, diffId),
      };
    }),
  );
  return { all, needed: await missingLayers(store, all) };
}

/** As a pull decides it: that the blob has this content must have been proved before. */
async function isCopyable(
  store: Store,
  digest: Digest,
  diffId: DiffId,
): Promise<boolean> {
  if ((await store.diffIdOf(digest)) !== diffId) return false;
  return (await store.chainsOf(diffId)).length > 0;
}
