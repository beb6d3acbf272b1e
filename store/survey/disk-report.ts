/** The account of what takes the space in a root. Sizes are in bytes. */
import type { Digest, ImageId } from "../digest.js";
import type { BuildRecord } from "./build-cache.js";
import type { StoredContainer } from "./containers.js";
import type { Damage } from "./damage.js";
import type { ImageUsage } from "./image-usage.js";
import type { LeftoverKind } from "./leftovers.js";
import type { FoundUnfinished } from "./unfinished.js";
import type { StoredVolume } from "./volumes.js";

/** A container, and how much it has written. */
export interface ContainerUsage extends StoredContainer {
  /** Bytes in its own layer; undefined when that is not there. */
  readonly size: number | undefined;
}

export interface VolumeUsage extends StoredVolume {
  /** Bytes of its files; undefined when they are not there. */
  readonly size: number | undefined;
}

export interface BuildUsage extends Omit<BuildRecord, "measure"> {
  readonly size: number;
}

/** A blob that is here in part. */
export interface PartialUsage {
  readonly digest: Digest;
  readonly size: number;
  /** When something was last added, in milliseconds since 1970. */
  readonly modified: number;
  /** Whether a running tpull fetches it. */
  readonly inUse: boolean;
}

export interface UnfinishedUsage extends Omit<FoundUnfinished, "measure"> {
  readonly size: number;
}

/** Something that serves nobody. */
export interface LeftoverUsage {
  readonly kind: LeftoverKind;
  /** Absolute. */
  readonly path: string;
  readonly size: number;
}

/** A blob that is kept as its registry served it. */
export interface KeptBlobUsage {
  readonly digest: Digest;
  readonly size: number;
  /** When it was stored or last used, in milliseconds since 1970. */
  readonly used: number;
  /** The images that it is for. */
  readonly images: readonly ImageId[];
  /** Whether an image uses it, or a running tpull does. */
  readonly inUse: boolean;
}

/** A manifest that tpull keeps beside an image. */
export interface ManifestUsage {
  readonly imageId: ImageId;
  readonly size: number;
  /** Whether the image is still there. */
  readonly inUse: boolean;
}

/** One kind of things: how many, how many of them in use, bytes, and how many bytes could go. */
export interface UsageTotal {
  readonly count: number;
  readonly active: number;
  readonly size: number;
  readonly reclaimable: number;
}

export type UsageKind =
  | "images"
  | "containers"
  | "volumes"
  | "buildCache"
  | "partialBlobs"
  | "unfinishedLayers"
  | "leftovers"
  | "keptBlobs"
  | "manifests";

/** What takes the space. The first four kinds are docker's, and are counted as `docker system df` counts them. */
export interface DiskUsage extends Readonly<
  Record<UsageKind, readonly unknown[]>
> {
  /** Absolute path of the data root. */
  readonly root: string;
  readonly images: readonly ImageUsage[];
  readonly containers: readonly ContainerUsage[];
  readonly volumes: readonly VolumeUsage[];
  readonly buildCache: readonly BuildUsage[];
  /** Blobs that interrupted pulls left in part, the oldest first. */
  readonly partialBlobs: readonly PartialUsage[];
  /** Layers that are no image's yet. */
  readonly unfinishedLayers: readonly UnfinishedUsage[];
  readonly leftovers: readonly LeftoverUsage[];
  /** Those that were used longest ago first. */
  readonly keptBlobs: readonly KeptBlobUsage[];
  readonly manifests: readonly ManifestUsage[];
  readonly totals: Readonly<Record<UsageKind, UsageTotal>>;
  readonly damage: readonly Damage[];
}
