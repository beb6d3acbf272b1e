/** What in a data root, and around it, decides what a dockerd makes of it. Reads only. */
import { accessSync, constants, type Stats, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { errnoOf, isAbsent } from "../io-error.js";
import type { Layout } from "../layout.js";
import { readEntries, readNames } from "../read.js";
import { isRemapped, PSEUDO, REMAPPED, SNAPSHOTS } from "../root.js";
import { type BoltBucket, readBolt } from "../survey/bolt.js";
import { type Known, supportsDType } from "../survey/filesystem.js";
import { overlaySupport } from "../survey/overlay-support.js";
import { filesystemType, type Fits, fitsOn, XFS } from "./fits.js";
import { STORAGE_DRIVERS, type StorageDriver } from "./releases.js";

/** What the images of the store itself are like, from a survey. */
export interface StoreImages {
  /** Those that a dockerd shows. */
  readonly whole: number;
  /** Those that it would leave out, as they are damaged. */
  readonly damaged: number;
  /** Whether `repositories.json` is malformed. */
  readonly namesDamaged: boolean;
}

export interface RootFacts {
  readonly root: string;
  readonly kind: "absent" | "directory" | "other";
  /** User ID of the owner, who dockerd runs as; of this process where there is no root yet. */
  readonly owner: number;
  /** Whether it is the part of another root that belongs to remapped users. */
  readonly remapped: boolean;
  readonly readOnly: boolean;
  /** What it is on, where that shows the kernel's own things only. */
  readonly pseudo: string | undefined;
  /** Drivers whose directory in the root has something in it, which makes them prior ones. */
  readonly prior: ReadonlySet<StorageDriver>;
  /** Drivers that something else than a directory is in the way of. */
  readonly blocked: ReadonlySet<StorageDriver>;
  readonly fits: Fits;
  /** Whether the storage drivers are on XFS, the only one that has docker's quotas. */
  readonly onXfs: boolean;
  readonly dType: Known<boolean>;
  readonly nativeDiff: Known<boolean>;
  /** Images of the storage drivers, as far as there are any. */
  readonly images: ReadonlyMap<StorageDriver, number>;
  readonly damagedImages: number;
  readonly namesDamaged: boolean;
  /** Images in containerd's store. */
  readonly containerdImages: Known<number>;
  /** Roots of remapped users in this one: their directories, and images in them. */
  readonly remappedRoots: readonly {
    readonly name: string;
    readonly images: number;
  }[];
  /** Whether the database of volumes can be opened. */
  readonly volumesDamaged: boolean;
  readonly containers: number;
}

const METADATA = "containerd/daemon/io.containerd.metadata.v1.bolt/meta.db";
/** More is not read for a number: it is all read at once. */
const MOST_METADATA = 128 * 1024 * 1024;
/** dockerd's own part of it. */
const NAMESPACE = "moby";

/** @throws the failed system call */
export function rootFacts(layout: Layout, own: StoreImages): RootFacts {
  const { root } = layout;
  const found = statOf(root);
  const place = nearestDirectory(layout.overlay);
  const type = filesystemType(place);
  const images = imagesOf(root);
  const owner = found?.uid ?? process.getuid?.() ?? 0;
  const remapped = found !== undefined && isRemapped(root, found);
  if (own.whole > 0) images.set("overlay2", own.whole);
  else images.delete("overlay2");
  return {
    root,
    kind: kindOf(found),
    owner,
    remapped,
    readOnly: isReadOnly(place),
    ...driversIn(root),
    pseudo: PSEUDO.get(type),
    onXfs: type === XFS,
    fits: fitsOn(type, owner > 0 && !remapped),
    dType: supportsDType(place),
    nativeDiff: overlaySupport().nativeDiff,
    images,
    damagedImages: own.damaged,
    namesDamaged: own.namesDamaged,
    containerdImages: containerdImages(root),
    remappedRoots: remappedRoots(root),
    volumesDamaged: isDamaged(layout.lockFile),
    containers: readNames(layout.containers).length,
  };
}

function kindOf(found: Stats | undefined): RootFacts["kind"] {
  if (found === undefined) return "absent";
  return found.isDirectory() ? "directory" : "other";
}

/** moby, daemon/graphdriver/driver.go, `scanPriorDrivers`: what cannot be read as a directory counts as not empty. */
function driversIn(root: string): Pick<RootFacts, "prior" | "blocked"> {
  const prior = new Set<StorageDriver>();
  const blocked = new Set<StorageDriver>();
  for (const driver of STORAGE_DRIVERS) {
    const path = join(root, driver);
    const found = statOf(path);
    if (found === undefined) continue;
    if (!found.isDirectory()) blocked.add(driver);
    else if (readNames(path).length === 0) continue;
    // Nothing is taken for vfs's without being told.
    if (driver !== "vfs") prior.add(driver);
  }
  return { prior, blocked };
}

/** How many images each driver has on file. */
function imagesOf(root: string): Map<StorageDriver, number> {
  const images = new Map<StorageDriver, number>();
  for (const driver of STORAGE_DRIVERS) {
    const filed = join(root, "image", driver, "imagedb/content/sha256");
    const count = readNames(filed).filter((name) =>
      /^[0-9a-f]{64}$/.test(name),
    ).length;
    if (count > 0) images.set(driver, count);
  }
  return images;
}

function remappedRoots(root: string): { name: string; images: number }[] {
  return readEntries(root)
    .filter((entry) => entry.isDirectory() && REMAPPED.test(entry.name))
    .map(({ name }) => ({
      name,
      images: [...imagesOf(join(root, name)).values()].reduce(
        (sum, count) => sum + count,
        0,
      ),
    }))
    .filter(({ images }) => images > 0);
}

/** From containerd's metadata (containerd, core/metadata/buckets.go): `v1`, the namespace, `images`. */
function containerdImages(root: string): Known<number> {
  const path = join(root, METADATA);
  const size = statOf(path)?.size ?? 0;
  const version =
    size > MOST_METADATA ? undefined : readBolt(path, ["v1"])?.get("v1");
  if (version !== undefined) {
    const images = bucket(bucket(version, NAMESPACE), "images");
    return images?.size ?? 0;
  }
  // A database that says nothing, beside layers that are there.
  return readNames(join(root, SNAPSHOTS)).length > 0 ? "unknown" : 0;
}

function bucket(
  parent: BoltBucket | Buffer | undefined,
  key: string,
): BoltBucket | undefined {
  if (parent === undefined || Buffer.isBuffer(parent)) return undefined;
  const child = parent.get(key);
  return Buffer.isBuffer(child) ? undefined : child;
}

/** dockerd makes a database of an empty file, and does not start on one that is none. */
function isDamaged(path: string): boolean {
  const found = statOf(path);
  if (found === undefined) return false;
  if (!found.isFile()) return true;
  return found.size > 0 && readBolt(path, []) === undefined;
}

function isReadOnly(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    return false;
  } catch (error) {
    return errnoOf(error) === "EROFS";
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

function nearestDirectory(path: string): string {
  let place = path;
  while (statOf(place)?.isDirectory() !== true) place = dirname(place);
  return place;
}
