/**
 * What lies in a root, read once, and how it belongs together: which layer an
 * image needs, and which directory holds it. Where two files disagree, what
 * others say decides who is right.
 */
import { join } from "node:path";
import {
  type ChainId,
  chainId as chainIdOf,
  chainIds,
  type DiffId,
  type ImageId,
  shortId,
} from "../../digest.js";
import type { Layout } from "../../layout.js";
import type { LayerEntry, MountEntry } from "./layerdb.js";
import { readLayers, readMounts } from "./layerdb.js";
import { type ConfigEntry, readConfigs } from "./imagedb.js";
import { addTo } from "../lists.js";
import { type NamesFile, readNamesFile } from "./names-file.js";

/** A layer as its chain ID makes it. */
export interface Origin {
  readonly diffId: DiffId;
  /** Absent for a base layer. */
  readonly parent: ChainId | undefined;
}

export class Structure {
  readonly layout: Layout;
  readonly configs: readonly ConfigEntry[];
  readonly layers: ReadonlyMap<ChainId, LayerEntry>;
  readonly mounts: readonly MountEntry[];
  readonly names: NamesFile;
  /** By chain ID, from the images' configs. */
  readonly #origins = new Map<ChainId, Origin>();
  readonly #users = new Map<ChainId, ImageId[]>();
  readonly #usersOfDiff = new Map<DiffId, ImageId[]>();

  constructor(layout: Layout) {
    this.layout = layout;
    this.configs = readConfigs(layout);
    this.layers = readLayers(layout);
    this.mounts = readMounts(layout);
    this.names = readNamesFile(layout);
    for (const config of this.configs) this.#addImage(config);
  }

  #addImage({ imageId, diffIds, problem }: ConfigEntry): void {
    const isTrue = problem?.code !== "CONFIG_DAMAGED";
    const chain = chainIds(diffIds);
    for (const [at, chainId] of chain.entries()) {
      // What a damaged config says is believed as far as it is borne out.
      if (!isTrue && !this.layers.has(chainId)) return;
      const diffId = diffIds[at] as DiffId;
      if (isTrue) this.#origins.set(chainId, { diffId, parent: chain[at - 1] });
      addTo(this.#users, chainId, imageId);
      const users = this.#usersOfDiff.get(diffId);
      if (users?.at(-1) !== imageId) addTo(this.#usersOfDiff, diffId, imageId);
    }
  }

  /**
   * What a layer is: an image's config proves it; without one its own files
   * count, if they give its chain ID.
   */
  originOf(chainId: ChainId): Origin | undefined {
    const proven = this.#origins.get(chainId);
    if (proven !== undefined) return proven;
    const entry = this.layers.get(chainId);
    const diffId = entry?.diff.value as DiffId | undefined;
    const parent = entry?.parent?.value as ChainId | undefined;
    if (diffId === undefined) return undefined;
    return chainIdOf(parent, diffId) === chainId
      ? { diffId, parent }
      : undefined;
  }

  /** Whether a config names the layer. */
  isProven(chainId: ChainId): boolean {
    return this.#origins.has(chainId);
  }

  /** All layers that images name, in the store or not. */
  get wanted(): Iterable<ChainId> {
    return this.#origins.keys();
  }

  /** The images that need a layer. */
  usersOf(chainId: ChainId | undefined): readonly ImageId[] {
    return chainId === undefined ? [] : (this.#users.get(chainId) ?? []);
  }

  /** The images one of whose layers was unpacked from this archive. */
  usersOfDiff(diffId: DiffId): readonly ImageId[] {
    return this.#usersOfDiff.get(diffId) ?? [];
  }

  /** What people call an image: its tags, else a digest, else its short ID. */
  namesOf(imageId: ImageId): readonly string[] {
    const names = this.names.of(imageId);
    const tags = names.filter((name) => !name.includes("@"));
    if (tags.length > 0) return tags;
    return [names[0] ?? shortId(imageId)];
  }

  /** Relative to the data root, as findings have it. */
  relative(...path: readonly [string, ...string[]]): string {
    const whole = join(...path);
    const { root } = this.layout;
    return whole === root ? "." : whole.slice(root.length + 1);
  }
}
