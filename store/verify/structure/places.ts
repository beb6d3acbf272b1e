/**
 * Which directory in `overlay2` belongs to which layer or container. Where a
 * layer's `cache-id` is lost or another's, what refers to its directory tells.
 */
import { join } from "node:path";
import type { CacheId, ChainId } from "../../digest.js";
import { type Layout, OVERLAY_FILE } from "../../layout.js";
import type { Links } from "./links.js";
import { bytesOf, FORM } from "./small-file.js";
import { addTo } from "../lists.js";
import type { Structure } from "./structure.js";

/** A directory that is, or should be, in `overlay2`. */
export interface OverlayPlace {
  readonly name: string;
  readonly use: "layer" | "container";
  /** The directory that it is mounted on top of; undefined for a base, or where nothing tells. */
  readonly below: string | undefined;
  /** What its `lower` should say: nothing for a base; undefined where a link below is not known. */
  readonly lower: string | undefined;
  /** The layer it holds, or that it is mounted on. */
  readonly chainId: ChainId | undefined;
}

/** What of its place a layer does not say itself. */
export interface Misled {
  /** For people. */
  readonly message: string;
  /** The directory with its files, if one was found. */
  readonly cacheId: CacheId | undefined;
}

export class Places {
  readonly #layout: Layout;
  readonly #structure: Structure;
  readonly #links: Links;
  /** Names in `overlay2`. */
  readonly #names: ReadonlySet<string>;
  readonly #cacheIds = new Map<ChainId, CacheId>();
  /** The layers that name a directory in their `cache-id`. */
  readonly #claims = new Map<string, ChainId[]>();
  /** Layers that do not lead to their files. */
  readonly misled: Map<ChainId, Misled> = new Map();
  /** All directories that are wanted, by name. */
  readonly all: ReadonlyMap<string, OverlayPlace>;

  constructor(structure: Structure, links: Links, names: ReadonlySet<string>) {
    this.#layout = structure.layout;
    this.#structure = structure;
    this.#links = links;
    this.#names = names;
    for (const [chainId, { cacheId }] of structure.layers) {
      if (cacheId.value === undefined) continue;
      addTo(this.#claims, cacheId.value, chainId);
    }
    const undecided = [...structure.layers.keys()].filter(
      (chainId) => !this.#isClear(chainId),
    );
    // Parents first: what a layer is mounted on tells it from others.
    const depths = new Map(undecided.map((id) => [id, this.#depthOf(id)]));
    undecided.sort((a, b) => (depths.get(a) ?? 0) - (depths.get(b) ?? 0));
    for (const chainId of undecided) this.#decide(chainId);
    this.all = this.#placed();
  }

  /** Where a layer's files are, or should be; undefined where nothing tells. */
  cacheIdOf(chainId: ChainId | undefined): CacheId | undefined {
    return chainId === undefined ? undefined : this.#cacheIds.get(chainId);
  }

  /** Takes a layer's word for its directory, unless others say the same, or it is not there. */
  #isClear(chainId: ChainId): boolean {
    const said = this.#structure.layers.get(chainId)?.cacheId.value;
    if (said === undefined || !this.#names.has(said)) return false;
    if (this.#claims.get(said)?.length !== 1) return false;
    this.#cacheIds.set(chainId, said as CacheId);
    return true;
  }

  #depthOf(chainId: ChainId): number {
    let depth = 0;
    let at = this.#structure.originOf(chainId);
    for (; at?.parent !== undefined; depth += 1) {
      at = this.#structure.originOf(at.parent);
    }
    return depth;
  }

  #decide(chainId: ChainId): void {
    const said = this.#structure.layers.get(chainId)?.cacheId.value;
    const isThere = said !== undefined && this.#names.has(said);
    const lower = this.#lowerOfLayer(chainId);
    if (isThere && this.#lowerIn(said) === lower) {
      const other = this.#claims
        .get(said)
        ?.find((one) => one !== chainId && this.cacheIdOf(one) === said);
      this.#cacheIds.set(chainId, said as CacheId);
      if (other === undefined) return;
      const message = `it holds ${said}, as that of the layer ${other} does`;
      this.misled.set(chainId, { message, cacheId: said as CacheId });
      return;
    }
    const found = this.#findFree(
      chainId,
      lower,
      said !== undefined && !isThere,
    );
    if (found !== undefined) this.#cacheIds.set(chainId, found);
    if (isThere) {
      const message = `it holds ${said}, where another layer lies`;
      this.misled.set(chainId, { message, cacheId: found });
    } else if (found !== undefined) {
      const message = `its files are in ${found}`;
      this.misled.set(chainId, { message, cacheId: found });
    } else if (said !== undefined) {
      // The directory is what is missing.
      this.#cacheIds.set(chainId, said as CacheId);
    }
  }

  /**
   * A directory that no layer names and that fits this one.
   * @param strict it takes more than that there is no other
   */
  #findFree(
    chainId: ChainId,
    lower: string | undefined,
    strict: boolean,
  ): CacheId | undefined {
    if (lower === undefined) return undefined;
    const placed = new Set<string>(this.#cacheIds.values());
    const onTop = this.#linksFromAbove(chainId);
    const free = [...this.#names].filter((name) => {
      if (!FORM.cacheId.test(name)) return false;
      if (this.#claims.has(name) || placed.has(name)) return false;
      const link = this.#links.of(name);
      if (link === undefined || this.#lowerIn(name) !== lower) return false;
      return onTop.size === 0
        ? !strict || lower !== ""
        : onTop.has(`l/${link}`);
    });
    return free.length === 1 ? (free[0] as CacheId) : undefined;
  }

  /** What the layers directly above call this one. */
  #linksFromAbove(chainId: ChainId): Set<string> {
    const links = new Set<string>();
    for (const above of this.#structure.layers.keys()) {
      if (this.#structure.originOf(above)?.parent !== chainId) continue;
      const cacheId = this.cacheIdOf(above);
      const nearest = cacheId && this.#lowerIn(cacheId).split(":")[0];
      if (nearest) links.add(nearest);
    }
    return links;
  }

  #lowerIn(name: string): string {
    const file = bytesOf(join(this.#layout.overlay, name, OVERLAY_FILE.lower));
    return "bytes" in file ? file.bytes.toString("latin1") : "";
  }

  #lowerOfLayer(chainId: ChainId): string | undefined {
    const origin = this.#structure.originOf(chainId);
    if (origin === undefined) return undefined;
    return origin.parent === undefined ? "" : this.#lowerOn(origin.parent);
  }

  /** The `lower` of what is mounted on this layer; undefined where a link on the way is not known. */
  #lowerOn(top: ChainId): string | undefined {
    const links: string[] = [];
    let at: ChainId | undefined = top;
    while (at !== undefined) {
      const cacheId = this.cacheIdOf(at);
      const link = cacheId && this.#links.of(cacheId);
      const origin = this.#structure.originOf(at);
      if (link === undefined || origin === undefined) return undefined;
      links.push(`l/${link}`);
      at = origin.parent;
    }
    return links.join(":");
  }

  #placed(): Map<string, OverlayPlace> {
    const all = new Map<string, OverlayPlace>();
    for (const [chainId, name] of this.#cacheIds) {
      all.set(name, {
        name,
        use: "layer",
        below: this.cacheIdOf(this.#structure.originOf(chainId)?.parent),
        lower: this.#lowerOfLayer(chainId),
        chainId,
      });
    }
    for (const { mountId, initId, parent } of this.#structure.mounts) {
      const chainId = parent?.value as ChainId | undefined;
      let below: string | undefined = this.cacheIdOf(chainId);
      let lower = chainId === undefined ? "" : this.#lowerOn(chainId);
      for (const name of [initId?.value, mountId.value]) {
        if (name === undefined) continue;
        all.set(name, { name, use: "container", below, lower, chainId });
        const link = this.#links.of(name);
        const under = lower === "" || lower === undefined ? "" : `:${lower}`;
        lower =
          link === undefined || lower === undefined
            ? undefined
            : `l/${link}${under}`;
        below = name;
      }
    }
    return all;
  }
}
