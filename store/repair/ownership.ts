/**
 * Which directory in `overlay2` is which layer's, when the entries that should
 * say so are lost, or two name the same one. A directory has one owner at most:
 * what is made of a layer's files must not be made of another's.
 */
import type { CacheId, ChainId } from "../digest.js";
import { isCacheId, listLayers, readCacheId } from "../layers.js";
import type { Layout } from "../layout.js";
import { readNames, readText } from "../read.js";
import { addTo } from "../verify/lists.js";
import type { KnownLayer, KnownLayers } from "./known-layers.js";
import { LinkVotes } from "./link-votes.js";
import { type Mark, MarkedDirectories, markOf } from "./marks.js";
import { hasFiles, type OverlayLinks } from "./overlay-links.js";
import { isProvedBy, sizeOfTree } from "./proof.js";

/** The directory of each layer; undefined where none is known to be its own. */
export type Owners = Map<ChainId, CacheId | undefined>;

/** Whether files have proved to be a layer's, by chain ID and cache-id. */
export type Proofs = Map<string, boolean>;

/** What speaks for a directory, so that more of the lesser does not outweigh the greater. */
const PROVED = 8;
/** Others know the layer by the link that leads there. */
const CALLED = 4;
/** As many layers are below it. */
const AS_DEEP = 2;
const AS_LARGE = 1;

interface Match {
  readonly layer: KnownLayer;
  readonly cacheId: CacheId;
  readonly weight: number;
}

/**
 * Looks at all layers. Reads files' content only where two layers claim one
 * directory, or a layer has lost its own.
 * @param proofs what was found out so far, to be kept for the next look;
 *   undefined where no content is to be read
 */
export async function readOwners(
  layout: Layout,
  known: KnownLayers,
  links: OverlayLinks,
  proofs: Proofs | undefined,
): Promise<Owners> {
  const ownership = new Ownership(layout, known, links, proofs);
  await ownership.settleClaims();
  await ownership.findLost();
  return ownership.owners;
}

class Ownership {
  readonly owners: Owners = new Map();
  readonly #layout: Layout;
  readonly #known: KnownLayers;
  readonly #links: OverlayLinks;
  readonly #proofs: Proofs | undefined;
  readonly #marks = new Map<ChainId, Mark | undefined>();
  readonly #sizes = new Map<CacheId, number>();
  /** What the entries say. */
  readonly #claims = new Map<CacheId, ChainId[]>();
  readonly #ofContainers = new Set<string | undefined>();

  constructor(
    layout: Layout,
    known: KnownLayers,
    links: OverlayLinks,
    proofs: Proofs | undefined,
  ) {
    this.#layout = layout;
    this.#known = known;
    this.#links = links;
    this.#proofs = proofs;
    for (const chainId of listLayers(layout)) {
      const cacheId = readCacheId(layout.layer(chainId));
      if (cacheId !== undefined) addTo(this.#claims, cacheId, chainId);
    }
    for (const { mountId, initId } of known.containers) {
      this.#ofContainers.add(mountId).add(initId);
    }
  }

  /** Gives each directory that entries name to the layer that has the best right to it. */
  async settleClaims(): Promise<void> {
    for (const { chainId } of this.#known.bottomUp()) {
      this.owners.set(chainId, undefined);
    }
    const contested: [CacheId, ChainId[]][] = [];
    for (const [cacheId, claimants] of this.#claims) {
      const [only] = claimants;
      if (this.#ofContainers.has(cacheId)) continue;
      if (claimants.length > 1) contested.push([cacheId, claimants]);
      else if (this.owners.has(only!)) this.owners.set(only!, cacheId);
    }
    const votes = this.#votes();
    for (const [cacheId, claimants] of contested) {
      const matches: Match[] = [];
      for (const claimant of claimants) {
        const layer = this.#known.get(claimant);
        if (layer === undefined) continue;
        matches.push(await this.#match(layer, cacheId, votes, true));
      }
      const [best] = matches.sort((one, other) => other.weight - one.weight);
      if (best === undefined || best.weight < AS_DEEP) continue;
      this.owners.set(best.layer.chainId, cacheId);
    }
  }

  /** Gives layers that have lost their directory one that nobody has: that proves to be theirs, or that others call so. */
  async findLost(): Promise<void> {
    const lost = this.#lost();
    if (lost.length === 0) return;
    const matches: Match[] = [];
    if (this.#proofs !== undefined) {
      const votes = this.#votes();
      const marked = new MarkedDirectories(this.#layout, [...this.#free()]);
      for (const layer of lost) {
        const mark = await this.#markOf(layer);
        for (const cacheId of mark ? await marked.find(mark) : []) {
          const match = await this.#match(layer, cacheId, votes, true);
          if (match.weight >= PROVED) matches.push(match);
        }
      }
      this.#deal(matches);
    }
    const votes = this.#votes();
    const free = this.#free();
    const called: Match[] = [];
    for (const layer of this.#lost()) {
      const names = votes.linksOf(layer.chainId);
      const directories = names.flatMap((link) => this.#links.calledBy(link));
      for (const cacheId of directories.filter((one) => free.has(one))) {
        called.push(await this.#match(layer, cacheId, votes, false));
      }
    }
    this.#deal(called);
  }

  /** To each layer one directory, the best matches first. */
  #deal(matches: Match[]): void {
    const free = this.#free();
    const lost = new Set(this.#lost());
    matches.sort((one, other) => other.weight - one.weight);
    for (const { layer, cacheId } of matches) {
      if (!lost.has(layer) || !free.has(cacheId)) continue;
      this.owners.set(layer.chainId, cacheId);
      lost.delete(layer);
      free.delete(cacheId);
    }
  }

  async #match(
    layer: KnownLayer,
    cacheId: CacheId,
    votes: LinkVotes,
    mayRead: boolean,
  ): Promise<Match> {
    let weight = 0;
    const links = votes.linksOf(layer.chainId);
    if (links.some((link) => this.#links.calledBy(link).includes(cacheId))) {
      weight += CALLED;
    }
    if (
      this.#depthOf(cacheId) === [...this.#known.downFrom(layer.parent)].length
    ) {
      weight += AS_DEEP;
    }
    if (mayRead && (await this.#proves(layer, cacheId))) {
      weight += PROVED;
      const size = readText(this.#layout.layerFile(layer.chainId, "size"));
      if (size === String(await this.#sizeOf(cacheId))) weight += AS_LARGE;
    }
    return { layer, cacheId, weight };
  }

  /** Whether a layer's record and the files in a directory are its archive. A record without files proves nothing. */
  async #proves(layer: KnownLayer, cacheId: CacheId): Promise<boolean> {
    if (this.#proofs === undefined) return false;
    const { chainId, diffId } = layer;
    const key = `${chainId} ${cacheId}`;
    const before = this.#proofs.get(key);
    if (before !== undefined) return before;
    const proved =
      (await this.#markOf(layer)) !== undefined &&
      (await isProvedBy(diffId, {
        diffDirectory: this.#layout.cacheFile(cacheId, "diff"),
        tarSplitPath: this.#layout.layerFile(chainId, "tarSplit"),
      }));
    this.#proofs.set(key, proved);
    return proved;
  }

  async #markOf({ chainId }: KnownLayer): Promise<Mark | undefined> {
    if (!this.#marks.has(chainId)) {
      const record = this.#layout.layerFile(chainId, "tarSplit");
      this.#marks.set(chainId, await markOf(record));
    }
    return this.#marks.get(chainId);
  }

  async #sizeOf(cacheId: CacheId): Promise<number> {
    const size =
      this.#sizes.get(cacheId) ??
      (await sizeOfTree(this.#layout.cacheFile(cacheId, "diff")));
    this.#sizes.set(cacheId, size);
    return size;
  }

  /** How many layers a directory's `lower` names. */
  #depthOf(cacheId: CacheId): number {
    const lower = readText(this.#layout.cacheFile(cacheId, "lower"))?.trim();
    return lower ? lower.split(":").length : 0;
  }

  #votes(): LinkVotes {
    return new LinkVotes(this.#layout, this.#known, this.owners);
  }

  #lost(): KnownLayer[] {
    return this.#known.bottomUp().filter(({ chainId }) => {
      const cacheId = this.owners.get(chainId);
      return cacheId === undefined || !hasFiles(this.#layout, cacheId);
    });
  }

  /** Directories of layers in `overlay2` that no layer and no container has. */
  #free(): Set<CacheId> {
    const taken = new Set<string | undefined>([
      ...this.owners.values(),
      ...this.#ofContainers,
    ]);
    // Entries that nothing is known of keep theirs.
    for (const [cacheId, claimants] of this.#claims) {
      const isKnown = claimants.every((one) => this.owners.has(one));
      if (!isKnown) taken.add(cacheId);
    }
    const names = readNames(this.#layout.overlay).filter(isCacheId);
    return new Set(
      names.filter((name) => !taken.has(name) && hasFiles(this.#layout, name)),
    );
  }
}
