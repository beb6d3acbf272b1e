/** Which layers nobody needs any more when images go: counted before anything is touched. */
import type { ChainId, ImageId } from "../digest.js";
import { layersOfConfig, layersOfEachImage } from "../images.js";
import { listLayers, readLayer } from "../layers.js";
import type { Layout } from "../layout.js";
import { readDocument } from "../read.js";
import { countChildren, layersOfBuilds, readParent } from "../usage.js";

/**
 * The users of each layer: images, layers and containers on top of it, and
 * dockerd's builder. Whether a running tpull relies on a layer is only certain
 * at the moment of its removal; a forecast looks at the locks.
 */
export class LayerUsers {
  readonly #layout: Layout;
  readonly #chains: ReadonlyMap<ImageId, readonly ChainId[]>;
  readonly #images: Map<ChainId, number> = new Map();
  readonly #children: Map<ChainId, number>;
  readonly #inBuilds: (chainId: ChainId) => boolean;
  readonly #isFree: (path: string) => boolean;
  readonly #present: Set<ChainId>;
  readonly #sizes: Map<ChainId, number> = new Map();

  /** @param isFree whether nobody holds a lock on a directory */
  constructor(layout: Layout, isFree: (path: string) => boolean) {
    this.#layout = layout;
    this.#isFree = isFree;
    this.#chains = layersOfEachImage(layout);
    for (const chain of this.#chains.values()) {
      for (const chainId of chain) this.#count(chainId, 1);
    }
    this.#children = countChildren(layout);
    this.#inBuilds = layersOfBuilds(layout);
    this.#present = new Set(listLayers(layout));
  }

  #count(chainId: ChainId, change: 1 | -1): void {
    this.#images.set(chainId, (this.#images.get(chainId) ?? 0) + change);
  }

  /** The layers of an image, base first: what can be read of them where its config is damaged. */
  chainOf(imageId: ImageId): readonly ChainId[] {
    const chain = this.#chains.get(imageId);
    if (chain !== undefined) return chain;
    const bytes = readDocument(this.#layout.imageConfig(imageId));
    try {
      return bytes === undefined ? [] : layersOfConfig(bytes);
    } catch {
      return [];
    }
  }

  /** An image goes. To be called once for each. */
  release(imageId: ImageId): Released {
    const counted = this.#chains.has(imageId);
    const orphans: ChainId[] = [];
    const freed: ChainId[] = [];
    for (const chainId of this.chainOf(imageId).toReversed()) {
      if (counted) this.#count(chainId, -1);
      if ((this.#images.get(chainId) ?? 0) > 0) continue;
      if (!this.#present.has(chainId)) continue;
      orphans.push(chainId);
      if ((this.#children.get(chainId) ?? 0) > 0) continue;
      if (this.#inBuilds(chainId)) continue;
      if (!this.#isFree(this.#layout.layer(chainId))) continue;
      freed.push(chainId);
      this.#present.delete(chainId);
      const parent = readParent(this.#layout, chainId);
      if (parent === undefined) continue;
      this.#children.set(parent, (this.#children.get(parent) ?? 1) - 1);
    }
    return { orphans, freed };
  }

  /** Bytes of a layer's files, as docker counts them; 0 where its entry is damaged. */
  sizeOf(chainId: ChainId): number {
    let size = this.#sizes.get(chainId);
    if (size === undefined) {
      size = readLayer(this.#layout, chainId)?.size ?? 0;
      this.#sizes.set(chainId, size);
    }
    return size;
  }

  /** Bytes of all layers that any image has, each counted once. */
  imageBytes(): number {
    let bytes = 0;
    for (const [chainId, images] of this.#images) {
      if (images > 0) bytes += this.sizeOf(chainId);
    }
    return bytes;
  }
}

/** What becomes of an image's layers, those on top first. */
export interface Released {
  /** Those that no image has any more. */
  readonly orphans: readonly ChainId[];
  /** Those of them that nobody else needs either: they go. */
  readonly freed: readonly ChainId[];
}
