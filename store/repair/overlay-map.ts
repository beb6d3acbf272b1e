/**
 * Which directory in `overlay2` is which layer's, and by which short link it is
 * known, when the files that should say so cannot be relied on. What containers
 * and layers above say in their `lower` counts: a link that they know a layer by
 * is kept, so that they need not change.
 */
import type { CacheId, ChainId } from "../digest.js";
import type { Layout } from "../layout.js";
import { isLinkOf, readLinkId } from "../place.js";
import { newLinkId } from "../plan.js";
import type { KnownLayer, KnownLayers } from "./known-layers.js";
import { LinkVotes } from "./link-votes.js";
import { hasFiles, OverlayLinks } from "./overlay-links.js";
import { type Proofs, readOwners } from "./ownership.js";

/** Where a layer's files are, or are to be. */
export interface LayerPlace {
  /** Undefined where no directory is known to be its own. */
  readonly cacheId: CacheId | undefined;
  /** Whether the files are there, right or wrong. */
  readonly isThere: boolean;
  /** Its short link; perhaps one that has to be made. */
  readonly link: string;
}

export class OverlayMap {
  readonly #layout: Layout;
  readonly #known: KnownLayers;
  readonly #overlayLinks: OverlayLinks;
  readonly #places = new Map<ChainId, LayerPlace>();
  /** Links that are settled. */
  readonly #links = new Set<string>();

  private constructor(
    layout: Layout,
    known: KnownLayers,
    overlayLinks: OverlayLinks,
  ) {
    this.#layout = layout;
    this.#known = known;
    this.#overlayLinks = overlayLinks;
  }

  /**
   * Looks at all layers.
   * @param proofs see {@link readOwners}
   */
  static async read(
    layout: Layout,
    known: KnownLayers,
    proofs: Proofs | undefined,
  ): Promise<OverlayMap> {
    const links = new OverlayLinks(layout);
    const map = new OverlayMap(layout, known, links);
    const owners = await readOwners(layout, known, links, proofs);
    const votes = new LinkVotes(layout, known, owners);
    const layers = known.bottomUp();
    for (const layer of layers) map.#keepLink(layer, owners.get(layer.chainId));
    for (const layer of layers) {
      map.#settle(layer, owners.get(layer.chainId), votes);
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
      candidates.push(...this.#overlayLinks.linksTo(cacheId));
    }
    const link =
      candidates.find((one) => this.#isFree(one, cacheId)) ?? newLinkId();
    this.#links.add(link);
    const isThere = cacheId !== undefined && hasFiles(this.#layout, cacheId);
    this.#places.set(chainId, { cacheId, isThere, link });
  }

  #isFree(link: string, cacheId: CacheId | undefined): boolean {
    if (this.#links.has(link)) return false;
    const target = this.#overlayLinks.targetOf(link);
    if (target === undefined || target === cacheId) return true;
    // It leads elsewhere: free unless something there calls itself by it.
    return readLinkId(this.#layout.cache(target)) !== link;
  }
}
