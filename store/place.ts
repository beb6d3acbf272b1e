/** Reading `overlay2`: where is a layer mounted from, and is all of it there? */
import { lstatSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { type CacheId, chainId as chainIdOf } from "./digest.js";
import { errnoOf, isAbsent } from "./io-error.js";
import type { LayerRecord } from "./layers.js";
import { type Layout, linkTarget, OVERLAY_FILE } from "./layout.js";
import { readText } from "./read.js";

/** Where a layer is mounted from. */
export interface Place {
  readonly cacheId: CacheId;
  /** Name of its short link in `overlay2/l`. */
  readonly link: string;
  /** Content of its `lower` file; empty for a base layer. */
  readonly lower: string;
}

/** Layers one image can have in docker's overlay2 driver. */
export const MAX_LAYERS = 125;

const LINK_ID = /^[A-Z2-7]{26}$/;

/** Whether this is the name of a short link. */
export function isLinkId(text: unknown): text is string {
  return typeof text === "string" && LINK_ID.test(text);
}

/** What a child of the layer at `parent` has in its `lower`: nearest first. */
export function lowerAbove(parent: Place | undefined): string {
  if (parent === undefined) return "";
  const own = `l/${parent.link}`;
  return parent.lower === "" ? own : `${own}:${parent.lower}`;
}

/** How many layers an image has that ends in a layer with this `lower`. */
export function depthOf(lower: string): number {
  return lower === "" ? 1 : lower.split(":").length + 1;
}

/**
 * Finds where a layer is mounted from, and checks on the way that all of it is
 * there: entry and chain ID agree, archive record, unpacked files, short link,
 * and a `lower` that leads to `parent`.
 * @param parent the place of the layer's parent
 */
export function findPlace(
  layout: Layout,
  record: LayerRecord,
  parent: Place | undefined,
): Place | undefined {
  const { chainId, cacheId } = record;
  if (chainIdOf(record.parent, record.diffId) !== chainId) return undefined;
  if (!isType("file", layout.layerFile(chainId, "tarSplit"))) {
    return undefined;
  }
  if (!isType("directory", layout.cacheFile(cacheId, "diff"))) {
    return undefined;
  }
  const place = readPlace(layout, cacheId);
  if (place === undefined || place.lower !== lowerAbove(parent)) {
    return undefined;
  }
  return place;
}

/** The `link` and `lower` of an overlay directory whose short link leads to it. */
function readPlace(layout: Layout, cacheId: CacheId): Place | undefined {
  const link = readText(layout.cacheFile(cacheId, "link"));
  if (!isLinkId(link)) return undefined;
  if (!isLinkOf(layout, link, cacheId)) return undefined;
  const lower = readText(layout.cacheFile(cacheId, "lower")) ?? "";
  return { cacheId, link, lower };
}

/** Whether `overlay2/l/<link>` is the short link of this cache-id. */
export function isLinkOf(
  layout: Layout,
  link: string,
  cacheId: CacheId,
): boolean {
  try {
    return readlinkSync(layout.link(link)) === linkTarget(cacheId);
  } catch (error) {
    if (isAbsent(error) || errnoOf(error) === "EINVAL") return false;
    throw error;
  }
}

/** The link ID that an overlay directory (or one that is still staged) names. */
export function readLinkId(overlayDirectory: string): string | undefined {
  const link = readText(join(overlayDirectory, OVERLAY_FILE.link));
  return isLinkId(link) ? link : undefined;
}

function isType(type: "file" | "directory", path: string): boolean {
  try {
    const found = lstatSync(path);
    return type === "file" ? found.isFile() : found.isDirectory();
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}
