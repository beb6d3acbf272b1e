/** What a repair gets to work with, and what it gives back. */
import type { DiffId, Digest, ImageId } from "../digest.js";
import type { StoreWarning } from "../root.js";
import type { Finding } from "../verify/finding.js";

/** A blob where a layer is said to have come from. */
export interface BlobPlace {
  readonly digest: Digest;
  /** Canonical, with host: `docker.io/library/nginx`. */
  readonly repository: string;
  /** Bytes, where something is known to say so. */
  readonly size?: number | undefined;
}

/** A blob on its way. */
export interface SuppliedBlob {
  /** Bytes of the whole blob. */
  readonly size: number;
  /** All of it, from the first byte. Read at most once. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /**
   * Told that the bytes were wrong.
   * @returns whether another try may bring others
   */
  distrust?(error: unknown): Promise<boolean>;
}

export interface SupplyOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Who brings what has to be fetched. The store itself knows no network: what
 * comes is verified here, whoever brought it. Every method throws TpullError.
 */
export interface BlobSupplier {
  /** Opens the blob of a layer. */
  layer(
    place: BlobPlace & { readonly diffId: DiffId },
    options: SupplyOptions,
  ): Promise<SuppliedBlob>;
  /** An image's config, whose digest is the image ID, from the first of these repositories that has it. */
  config(
    imageId: ImageId,
    repositories: readonly string[],
    options: SupplyOptions,
  ): Promise<{ readonly bytes: Uint8Array; readonly from: string }>;
  /**
   * The manifest of an image, found by its names: one whose config is this image.
   * @returns undefined where none of the names leads to it
   */
  manifest(
    image: WantedImage,
    options: SupplyOptions,
  ): Promise<
    { readonly bytes: Uint8Array; readonly repository: string } | undefined
  >;
}

/** An image whose manifest is wanted. */
export interface WantedImage {
  readonly imageId: ImageId;
  /** Its names, canonical, with tag or digest, the most reliable first. */
  readonly references: readonly string[];
  /** As its config has it, where that can be read. */
  readonly platform?: {
    readonly os: string;
    readonly architecture: string;
  };
}

/** What is to be deleted, for somebody to agree. */
export interface RemovalQuestion {
  /**
   * `leftovers`: what nothing refers to. `layers`: whole layers that no image
   * needs. `names`: names that lead to no image. `repositories`: the file of
   * all names is damaged or missing, and is written anew.
   */
  readonly about: "leftovers" | "layers" | "names" | "repositories";
  readonly items: readonly {
    /** Relative to the data root; a name for `names`. */
    readonly path: string;
    /** What it is; one phrase. */
    readonly what: string;
    /** Bytes on disk that become free, where that was counted. */
    readonly bytes?: number | undefined;
  }[];
}

/** One thing that was done, or in a dry run would be. */
export interface RepairStep {
  /**
   * `rebuilt`: derived from what else is there. `restored`: put together from
   * the layer's own files, another layer's, or a blob that was kept. `fetched`: brought by the
   * supplier. `removed`. `kept`: moved out of the way, not deleted.
   */
  readonly action: "rebuilt" | "restored" | "fetched" | "removed" | "kept";
  /** Relative to the data root; for a layer its directory in `overlay2`. */
  readonly path: string;
  /** More for people: what it was for, or where it came from. */
  readonly note?: string | undefined;
  /** The layer or image concerned. */
  readonly id?: string | undefined;
  /** Bytes that were fetched, or became free. */
  readonly bytes?: number | undefined;
}

/** A finding that stays. */
export interface Unrepaired {
  readonly finding: Finding;
  /** Why; one sentence. */
  readonly reason: string;
  /** The code of the failure, where there was one. */
  readonly failure?: string | undefined;
  /** Where what is missing could be fetched from, as `repository@digest`. */
  readonly sources?: readonly string[] | undefined;
}

export interface Repaired {
  /** In the order in which they were done. */
  readonly steps: readonly RepairStep[];
  /** Findings of the report that a step should have mended and did not, or that nothing here can mend. */
  readonly unrepaired: readonly Unrepaired[];
  /** Bytes that the supplier brought. */
  readonly bytesFetched: number;
}

export interface RepairOptions {
  /** Without one nothing is fetched. */
  readonly supplier?: BlobSupplier | undefined;
  /** Asked before anything is deleted; without, or when it says no, all of it stays. */
  readonly confirm?:
    ((question: RemovalQuestion) => Promise<boolean>) | undefined;
  /** Looks and says what would be done; nothing is locked and nothing changes. */
  readonly dryRun?: boolean | undefined;
  /** Layers that are fetched or put together at once; 3 by default. */
  readonly concurrency?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of each step when it is done. */
  readonly onStep?: ((step: RepairStep) => void) | undefined;
  /** Told of a layer whose content is being brought. */
  readonly onProgress?: ((progress: RepairProgress) => void) | undefined;
  /** Told once when another process is waited for, with the reason for people. */
  readonly onWait?: ((reason: string) => void) | undefined;
  readonly onWarning?: ((warning: StoreWarning) => void) | undefined;
}

export interface RepairProgress {
  /** The blob. */
  readonly digest: Digest;
  /** Bytes of it so far, and in all. */
  readonly current: number;
  readonly total: number;
}
