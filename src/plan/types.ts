/** What a pull would do, in numbers. */
import type { ChainId, DiffId, Digest, ImageId } from "../../store/index.js";
import type { FailedPull } from "../events.js";
import type { RateLimit } from "../registry/client.js";

/**
 * - `present`: in the data root already
 * - `copied`: put together from a stored layer with the same content
 * - `shared`: fetched for an image before this one in the plan
 * - `fetched`: moves over the network
 */
export type PlannedSource = "present" | "copied" | "shared" | "fetched";

export interface PlannedLayer {
  /** Distribution digest: of the blob as the registry serves it. */
  digest: Digest;
  diffId: DiffId;
  chainId: ChainId;
  /** Bytes of the blob; absent where no manifest had to be read. */
  size?: number;
  source: PlannedSource;
  /** Bytes of the blob that an interrupted pull has left here: the rest is fetched. */
  keptBytes?: number;
}

export interface PlannedImage {
  /** The reference as it was asked for. */
  reference: string;
  /** Which of the platforms that were asked for; only when they were several. */
  target?: string;
  canonicalName: string;
  digest: Digest;
  imageId: ImageId;
  platform: string;
  /** `up-to-date`: there is nothing to do. */
  status: "to-fetch" | "up-to-date";
  /** Base first. */
  layers: PlannedLayer[];
  /** The registry that the bytes come from, or whose mirrors they come from. */
  registry: string;
  /** Manifests, config and layers. */
  bytesToFetch: number;
  /** Requests for manifests and blobs. Those for tokens come on top. */
  requests: number;
  /** What the pull counts as at Docker Hub; 0 elsewhere. */
  hubPulls: number;
}

export interface PlannedDisk {
  /** The data root. */
  root: string;
  /** A cautious estimate of what will be taken: what is not unpacked yet can only be guessed. */
  estimatedBytes: number;
  estimatedInodes: number;
  /** What is taken in any case. */
  certainBytes: number;
  /** Those that the store makes for the layers; what is in a layer is not known before it is unpacked. */
  certainInodes: number;
  freeBytes: number;
  /** Absent where the filesystem does not count them. */
  freeInodes?: number;
  /** `no`: a pull would be refused. `tight`: the estimate is more than there is. */
  fits: "yes" | "tight" | "no";
}

export interface Plan {
  /** In the order asked for. */
  images: PlannedImage[];
  failures: FailedPull[];
  layersPresent: number;
  layersToFetch: number;
  bytesToFetch: number;
  /** The same by registry. */
  bytesByRegistry: Record<string, number>;
  requests: number;
  hubPulls: number;
  disk: PlannedDisk;
  /** Where registries have said how many pulls are left. */
  rateLimits: ({ registry: string } & RateLimit)[];
}
