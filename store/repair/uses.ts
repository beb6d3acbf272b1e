/** Whether something may be removed: what is in use now, whoever uses it. */
import { existsSync, lstatSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { type CacheId, isDigest } from "../digest.js";
import { isAbsent } from "../io-error.js";
import { isCacheId, readCacheId } from "../layers.js";
import type { Layout } from "../layout.js";
import { isLinkOf, readLinkId } from "../place.js";
import { readBytes, readNames, readText } from "../read.js";
import { usedOverlayNames } from "../usage.js";
import { leadsElsewhere } from "../root-links.js";
import type { Finding } from "../verify/finding.js";
import type { KnownLayers } from "./known-layers.js";
import { isMountPoint, mountedNames } from "./mounted.js";

/** What is in use now, whoever uses it. */
export class Uses {
  readonly #layout: Layout;
  readonly #known: KnownLayers;
  readonly #doubt: string | undefined;
  readonly #used: ReadonlySet<string>;
  readonly #mounted: ReadonlySet<string>;
  /** What dockerd's builder knows. */
  readonly #builds: readonly Buffer[];
  #lowers: Set<string> | undefined;

  /** @param doubt why what no image needs may still be needed; undefined where all is known */
  constructor(layout: Layout, known: KnownLayers, doubt: string | undefined) {
    this.#layout = layout;
    this.#known = known;
    this.#doubt = doubt;
    this.#used = usedOverlayNames(layout);
    this.#mounted = mountedNames();
    const { buildSnapshots, buildRecords } = layout;
    this.#builds = [buildSnapshots, buildRecords].flatMap(
      (path) => readBytes(path) ?? [],
    );
  }

  /** Why something is not to be removed; undefined when it may go. */
  reasonToStay({ code, imageId }: Finding, path: string): string | undefined {
    if (leadsElsewhere(this.#layout, path)) {
      return "a symbolic link is on the way to it";
    }
    if (isMountPoint(path)) return "something is mounted there";
    switch (code) {
      case "OVERLAY_ORPHAN":
        return this.ofDirectory(basename(path));
      case "OVERLAY_LEFTOVER":
        return this.#mounted.has(this.#overlayNameIn(path))
          ? "it is mounted"
          : undefined;
      case "OVERLAY_LINK_STRAY":
        return this.#ofLink(basename(path));
      case "LAYER_LEFTOVER":
        return this.#ofEntry(path);
      case "METADATA_ORPHAN":
        return imageId !== undefined &&
          existsSync(this.#layout.imageConfig(imageId))
          ? "its image is there"
          : undefined;
      case "TEMPORARY_LEFTOVER":
      case "DOWNLOAD_LEFTOVER":
      case "STAGING_LEFTOVER":
      case "BLOB_DAMAGED":
      case "HINT_DAMAGED":
        return undefined;
      default:
        return "it is not known whether it may be removed";
    }
  }

  /** The directory in `overlay2` that a path is in. */
  #overlayNameIn(path: string): string {
    return relative(this.#layout.overlay, path).split("/")[0] ?? "";
  }

  /** The same for a directory in `overlay2`. */
  ofDirectory(name: string): string | undefined {
    const container = name.replace(/-init$/, "");
    if (!isCacheId(container)) return "its name is not that of a layer";
    if (this.#used.has(name)) return "a layer or a container uses it";
    if (this.#mounted.has(name)) return "it is mounted";
    const isBuilders = this.#builds.some((file) => file.includes(container));
    if (isBuilders) return "dockerd's builder knows it";
    const others = this.#known.containers.some(
      ({ mountId }) => mountId === container,
    );
    if (others) return "a container uses it";
    const isContainers =
      name !== container ||
      isThere(this.#layout.cache(`${name}-init` as CacheId));
    if (
      isContainers &&
      readNames(join(this.#layout.root, "containers")).length > 0
    ) {
      return "it may hold the files of a container";
    }
    const cacheId = name as CacheId;
    const link = readLinkId(this.#layout.cache(cacheId));
    const isOwn = link !== undefined && isLinkOf(this.#layout, link, cacheId);
    if (isOwn && this.#isBelow(link)) {
      return "another layer or a container is on it";
    }
    return this.#doubt;
  }

  #ofLink(link: string): string | undefined {
    if (this.#mounted.has(link)) return "it is mounted";
    return this.#isBelow(link)
      ? "a layer or a container relies on it"
      : undefined;
  }

  #ofEntry(path: string): string | undefined {
    const id = `sha256:${basename(path)}`;
    return isDigest(id) ? "its name is that of a layer" : undefined;
  }

  /** Whether a layer or container that is in use has the link in its `lower`. */
  #isBelow(link: string): boolean {
    if (this.#lowers === undefined) {
      this.#lowers = new Set();
      for (const name of this.#used) {
        const path = this.#layout.cacheFile(name as CacheId, "lower");
        const parts = (readText(path) ?? "").split(":");
        for (const part of parts) this.#lowers.add(part);
      }
    }
    return this.#lowers.has(`l/${link}`);
  }
}

/** Whether nothing but this entry, which is on its way out, names a directory in `overlay2`. */
export function onlyUseIs(
  layout: Layout,
  entry: string,
  cacheId: CacheId,
): boolean {
  if (mountedNames().has(cacheId)) return false;
  for (const name of readNames(layout.layers)) {
    const other = join(layout.layers, name);
    if (other !== entry && readCacheId(other) === cacheId) return false;
  }
  return !readNames(layout.mounts).some((name) =>
    ["mount-id", "init-id"].some(
      (file) => readText(join(layout.mounts, name, file))?.trim() === cacheId,
    ),
  );
}

/** Whether there is anything of that name. */
export function isThere(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}
