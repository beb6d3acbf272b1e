/**
 * What takes space in a root and serves nobody: what interrupted work of dockerd
 * left, and of tpull's what no later session will pick up. Found here, and
 * removed nowhere near.
 */
import { existsSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { TEMPORARY_PREFIX } from "../atomic.js";
import { errnoOf, isAbsent } from "../io-error.js";
import { LAYER_FILE, type Layout } from "../layout.js";
import { readBytes, readEntries, readNames, readText } from "../read.js";
import { usedOverlayNames } from "../usage.js";
import type { UsedLayer } from "./layer-use.js";
import type { HeldLocks } from "./locks.js";
import { stagedOverlayNames } from "./unfinished.js";

/**
 * What a leftover is. `layer`: in the store, and nobody needs it. `removing`: a
 * layer whose removal dockerd did not finish. `overlay-directory`: files of no
 * layer, container or build. `link`: a short link that leads to nothing.
 * `write-set`: the entry of a layer that did not come about. `temporary-file`:
 * one that was to replace another. `docker-temporary`: dockerd's downloads,
 * which its next start clears.
 */
export type LeftoverKind =
  | "layer"
  | "removing"
  | "overlay-directory"
  | "link"
  | "write-set"
  | "temporary-file"
  | "docker-temporary";

/** Something that could go, before it is measured. */
export interface FoundLeftover {
  readonly kind: LeftoverKind;
  /** Absolute. */
  readonly path: string;
  /** Where its bytes are; or how many, where that is known. */
  readonly measure: readonly string[] | number;
}

/** Names that dockerd gives to directories of layers, containers and builds. */
const OVERLAY_NAME = /^([0-9a-f]{64}(-init)?|[0-9a-z]{25})$/;
/** Directories in which dockerd tries out the filesystem when it starts. */
const TRIAL_NAME =
  /^(check-overlayfs-support|opaque-bug-check|metacopy-check)\d+$/;
const REMOVING = /^[0-9a-f]{64}-.*-removing$/;
const LINK_TARGET = /^\.\.\/([^/]+)\/diff$/;

/** Whether dockerd, or tpull, gives directories in `overlay2` such names. */
export function isOverlayName(name: string): boolean {
  return OVERLAY_NAME.test(name) || TRIAL_NAME.test(name);
}

/** All leftovers of a root, in the order of their kinds. */
export function findLeftovers(
  layout: Layout,
  layers: readonly UsedLayer[],
  locks: HeldLocks,
): FoundLeftover[] {
  return [
    ...orphanLayers(layout, layers),
    ...removals(layout),
    ...orphanDirectories(layout, layers),
    ...staleLinks(layout),
    ...below(layout.layerdbTemporary, "write-set"),
    ...temporaryFiles(layout),
    // A blob on its way into the store is locked.
    ...below(
      layout.blobsParent,
      "temporary-file",
      (name) =>
        name.startsWith(TEMPORARY_PREFIX) &&
        !locks.isHeld(join(layout.blobsParent, name)),
    ),
    ...layout.dockerTemporary.flatMap((path) =>
      below(path, "docker-temporary"),
    ),
  ];
}

function orphanLayers(
  layout: Layout,
  layers: Iterable<UsedLayer>,
): FoundLeftover[] {
  const found: FoundLeftover[] = [];
  for (const { chainId, record, use } of layers) {
    if (use !== "none") continue;
    const path = layout.layer(chainId);
    const measure = record?.size ?? [path, ...filesOfEntry(layout, path)];
    found.push({ kind: "layer", path, measure });
  }
  return found;
}

/** Where the files of a layer are whose entry cannot be trusted otherwise. */
function filesOfEntry(layout: Layout, entry: string): string[] {
  const name = readText(join(entry, LAYER_FILE.cacheId))?.trim();
  return name !== undefined && OVERLAY_NAME.test(name)
    ? [join(layout.overlay, name)]
    : [];
}

function removals(layout: Layout): FoundLeftover[] {
  return readNames(layout.layers)
    .filter((name) => REMOVING.test(name))
    .map((name) => join(layout.layers, name))
    .map((path) => ({
      kind: "removing",
      path,
      measure: [path, ...filesOfEntry(layout, path)],
    }));
}

function orphanDirectories(
  layout: Layout,
  layers: readonly UsedLayer[],
): FoundLeftover[] {
  const known = new Set(layers.map(({ record }) => record?.cacheId as string));
  const names = readEntries(layout.overlay)
    .filter((entry) => entry.isDirectory() && isOverlayName(entry.name))
    .map(({ name }) => name)
    .filter((name) => !known.has(name));
  // Twice, because what is on its way from one place to another can be missed.
  return unused(layout, unused(layout, names))
    .map((name) => join(layout.overlay, name))
    .map((path) => ({ kind: "overlay-directory", path, measure: [path] }));
}

/** Those of the directories in `overlay2` that nothing mentions. */
function unused(layout: Layout, names: readonly string[]): readonly string[] {
  if (names.length === 0) return names;
  const staged = stagedOverlayNames(layout);
  const used = usedOverlayNames(layout);
  const builds = readBytes(layout.buildSnapshots);
  return names.filter(
    (name) => !staged.has(name) && !used.has(name) && !builds?.includes(name),
  );
}

function staleLinks(layout: Layout): FoundLeftover[] {
  const links = readNames(layout.links);
  const directories = new Set(readNames(layout.overlay).filter(isOverlayName));
  // Every directory has its own: only one too many is worth a look at all.
  if (links.length <= directories.size) return [];
  return links
    .map((name) => layout.link(name))
    .filter((path) => {
      const target = linkedDirectory(path);
      if (target === undefined || directories.has(target)) return false;
      // It may have come meanwhile.
      return !existsSync(join(layout.overlay, target)) && isThere(path);
    })
    .map((path) => ({ kind: "link", path, measure: 0 }));
}

/** The name in `overlay2` that a short link leads to; undefined for anything else. */
function linkedDirectory(path: string): string | undefined {
  try {
    return LINK_TARGET.exec(readlinkSync(path))?.[1];
  } catch (error) {
    if (isAbsent(error) || errnoOf(error) === "EINVAL") return undefined;
    throw error;
  }
}

function isThere(link: string): boolean {
  return linkedDirectory(link) !== undefined;
}

function temporaryFiles(layout: Layout): FoundLeftover[] {
  const places = [
    layout.driver,
    layout.imagedbContent,
    layout.diffIdByDigest,
    layout.v2Metadata,
  ];
  return places.flatMap((place) =>
    below(place, "temporary-file", (name) => name.startsWith(TEMPORARY_PREFIX)),
  );
}

function below(
  directory: string,
  kind: LeftoverKind,
  fits: (name: string) => boolean = () => true,
): FoundLeftover[] {
  return readNames(directory)
    .filter(fits)
    .map((name) => join(directory, name))
    .map((path) => ({ kind, path, measure: [path] }));
}
