/** By which short links layers and containers know those below them, from their `lower` files. */
import { join } from "node:path";
import type { CacheId, ChainId } from "../digest.js";
import { type Layout, OVERLAY_FILE } from "../layout.js";
import { readText } from "../read.js";
import type { KnownLayers } from "./known-layers.js";

const LINK = /^l\/([A-Z2-7]{26})$/;

export class LinkVotes {
  readonly #layout: Layout;
  readonly #known: KnownLayers;
  readonly #votes = new Map<ChainId, Map<string, number>>();

  /** @param owned the directories of layers, as far as they are known */
  constructor(
    layout: Layout,
    known: KnownLayers,
    owned: ReadonlyMap<ChainId, CacheId | undefined>,
  ) {
    this.#layout = layout;
    this.#known = known;
    for (const [chainId, cacheId] of owned) {
      if (cacheId === undefined) continue;
      this.#take(this.#lowerIn(cacheId), known.get(chainId)?.parent);
    }
    for (const { initId, mountId, parent } of known.containers) {
      if (initId !== undefined) this.#take(this.#lowerIn(initId), parent);
      if (mountId === undefined) continue;
      const own = this.#lowerIn(mountId);
      // A container is on its own init layer first.
      this.#take(initId === undefined ? own : own.slice(1), parent);
    }
  }

  /** The links that a layer is known by, those of most others first. */
  linksOf(chainId: ChainId): string[] {
    return [...(this.#votes.get(chainId) ?? [])]
      .sort(([, a], [, b]) => b - a)
      .map(([link]) => link);
  }

  #take(lower: readonly string[], parent: ChainId | undefined): void {
    const below = [...this.#known.downFrom(parent)];
    // Of one that is torn nobody knows which links are missing.
    if (lower.length !== below.length) return;
    for (const [at, { chainId }] of below.entries()) {
      const link = LINK.exec(lower[at] ?? "")?.[1];
      if (link === undefined) continue;
      const votes = this.#votes.get(chainId) ?? new Map<string, number>();
      this.#votes.set(chainId, votes);
      votes.set(link, (votes.get(link) ?? 0) + 1);
    }
  }

  #lowerIn(name: string): string[] {
    const path = join(this.#layout.overlay, name, OVERLAY_FILE.lower);
    const text = readText(path)?.trim() ?? "";
    return text === "" ? [] : text.split(":");
  }
}
