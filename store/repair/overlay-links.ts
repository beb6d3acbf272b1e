/** Short links and the directories they lead to, read leniently: what is right and what was meant. */
import { lstatSync, readlinkSync } from "node:fs";
import type { CacheId } from "../digest.js";
import { isAbsent } from "../io-error.js";
import { isCacheId } from "../layers.js";
import type { Layout } from "../layout.js";
import { isLinkId, readLinkId } from "../place.js";
import { readNames } from "../read.js";

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

/** The directory that a short link leads to, in whatever form; undefined when it leads nowhere. */
export function targetOf(layout: Layout, link: string): CacheId | undefined {
  let target: string;
  try {
    target = readlinkSync(layout.link(link));
  } catch {
    return undefined;
  }
  const name = /(?:^|\/)([^/]+)\/diff\/?$/.exec(target)?.[1];
  return isCacheId(name) && hasFiles(layout, name) ? name : undefined;
}

/** Whether a short link leads to a directory, or would if it were there. */
export function isCalled(
  layout: Layout,
  cacheId: CacheId,
  link: string,
): boolean {
  const target = targetOf(layout, link);
  if (target !== undefined) return target === cacheId;
  return readLinkId(layout.cache(cacheId)) === link;
}

/** All short links that lead to a directory. */
export function linksTo(layout: Layout, cacheId: CacheId): string[] {
  return readNames(layout.links).filter(
    (link) => isLinkId(link) && targetOf(layout, link) === cacheId,
  );
}
