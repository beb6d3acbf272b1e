/** Reading `overlay2`: where is a layer mounted from, and is all of it there? */
import { lstat, readlink } from "node:fs/promises";
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

function isLinkId(text: unknown): text is string {
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
export async function findPlace(
  layout: Layout,
  record: LayerRecord,
  parent: Place | undefined,
): Promise<Place | undefined> {
  const { chainId, cacheId } = record;
  if (chainIdOf(record.parent, record.diffId) !== chainId) return undefined;
  if (!(await isType("file", layout.layerFile(chainId, "tarSplit")))) {
    return undefined;
  }
  if (!(await isType("directory", layout.cacheFile(cacheId, "diff")))) {
    return undefined;
  }
  const place = await readPlace(layout, cacheId);
  if (place === undefined || place.lower !== lowerAbove(parent)) {
    return undefined;
  }
  return place;
}

/** The `link` and `lower` of an overlay directory whose short link leads to it. */
async function readPlace(
  layout: Layout,
  cacheId: CacheId,
): Promise<Place | undefined> {
  const link = await readText(layout.cacheFile(cacheId, "link"));
  if (!isLinkId(link)) return undefined;
  if (!(await isLinkOf(layout, link, cacheId))) return undefined;
  const lower = (await readText(layout.cacheFile(cacheId, "lower"))) ?? "";
  return { cacheId, link, lower };
}

/** Whether `overlay2/l/<link>` is the short link of this cache-id. */
export async function isLinkOf(
  layout: Layout,
  link: string,
  cacheId: CacheId,
): Promise<boolean> {
  try {
    return (await readlink(layout.link(link))) === linkTarget(cacheId);
  } catch (error) {
    if (isAbsent(error) || errnoOf(error) === "EINVAL") return false;
    throw error;
  }
}

/** The link ID that an overlay directory (or one that is still staged) names. */
export async function readLinkId(
  overlayDirectory: string,
): Promise<string | undefined> {
  const link = await readText(join(overlayDirectory, OVERLAY_FILE.link));
  return isLinkId(link) ? link : undefined;
}

async function isType(
  type: "file" | "directory",
  path: string,
): Promise<boolean> {
  try {
    const found = await lstat(path);
    return type === "file" ? found.isFile() : found.isDirectory();
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}
