/**
 * What the layers of a root are, whatever their own files say: the configs of
 * images name them, and a chain ID proves which diff ID and parent belong
 * together.
 */
import {
  type ChainId,
  chainId as chainIdOf,
  chainIds,
  type DiffId,
  type ImageId,
  isDigest,
} from "../digest.js";
import { readImageConfig } from "../images.js";
import { listLayers } from "../layers.js";
import { LAYER_FILE, type Layout } from "../layout.js";
import { readNames, readText } from "../read.js";
import { parseStoredConfig } from "../survey/image-config.js";
import { layersOfBuilds } from "../usage.js";
import { join } from "node:path";

/** A layer as it must be. */
export interface KnownLayer {
  readonly chainId: ChainId;
  readonly diffId: DiffId;
  /** Absent for a base layer. */
  readonly parent: ChainId | undefined;
}

export class KnownLayers {
  readonly #layout: Layout;
  readonly #layers = new Map<ChainId, KnownLayer>();
  readonly #images = new Map<ChainId, ImageId[]>();
  readonly #needed = new Set<ChainId>();
  /** The layers directly on each. */
  readonly #children = new Map<ChainId, KnownLayer[]>();
  /** Containers' own top layers: entry in `layerdb/mounts`, and the layer it is on. */
  readonly containers: readonly Container[];

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#readImages();
    this.containers = readContainers(layout);
    this.#readEntries();
    this.#dropRootless();
    for (const layer of this.#layers.values()) {
      if (layer.parent === undefined) continue;
      const siblings = this.#children.get(layer.parent) ?? [];
      this.#children.set(layer.parent, [...siblings, layer]);
    }
    const inBuilds = layersOfBuilds(layout);
    for (const { chainId } of this.#layers.values()) {
      if (inBuilds(chainId)) this.#need(chainId);
    }
    for (const { parent } of this.containers) {
      if (parent !== undefined) this.#need(parent);
    }
  }

  get(chainId: ChainId): KnownLayer | undefined {
    return this.#layers.get(chainId);
  }

  /** All of them, each after the one it is on. */
  bottomUp(): KnownLayer[] {
    const bases = [...this.#layers.values()].filter(
      ({ parent }) => parent === undefined,
    );
    const sorted = [...bases];
    for (const { chainId } of sorted) sorted.push(...this.childrenOf(chainId));
    return sorted;
  }

  childrenOf(chainId: ChainId): readonly KnownLayer[] {
    return this.#children.get(chainId) ?? [];
  }

  /** The layer, the one below it, and so on down to the base. */
  *downFrom(top: ChainId | undefined): Generator<KnownLayer, void, undefined> {
    for (let next = top; next !== undefined;) {
      const layer = this.#layers.get(next);
      if (layer === undefined) return;
      yield layer;
      next = layer.parent;
    }
  }

  /** The images whose configs name the layer. */
  imagesOf(chainId: ChainId): readonly ImageId[] {
    return this.#images.get(chainId) ?? [];
  }

  /** Whether an image, a container or dockerd's builder needs the layer, or one above it. */
  isNeeded(chainId: ChainId): boolean {
    return this.#needed.has(chainId);
  }

  #need(top: ChainId): void {
    for (const { chainId } of this.downFrom(top)) {
      if (this.#needed.has(chainId)) return;
      this.#needed.add(chainId);
    }
  }

  #add(layer: KnownLayer): void {
    this.#layers.set(layer.chainId, layer);
  }

  #readImages(): void {
    for (const name of readNames(this.#layout.imagedbContent)) {
      const id = `sha256:${name}`;
      if (!isDigest(id)) continue;
      const imageId = id as string as ImageId;
      const bytes = readImageConfig(this.#layout, imageId);
      const config = bytes && parseStoredConfig(bytes);
      if (config === undefined) continue;
      const chain = chainIds(config.diffIds);
      for (const [at, diffId] of config.diffIds.entries()) {
        const chainId = chain[at] as ChainId;
        this.#add({ chainId, diffId, parent: chain[at - 1] });
        this.#images.set(chainId, [...this.imagesOf(chainId), imageId]);
        this.#needed.add(chainId);
      }
    }
  }

  /** Layers that no image names: what their files say, if that gives their chain ID. */
  #readEntries(): void {
    const all = listLayers(this.#layout);
    const unknown = all.filter((chainId) => !this.#layers.has(chainId));
    let diffIds: Set<DiffId> | undefined;
    for (const chainId of unknown) {
      const diff = this.#digestIn(chainId, "diff") as DiffId | undefined;
      const parent = this.#digestIn(chainId, "parent") as ChainId | undefined;
      if (diff !== undefined) {
        const isBelow = (candidate: ChainId | undefined): boolean =>
          chainIdOf(candidate, diff) === chainId;
        const below = [parent, undefined].find(isBelow) ?? all.find(isBelow);
        if (below !== undefined || (diff as string) === chainId) {
          this.#add({ chainId, diffId: diff, parent: below });
        }
        continue;
      }
      diffIds ??= this.#allDiffIds();
      for (const diffId of diffIds) {
        if (chainIdOf(parent, diffId) !== chainId) continue;
        this.#add({ chainId, diffId, parent });
        break;
      }
    }
  }

  /** Of a layer without all those below it nothing can be derived. */
  #dropRootless(): void {
    const rooted = new Set<ChainId>();
    for (const { chainId } of this.#layers.values()) {
      const chain = [...this.downFrom(chainId)];
      if (chain.at(-1)?.parent !== undefined) continue;
      for (const layer of chain) rooted.add(layer.chainId);
    }
    for (const chainId of this.#layers.keys()) {
      if (!rooted.has(chainId)) this.#layers.delete(chainId);
    }
  }

  #digestIn(
    chainId: ChainId,
    file: keyof typeof LAYER_FILE,
  ): string | undefined {
    const text = readText(this.#layout.layerFile(chainId, file))?.trim();
    return isDigest(text) ? text : undefined;
  }

  #allDiffIds(): Set<DiffId> {
    const noted = readNames(this.#layout.v2Metadata)
      .map((name) => `sha256:${name}`)
      .filter(isDigest)
      .map((id) => id as string as DiffId);
    const known = [...this.#layers.values()].map(({ diffId }) => diffId);
    return new Set([...known, ...noted]);
  }
}

/** A container as `layerdb/mounts` has it. */
export interface Container {
  /** Its own directory in `overlay2`. */
  readonly mountId: string | undefined;
  /** The directory between its own and the image's. */
  readonly initId: string | undefined;
  /** The image's top layer. */
  readonly parent: ChainId | undefined;
}

function readContainers(layout: Layout): Container[] {
  return readNames(layout.mounts).map((name) => {
    const file = (which: string): string | undefined =>
      readText(join(layout.mounts, name, which))?.trim();
    const parent = file("parent");
    return {
      mountId: file("mount-id"),
      initId: file("init-id"),
      parent: isDigest(parent) ? (parent as string as ChainId) : undefined,
    };
  });
}
