/** Short links and the directories they lead to, read leniently: what is right and what was meant. */
import { lstatSync, readlinkSync } from "node:fs";
import type { CacheId } from "../digest.js";
import { isAbsent } from "../io-error.js";
import { isCacheId } from "../layers.js";
import type { Layout } from "../layout.js";
import { isLinkId, readLinkId } from "../place.js";
import { readNames } from "../read.js";
import { addTo } from "../verify/lists.js";

/** Whether a directory in `overlay2` has files of a layer. */
export function hasFiles(layout: Layout, cacheId: CacheId): boolean {
  try {
    // Through a link they would be another place's.
    const own = [layout.cache(cacheId), layout.cacheFile(cacheId, "diff")];
    return own.every((path) => lstatSync(path).isDirectory());
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

/** The links of a root as they are when one is first asked for: roots have thousands, so each is read once. */
export class OverlayLinks {
  readonly #layout: Layout;
  #targets: Map<string, CacheId> | undefined;
  #links: Map<CacheId, string[]> | undefined;
  #names: Map<string, CacheId[]> | undefined;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** The directory that a short link leads to, in whatever form; undefined when it leads nowhere. */
  targetOf(link: string): CacheId | undefined {
    this.#targets ??= this.#readTargets();
    return this.#targets.get(link);
  }

  /** All short links that lead to a directory. */
  linksTo(cacheId: CacheId): readonly string[] {
    if (this.#links === undefined) {
      this.#targets ??= this.#readTargets();
      this.#links = new Map();
      for (const [link, target] of this.#targets)
        addTo(this.#links, target, link);
    }
    return this.#links.get(cacheId) ?? [];
  }

  /** The directories that a short link leads to, or would if it were there. */
  calledBy(link: string): readonly CacheId[] {
    const target = this.targetOf(link);
    if (target !== undefined) return [target];
    this.#names ??= this.#readNames();
    return this.#names.get(link) ?? [];
  }

  #readTargets(): Map<string, CacheId> {
    const targets = new Map<string, CacheId>();
    for (const link of readNames(this.#layout.links)) {
      const target = isLinkId(link) ? this.#readTarget(link) : undefined;
      if (target !== undefined) targets.set(link, target);
    }
    return targets;
  }

  #readTarget(link: string): CacheId | undefined {
    let target: string;
    try {
      target = readlinkSync(this.#layout.link(link));
    } catch {
      return undefined;
    }
    const name = /(?:^|\/)([^/]+)\/diff\/?$/.exec(target)?.[1];
    return isCacheId(name) && hasFiles(this.#layout, name) ? name : undefined;
  }

  /** What directories call themselves. */
  #readNames(): Map<string, CacheId[]> {
    const names = new Map<string, CacheId[]>();
    for (const name of readNames(this.#layout.overlay).filter(isCacheId)) {
      const link = readLinkId(this.#layout.cache(name));
      if (link !== undefined) addTo(names, link, name);
    }
    return names;
  }
}
