/**
 * Which directory in `overlay2` is which layer's, and by which short link it is
 * known, when the files that should say so cannot be relied on. What containers
 * and layers above say in their `lower` counts: a link that they know a layer by
 * is kept, so that they need not change.
 */
import type { CacheId, ChainId } from "../digest.js";
import { isCacheId, listLayers, readCacheId } from "../layers.js";
import type { Layout } from "../layout.js";
import { isLinkOf, readLinkId } from "../place.js";
import { newLinkId } from "../plan.js";
import { readNames, readText } from "../read.js";
import type { KnownLayer, KnownLayers } from "./known-layers.js";
import { LinkVotes } from "./link-votes.js";
import { hasFiles, isCalled, linksTo, targetOf } from "./overlay-links.js";
import { isProvedBy } from "./proof.js";

/** Where a layer's files are, or are to be. */
export interface LayerPlace {
  /** Undefined where no directory is known to be its own. */
  readonly cacheId: CacheId | undefined;
  /** Whether the files are there, right or wrong. */
  readonly isThere: boolean;
  /** Its short link; perhaps one that has to be made. */
  readonly link: string;
}

/** Whether files have proved to be a layer's, by chain ID and cache-id. */
export type Proofs = Map<string, boolean>;

export class OverlayMap {
  readonly #layout: Layout;
  readonly #known: KnownLayers;
  readonly #places = new Map<ChainId, LayerPlace>();
  /** What the entries say. */
  readonly #cacheIds = new Map<ChainId, CacheId>();
  readonly #claims = new Map<CacheId, ChainId[]>();
  /** Links that are settled. */
  readonly #links = new Set<string>();
  readonly #proofs: Proofs;

  private constructor(layout: Layout, known: KnownLayers, proofs: Proofs) {
    this.#layout = layout;
    this.#known = known;
    this.#proofs = proofs;
  }

  /**
   * Looks at all layers. Reads files' content only where two layers claim one
   * directory, or a layer has lost its own.
   * @param proofs what was found out so far, to be kept for the next look
   */
  static async read(
    layout: Layout,
    known: KnownLayers,
    proofs: Proofs,
  ): Promise<OverlayMap> {
    const map = new OverlayMap(layout, known, proofs);
    map.#readClaims();
    const owned = new Map<ChainId, CacheId | undefined>();
    const layers = known.bottomUp();
    for (const layer of layers) {
      owned.set(layer.chainId, await map.#settledCacheId(layer));
    }
    await map.#findLost(layers, owned);
    const votes = new LinkVotes(layout, known, owned);
    for (const layer of layers) map.#keepLink(layer, owned.get(layer.chainId));
    for (const layer of layers) {
      map.#settle(layer, owned.get(layer.chainId), votes);
    }
    return map;
  }

  placeOf(chainId: ChainId): LayerPlace | undefined {
    return this.#places.get(chainId);
  }

  /** Notes where a layer's files have been put. */
  put(chainId: ChainId, cacheId: CacheId): LayerPlace {
    const { link } = this.#places.get(chainId)!;
    const place = { cacheId, isThere: true, link };
    this.#places.set(chainId, place);
    return place;
  }

  /** What is in the `lower` of something on this layer: the links of the layer and all below, nearest first. */
  lowerOf(top: ChainId): string {
    const links: string[] = [];
    for (const { chainId } of this.#known.downFrom(top)) {
      links.push(`l/${this.#places.get(chainId)!.link}`);
    }
    return links.join(":");
  }

  #readClaims(): void {
    for (const chainId of listLayers(this.#layout)) {
      const cacheId = readCacheId(this.#layout.layer(chainId));
      if (cacheId === undefined) continue;
      this.#cacheIds.set(chainId, cacheId);
      const others = this.#claims.get(cacheId) ?? [];
      this.#claims.set(cacheId, [...others, chainId]);
    }
  }

  /** The directory that a layer's entry names, unless another one has a better right to it. */
  async #settledCacheId(layer: KnownLayer): Promise<CacheId | undefined> {
    const cacheId = this.#cacheIds.get(layer.chainId);
    if (cacheId === undefined) return undefined;
    const claims = this.#claims.get(cacheId) ?? [];
    if (claims.length === 1) return cacheId;
    if (await this.#proves(layer, cacheId)) return cacheId;
    for (const other of claims) {
      const rival = this.#known.get(other);
      if (rival === undefined || rival === layer) continue;
      if (await this.#proves(rival, cacheId)) return undefined;
    }
    // Nobody's files are whole: one that it looks like keeps it.
    const isBase =
      readText(this.#layout.cacheFile(cacheId, "lower")) === undefined;
    const owner = claims.find((claim) => {
      const rival = this.#known.get(claim);
      return rival !== undefined && (rival.parent === undefined) === isBase;
    });
    return owner === layer.chainId ? cacheId : undefined;
  }

  async #proves(layer: KnownLayer, cacheId: CacheId): Promise<boolean> {
    const { chainId, diffId } = layer;
    const key = `${chainId} ${cacheId}`;
    const before = this.#proofs.get(key);
    if (before !== undefined) return before;
    const proved = await isProvedBy(diffId, {
      diffDirectory: this.#layout.cacheFile(cacheId, "diff"),
      tarSplitPath: this.#layout.layerFile(chainId, "tarSplit"),
    });
    this.#proofs.set(key, proved);
    return proved;
  }

  /** Gives layers that have lost their directory one that nobody claims and that proves to be theirs. */
  async #findLost(
    layers: readonly KnownLayer[],
    owned: Map<ChainId, CacheId | undefined>,
  ): Promise<void> {
    const lost = layers.filter(({ chainId }) => {
      const cacheId = owned.get(chainId);
      return cacheId === undefined || !hasFiles(this.#layout, cacheId);
    });
    if (lost.length === 0) return;
    const free = new Set(this.unclaimed(owned));
    for (const layer of lost) {
      for (const cacheId of free) {
        if (!(await this.#proves(layer, cacheId))) continue;
        owned.set(layer.chainId, cacheId);
        free.delete(cacheId);
        break;
      }
    }
    // What those above know of its link tells the directory of a layer without proof.
    const votes = new LinkVotes(this.#layout, this.#known, owned);
    for (const { chainId } of lost) {
      const now = owned.get(chainId);
      if (now !== undefined && hasFiles(this.#layout, now)) continue;
      const cacheId = [...free].find((candidate) =>
        votes
          .linksOf(chainId)
          .some((link) => isCalled(this.#layout, candidate, link)),
      );
      if (cacheId === undefined) continue;
      owned.set(chainId, cacheId);
      free.delete(cacheId);
    }
  }

  /** Directories of layers in `overlay2` that no layer and no container has. */
  unclaimed(owned: ReadonlyMap<ChainId, CacheId | undefined>): CacheId[] {
    const taken = new Set<string | undefined>(owned.values());
    for (const { mountId, initId } of this.#known.containers) {
      taken.add(mountId).add(initId);
    }
    // Entries that nothing is known of keep theirs.
    for (const [chainId, cacheId] of this.#cacheIds) {
      if (!owned.has(chainId)) taken.add(cacheId);
    }
    return readNames(this.#layout.overlay)
      .filter(isCacheId)
      .filter((name) => !taken.has(name) && hasFiles(this.#layout, name));
  }

  /** A link that is right stays. */
  #keepLink({ chainId }: KnownLayer, cacheId: CacheId | undefined): void {
    if (cacheId === undefined) return;
    const link = readLinkId(this.#layout.cache(cacheId));
    if (link === undefined || this.#links.has(link)) return;
    if (!isLinkOf(this.#layout, link, cacheId)) return;
    this.#links.add(link);
    const isThere = hasFiles(this.#layout, cacheId);
    this.#places.set(chainId, { cacheId, isThere, link });
  }

  #settle(
    { chainId }: KnownLayer,
    cacheId: CacheId | undefined,
    votes: LinkVotes,
  ): void {
    if (this.#places.has(chainId)) return;
    const candidates = votes.linksOf(chainId);
    if (cacheId !== undefined) {
      const written = readLinkId(this.#layout.cache(cacheId));
      if (written !== undefined) candidates.push(written);
      candidates.push(...linksTo(this.#layout, cacheId));
    }
    const link =
      candidates.find((one) => this.#isFree(one, cacheId)) ?? newLinkId();
    this.#links.add(link);
    const isThere = cacheId !== undefined && hasFiles(this.#layout, cacheId);
    this.#places.set(chainId, { cacheId, isThere, link });
  }

  #isFree(link: string, cacheId: CacheId | undefined): boolean {
    if (this.#links.has(link)) return false;
    const target = targetOf(this.#layout, link);
    if (target === undefined || target === cacheId) return true;
    // It leads elsewhere: free unless something there calls itself by it.
    return readLinkId(this.#layout.cache(target)) !== link;
  }
}
