/**
 * What anyone may know about a running pull: one union for `onEvent`, the
 * terminal, the transcript and `--progress json`. Progress is a by-product: no
 * step of a pull depends on anybody listening.
 *
 * `--progress json` prints these objects one a line, each with the fields
 * `schema` (this version) and `time` (ISO 8601) put in front.
 */
import type {
  CacheId,
  ChainId,
  DiffId,
  Digest,
  ImageId,
} from "../store/index.js";
import type { RateLimit } from "./registry/client.js";

/** Raised when a field changes meaning or goes away; new fields and new types do not raise it. */
export const EVENT_SCHEMA = 1;

/** What became of one layer. `fetched` moved bytes over the network; `copied` was rebuilt from the same layer already in the store. */
export type LayerSource = "fetched" | "reused" | "copied";

export interface LayerResult {
  /** Distribution digest: of the blob as the registry serves it. */
  digest: Digest;
  diffId: DiffId;
  chainId: ChainId;
  cacheId: CacheId;
  /** Bytes of the blob as the manifest declares them; absent when no manifest had to be read. */
  compressedSize?: number;
  /** Bytes the layer adds to docker's `Size`. */
  size: number;
  source: LayerSource;
  /** Bytes of the blob that were here from an earlier pull, which had not come to its end; absent when there were none. */
  resumedBytes?: number;
}

/** What is kept of an image as its registry served it. */
export interface KeptBlobsResult {
  /** Blobs of layers, each once. */
  blobs: number;
  /** Bytes of those that are kept. */
  bytes: number;
  /** Those that were fetched for nothing else, because their layers were stored. */
  fetched: number;
  /** Those that are not kept, and the code of the reason. */
  missing: { digest: Digest; code: string }[];
}

/** The outcome of one image that was pulled, the same object for the API and the CLI. */
export interface PullResult {
  /** The reference as it was asked for. */
  reference: string;
  /** Canonical form with host, e.g. `docker.io/library/nginx:latest`. */
  canonicalName: string;
  /** Familiar form as docker shows it, e.g. `nginx:latest`. */
  familiarName: string;
  /** Digest of what the reference resolved to (an index for a multi-platform image). */
  digest: Digest;
  /** Digest of the image manifest itself, equal to `digest` when there is no index; absent when no manifest had to be read. */
  manifestDigest?: Digest;
  imageId: ImageId;
  /** os/arch[/variant] as the image's config says. */
  platform: string;
  /** `downloaded` when the store changed, `up-to-date` when it did not. */
  status: "downloaded" | "up-to-date";
  /** Base first. */
  layers: LayerResult[];
  /** Bytes received from the network for this image. */
  bytesFetched: number;
  /** The same by who sent them: the registry as references name it, or a mirror's host[:port]. */
  bytesBySource: Record<string, number>;
  /** Only of a pull that keeps blobs. */
  keptBlobs?: KeptBlobsResult;
  /** Mirrors of the image's registry that were not asked any more, and why. */
  passedOver: PassedOverMirror[];
  /** Which of the platforms that were asked for this is; only when they were several. */
  target?: string;
  /** Only of an image from an archive: its names there, in familiar form. */
  loaded?: {
    /** Those that stand for it now. */
    names: string[];
    /** Those that stay with other images. */
    kept: string[];
  };
}

export interface PassedOverMirror {
  host: string;
  code: string;
  reason: string;
}

export interface FailedPull {
  reference: string;
  /** Which of several platforms failed. */
  target?: string;
  error: {
    code: string;
    message: string;
    hint?: string;
    details?: Record<string, unknown>;
  };
}

/** What became of one image of a prefetch. */
export interface PrefetchedImage {
  /** The reference as it was asked for. */
  reference: string;
  /** Which of the platforms that were asked for; only when they were several. */
  target?: string;
  /** Canonical form with host; absent for an image that was not found. */
  canonicalName?: string;
  /** Digest of what the reference resolved to. */
  digest?: Digest;
  imageId?: ImageId;
  platform?: string;
  /**
   * - `fetched`: the store lacked some of it, or its name, and has all of it now
   * - `up-to-date`: there was nothing to do
   * - `failed`: `error` says why
   * - `not-started`: it is to be fetched, and another one failed before its turn, or the run as a whole did
   */
  status: "fetched" | "up-to-date" | "failed" | "not-started";
  error?: FailedPull["error"];
  /** Bytes received from the network for it, also where it failed. A layer counts for one of the images that share it. */
  bytesFetched: number;
  /** Bytes of its layers' blobs that needed no fetching; absent where nobody knows how large they are. */
  bytesReused?: number;
  /** Milliseconds in which it was asked for and fetched, without those in which it waited for its turn. */
  durationMs: number;
}

export type LayerState =
  /** known, not begun */
  | "waiting"
  /** bytes are arriving; unpacking runs along with them */
  | "downloading"
  /** all bytes are here, the rest of them is being unpacked */
  | "extracting"
  /** verified and flushed, waiting for a layer below it */
  | "staged"
  /** visible in the store */
  | "complete"
  /** was in the store already */
  | "exists";

/**
 * What an event is about. `image` is the reference as the caller gave it, or a
 * repository that the caller gave with one of its tags; `target` is the
 * platform, in runs that pull several of an image.
 */
export interface About {
  image: string;
  target?: string;
}

export type PullEvent =
  /** The run begins later, so that many hosts do not begin at once. */
  | { type: "delay"; delayMs: number; mostMs: number }
  /** The registry is about to be asked. */
  | ({ type: "resolve"; canonicalName: string } & About)
  /** The reference is resolved: docker prints `tag: Pulling from repository` here. */
  | ({
      type: "pulling";
      tagOrDigest: string;
      repository: string;
      digest: Digest;
    } & About)
  /** The layers are known; order is base first. `index` of the layer events counts in this list. */
  | ({
      type: "layers";
      imageId: ImageId;
      platform: string;
      layers: { digest: Digest; diffId: DiffId; size: number }[];
    } & About)
  /** Of a prefetch, when all images are known and before a layer moves: what is going to be fetched. */
  | {
      type: "plan";
      images: number;
      upToDate: number;
      toFetch: number;
      failed: number;
      /** Layers that move over the network, each once, and their bytes. */
      layersToFetch: number;
      bytesToFetch: number;
    }
  /**
   * A layer changed its state. Sent once for each change; not at all for an
   * image that is stored whole already. A layer that was there is `downloading`
   * once more, and then what it was, when its blob is fetched to be kept.
   */
  | ({
      type: "layer";
      index: number;
      digest: Digest;
      state: LayerState;
    } & About)
  /** Bytes of a layer's blob that are here so far, from the network or from an earlier pull; at most about ten a second for each layer. */
  | ({
      type: "progress";
      index: number;
      digest: Digest;
      current: number;
      total: number;
    } & About)
  /** A request failed and is tried again after `delayMs`. */
  | ({
      type: "retry";
      digest?: Digest;
      attempt: number;
      delayMs: number;
      reason: string;
    } & About)
  /** Another process works on what we need; we wait for it. */
  | ({ type: "wait"; reason: string } & Partial<About>)
  /** Something the user should know that does not fail the pull. */
  | ({ type: "warning"; code: string; message: string } & Partial<About>)
  /** How many pulls a registry still grants, where it says so; the lowest number of the run, sent at its end. */
  | ({ type: "ratelimit"; registry: string } & RateLimit)
  /** The last event of an image that was pulled. */
  | ({ type: "result"; result: PullResult } & About)
  /** The last event of an image that failed; without `image` the whole run did. */
  | ({ type: "error"; error: FailedPull["error"] } & Partial<About>)
  /** The last event of a run. */
  | {
      type: "summary";
      pulled: number;
      failed: number;
      bytesFetched: number;
      durationMs: number;
      results: PullResult[];
      failures: FailedPull[];
      /** Of a prefetch: every image in the order asked for. */
      images?: PrefetchedImage[];
    };

export type OnEvent = (event: PullEvent) => void;

/** Tells the items of a run apart: the image, and its platform where there are several. */
export function itemName({ image, target }: About): string {
  return target === undefined ? image : `${image} (${target})`;
}
