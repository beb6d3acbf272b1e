/** Removes a directory in `overlay2`. */
import { syncDirectory, unmark } from "../atomic.js";
import type { CacheId } from "../digest.js";
import type { Layout } from "../layout.js";
import { isLinkOf } from "../place.js";
import { readNames } from "../read.js";
import { removeTree } from "../remove.js";

/** With the short links that lead there, which go first: through the directory the others are found. */
export async function removeOverlay(
  layout: Layout,
  cacheId: CacheId,
): Promise<void> {
  const links = readNames(layout.links).filter((link) =>
    isLinkOf(layout, link, cacheId),
  );
  for (const link of links) unmark(layout.link(link));
  if (links.length > 0) await syncDirectory(layout.links);
  await removeTree(layout.cache(cacheId));
  await syncDirectory(layout.overlay);
}
