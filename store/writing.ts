/** What a writing session offers. */
import type { FileHandle } from "node:fs/promises";
import type { IncomingBlob, KeptBlobLimits } from "./blobs/blob-keeper.js";
import type { OpenBlob } from "./blobs/open-blob.js";
import type { WholeLayer } from "./complete.js";
import type { ChainId, Digest, ImageId } from "./digest.js";
import type { DistributionEntry } from "./distribution.js";
import type { LayerClaim, LayerRecord, StagedLayer } from "./layers.js";
import type { PartialBlob } from "./partial.js";
import type { LeftoverLimits } from "./partials.js";
import type { Naming } from "./repositories.js";
import type { SessionOptions } from "./session.js";

export interface WaitOptions {
  signal?: AbortSignal | undefined;
  /** Told once when another process works on what is wanted, with the reason for people. */
  onWait?: ((reason: string) => void) | undefined;
}

export interface ClaimOptions extends WaitOptions {
  /**
   * Whether a layer that an earlier session left complete is welcome as it is.
   * Otherwise a claim is always empty.
   */
  takeComplete?: boolean;
}

export interface WriteOptions extends SessionOptions, WaitOptions {
  /** What interrupted pulls may leave behind, to be swept by this write session. */
  leftovers?: LeftoverLimits | undefined;
  /** How much of what registries served may be kept; for {@link StoreWriter.keepBlob}. */
  keptBlobs?: KeptBlobLimits | undefined;
}

/**
 * Either the layer is in the store (and stays while the session lasts), or it
 * is ours to write, or it is ours and there is nothing left to write.
 */
export type Claimed =
  | { readonly present: LayerRecord }
  | { readonly claim: LayerClaim; readonly complete?: WholeLayer };

/**
 * The right to write to a store. Disposing ends it, and undoes what did not
 * become part of an image, except what is to be kept.
 */
export interface StoreWriter extends AsyncDisposable {
  /**
   * Reserves a layer, unless it is there. Waits while another process writes
   * the same layer, then reuses it or takes over.
   * @throws TpullError `ABORTED`
   */
  claimLayer(chainId: ChainId, options?: ClaimOptions): Promise<Claimed>;
  /**
   * Takes possession of what is here of a blob, and of keeping what comes.
   * @param size bytes of the whole blob
   * @returns undefined while somebody else fetches the same blob
   */
  partialBlob(digest: Digest, size: number): PartialBlob | undefined;
  /**
   * A file in the data root's filesystem that has no name: it is gone when it
   * is closed, however the process ends.
   */
  temporaryFile(): Promise<FileHandle>;
  /**
   * Relies on a blob that is kept as a registry served it: it stays while the
   * session lasts, and counts as used now.
   * @returns whether it is kept, with so many bytes
   */
  useKeptBlob(digest: Digest, size: number): Promise<boolean>;
  /** Opens such a blob to be read. Its bytes are to be verified by whoever reads them. */
  openKeptBlob(digest: Digest, size: number): Promise<OpenBlob | undefined>;
  /**
   * Begins to keep a blob as it comes from a registry. Never fails: what cannot
   * be kept is not, and says so in the end.
   * @param room bytes that must be free; as many as the blob has by default
   */
  keepBlob(digest: Digest, size: number, room?: number): Promise<IncomingBlob>;
  /** Removes a kept blob whose bytes are not those of its digest. */
  forgetKeptBlob(digest: Digest, size: number): Promise<void>;
  /** Removes what is here of blobs that are not wanted any more, unless somebody is fetching them. */
  removePartials(digests: Iterable<Digest>): Promise<void>;
  /**
   * Makes staged layers part of the store: all their data is durable before
   * the first of them is visible. A parent is in the store or earlier in the list.
   * @returns the layers as they are in the store, in the same order
   * @throws TpullError `TOO_MANY_LAYERS`, `LAYER_PARENT_MISSING`, `DISK_FULL`, `STORE_IO_FAILED`
   */
  commitLayers(ready: readonly StagedLayer[]): Promise<LayerRecord[]>;
  /** Notes where layers came from, new ones and reused ones. */
  recordDistribution(entries: readonly DistributionEntry[]): Promise<void>;
  /**
   * Files an image's config. Its layers must be in the store.
   * @throws TpullError `IMAGE_ID_MISMATCH`, `IMAGE_CONFIG_INVALID`,
   * `IMAGE_LAYERS_MISSING`, `TOO_MANY_LAYERS`
   */
  putImage(image: { config: Uint8Array; imageId: ImageId }): Promise<void>;
  /**
   * Keeps the manifest that an image was pulled by, for those who want to know
   * how large its blobs were. A hint: where it cannot be kept, nothing is said.
   * @param manifest as the registry served it
   */
  keepManifest(imageId: ImageId, manifest: Uint8Array): Promise<void>;
  /**
   * Gives an image its names, in one step.
   * @returns whether any name was new or pointed elsewhere
   * @throws TpullError `IMAGE_NOT_IN_STORE`, `REPOSITORIES_INVALID`, `REPOSITORY_NAME_AMBIGUOUS`
   */
  tagImage(
    imageId: ImageId,
    naming: Naming | readonly Naming[],
  ): Promise<{ changed: boolean }>;
  /**
   * Lets layers stay when the session ends without an image that uses them:
   * committed ones, and complete ones that were released. A later session finds
   * them; they go when their time is over.
   * @param chainIds which ones; all by default
   */
  keepUnusedLayers(chainIds?: Iterable<ChainId>): void;
}
