/** What a bundle is made by, and what is said of it. */
import type { DiffId, Digest, ImageId } from "../../store/index.js";
import type { FailedPull } from "../events.js";
import type { RunOptions } from "../run-session.js";

export interface BundleOptions extends RunOptions {
  /** os/arch[/variant], several, or `all`; the default is this machine's. For images that name none themselves. */
  platform?: string | readonly string[];
  /** Blobs in flight, 1 to 64. */
  concurrency?: number;
  /** Files that say which layers the other side has: inventories or archives of images. */
  have?: readonly string[];
  /** Images whose layers the other side has. */
  base?: readonly string[];
  /** Writes `SHA256SUMS` beside it. Those that are there are brought up to date in any case. */
  checksum?: boolean;
}

export interface BundledLayer {
  digest: Digest;
  diffId: DiffId;
  /** Bytes of the blob. */
  size: number;
  /** `present`: an earlier run had it. `left-out`: the other side has it. */
  source: "fetched" | "present" | "left-out";
}

export interface BundleImageResult {
  /** As it was asked for. */
  reference: string;
  canonicalName: string;
  /** Digest of what the reference stands for. */
  digest: Digest;
  manifestDigest: Digest;
  imageId: ImageId;
  platform: string;
  /** Base first. */
  layers: BundledLayer[];
}

export interface BundleResult {
  images: BundleImageResult[];
  /** With one the bundle is as it was before. */
  failures: FailedPull[];
  /** Names of images that were in the bundle before and have not been named now. */
  removed: string[];
  /** Bytes of all blobs in the bundle. */
  bytes: number;
  /** Bytes that came over the network for layers. */
  bytesFetched: number;
  /** Bytes of blobs that the other side has. */
  bytesLeftOut: number;
}
