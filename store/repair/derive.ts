/**
 * The small files of a layer, brought to what they must be: in `layerdb` its
 * entry, in `overlay2` what it takes to mount it. Each file is replaced by one
 * rename, and only where it is wrong. All of it runs in the section.
 */
import { existsSync, lstatSync } from "node:fs";
import { join } from "node:path";
import {
  createDirectory,
  replaceFile,
  replaceLink,
  syncDirectory,
} from "../atomic.js";
import { type CacheId, isDigest } from "../digest.js";
import { isAbsent } from "../io-error.js";
import { LAYER_FILE, type Layout, linkTarget } from "../layout.js";
import { isLinkOf } from "../place.js";
import { FILE_MODE } from "../plan.js";
import { readText } from "../read.js";
import { removeTree } from "../remove.js";
import type { KnownLayer, KnownLayers } from "./known-layers.js";
import type { OverlayMap } from "./overlay-map.js";
import { sizeOfTree } from "./proof.js";
import type { Steps } from "./steps.js";

const SIZE = /^(?:0|[1-9]\d*)$/;
const MARK_MODE = 0o600;
const WORK_MODE = 0o700;

export interface Derivation {
  readonly layout: Layout;
  readonly known: KnownLayers;
  readonly map: OverlayMap;
  readonly steps: Steps;
}

/** Replaces a small file unless it says just this; undefined for one that must not be there. */
async function settleFile(
  { steps }: Derivation,
  path: string,
  text: string | undefined,
  mode: number = FILE_MODE,
): Promise<void> {
  if (text === undefined) {
    if (!existsSync(path)) return;
    await steps.take({ action: "removed", path }, async () => {
      await removeTree(path);
      await syncDirectory(parentOf(path));
    });
    return;
  }
  if (isFile(path) && readText(path) === text) return;
  await steps.take({ action: "rebuilt", path }, async () => {
    if (!isFile(path)) await removeTree(path);
    await replaceFile(path, text, mode);
  });
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function isFile(path: string): boolean {
  return typeOf(path) === "file";
}

function typeOf(path: string): "file" | "directory" | "other" | undefined {
  try {
    const found = lstatSync(path);
    if (found.isFile()) return "file";
    return found.isDirectory() ? "directory" : "other";
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/**
 * The files of an entry in `layerdb`, as far as there is an entry.
 * @param size bytes of its files; `noted`: what the entry says, if that is a
 *   number; `count`: they are counted
 */
export async function deriveEntry(
  derivation: Derivation,
  layer: KnownLayer,
  size: number | "noted" | "count",
): Promise<void> {
  const { layout, map } = derivation;
  const { chainId, diffId, parent } = layer;
  if (typeOf(layout.layer(chainId)) !== "directory") return;
  const place = map.placeOf(chainId);
  const file = (name: keyof typeof LAYER_FILE): string =>
    layout.layerFile(chainId, name);
  await settleFile(derivation, file("diff"), diffId);
  await settleFile(derivation, file("parent"), parent);
  await dropDescriptor(derivation, layout.layer(chainId));
  if (place?.cacheId === undefined || !place.isThere) return;
  await settleFile(derivation, file("cacheId"), place.cacheId);
  const noted = readText(file("size"));
  if (size === "noted" && noted !== undefined && SIZE.test(noted)) return;
  const bytes =
    typeof size === "number"
      ? size
      : await sizeOfTree(layout.cacheFile(place.cacheId, "diff"));
  await settleFile(derivation, file("size"), String(bytes));
}

/** A description of a layer that lies elsewhere. Only Windows has any, and one that is damaged is in the way of loading the layer. */
async function dropDescriptor(
  derivation: Derivation,
  entry: string,
): Promise<void> {
  const path = join(entry, "descriptor.json");
  const text = readText(path);
  if (text === undefined) return;
  try {
    const { digest } = Object(JSON.parse(text)) as { digest?: unknown };
    if (isDigest(digest)) return;
  } catch {
    // Below.
  }
  await settleFile(derivation, path, undefined);
}

/** The files of a layer's directory in `overlay2`, and its short link. */
export async function deriveOverlay(
  derivation: Derivation,
  layer: KnownLayer,
): Promise<void> {
  const { map } = derivation;
  const place = map.placeOf(layer.chainId);
  if (place?.cacheId === undefined || !place.isThere) return;
  await deriveDirectory(derivation, {
    name: place.cacheId,
    link: place.link,
    lower: layer.parent === undefined ? undefined : map.lowerOf(layer.parent),
    hasAbove: hasAbove(derivation, layer),
  });
}

/** A directory in `overlay2` and how it is mounted. */
export interface MountedDirectory {
  readonly name: string;
  readonly link: string;
  /** Absent where nothing is below. */
  readonly lower: string | undefined;
  readonly hasAbove: boolean;
}

/** What it takes to mount a directory of `overlay2`, brought to what it must be. */
export async function deriveDirectory(
  derivation: Derivation,
  { name, link, lower, hasAbove: isMarked }: MountedDirectory,
): Promise<void> {
  const { layout } = derivation;
  const cacheId = name as CacheId;
  await settleLink(derivation, cacheId, link);
  await settleFile(derivation, layout.cacheFile(cacheId, "lower"), lower);
  if (lower !== undefined) await settleWork(derivation, cacheId);
  if (!isMarked) return;
  const path = layout.cacheFile(cacheId, "committed");
  await settleFile(derivation, path, "", MARK_MODE);
}

/** The short link first: a `link` that leads nowhere is worse than a link that nobody knows. */
async function settleLink(
  derivation: Derivation,
  cacheId: CacheId,
  link: string,
): Promise<void> {
  const { layout, steps } = derivation;
  const path = layout.link(link);
  if (!isLinkOf(layout, link, cacheId)) {
    await steps.take({ action: "rebuilt", path }, async () => {
      if (typeOf(path) === "directory") await removeTree(path);
      await replaceLink(path, linkTarget(cacheId));
    });
  }
  await settleFile(derivation, layout.cacheFile(cacheId, "link"), link);
}

async function settleWork(
  { layout, steps }: Derivation,
  cacheId: CacheId,
): Promise<void> {
  const path = layout.cacheFile(cacheId, "work");
  if (typeOf(path) === "directory") return;
  await steps.take({ action: "rebuilt", path }, async () => {
    await removeTree(path);
    createDirectory(path, WORK_MODE);
    await syncDirectory(layout.cache(cacheId));
  });
}

/** Whether another layer or a container is directly on this one. */
function hasAbove(
  { layout, known }: Derivation,
  { chainId }: KnownLayer,
): boolean {
  return (
    known.containers.some(({ parent }) => parent === chainId) ||
    known
      .childrenOf(chainId)
      .some((child) => existsSync(layout.layer(child.chainId)))
  );
}
