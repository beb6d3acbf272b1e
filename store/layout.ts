/**
 * Every path of a docker data root (storage driver overlay2) that tpull reads
 * or writes, as pure functions of identities. No other file joins such paths.
 */
import { join } from "node:path";
import {
  type CacheId,
  type ChainId,
  type DiffId,
  type Digest,
  type ImageId,
  hexOf,
} from "./digest.js";

/** Names inside `layerdb/sha256/<chain ID>/`. */
export const LAYER_FILE = {
  diff: "diff",
  size: "size",
  cacheId: "cache-id",
  parent: "parent",
  tarSplit: "tar-split.json.gz",
} as const;

/** Names inside `overlay2/<cache-id>/`. */
export const OVERLAY_FILE = {
  diff: "diff",
  link: "link",
  lower: "lower",
  work: "work",
  committed: "committed",
} as const;

/** Names inside a layer's staging directory. */
const STAGED_LAYER = "layer";
const STAGED_WRITE_SET = "write-set";
const STAGED_COMPLETE = "complete";

/** What a layer's staging directory holds while the layer is being written. */
export interface StagingPaths {
  /** Carries the lock of the layer; named after the chain ID. */
  readonly directory: string;
  /** Becomes `overlay2/<cache-id>`. */
  readonly layer: string;
  /** The unpacked layer. */
  readonly diff: string;
  /** Becomes `layerdb/sha256/<chain ID>`. */
  readonly writeSet: string;
  /** Says that the layer is whole, and what it is. */
  readonly complete: string;
}

export class Layout {
  readonly root: string;
  readonly image: string;
  /** `image/overlay2`: all metadata of the driver. */
  readonly driver: string;
  readonly repositories: string;
  readonly imagedb: string;
  readonly imagedbContentParent: string;
  readonly imagedbContent: string;
  readonly imagedbMetadataParent: string;
  readonly imagedbMetadata: string;
  readonly layerdb: string;
  /** One directory for each layer, named after its chain ID. */
  readonly layers: string;
  readonly layerdbTemporary: string;
  readonly mounts: string;
  readonly distribution: string;
  readonly diffIdByDigestParent: string;
  readonly diffIdByDigest: string;
  readonly v2MetadataParent: string;
  readonly v2Metadata: string;
  /** `overlay2`: the unpacked layers. */
  readonly overlay: string;
  /** Short symbolic links to the layers' `diff` directories. */
  readonly links: string;
  readonly volumes: string;
  /** The file that a running dockerd keeps locked. */
  readonly lockFile: string;
  /** tpull's own state. */
  readonly tpull: string;
  readonly staging: string;
  /** Where layers are staged when `overlay2` is a mount of its own. */
  readonly overlayStaging: string;
  /** Blobs that are here in part, for pulls that were interrupted. */
  readonly partial: string;
  /** Notes of layers that no image uses yet. */
  readonly unused: string;
  /** The manifests that images were pulled by. */
  readonly manifests: string;
  /** Holds {@link blobs}, and files that are on their way into it. */
  readonly blobsParent: string;
  /** Registries' own blobs, kept beside what was unpacked from them. */
  readonly blobs: string;
  /** Damaged files that were replaced, as they were. */
  readonly kept: string;
  /** What sessions made here that ended without a result while others went on. */
  readonly made: string;
  /** What dockerd's builder keeps of layers, with or without an image. */
  readonly buildSnapshots: string;
  /** What dockerd's builder knows of everything in its cache. */
  readonly buildRecords: string;
  /** The settings of containers. */
  readonly containers: string;
  /** Where dockerd puts what it downloads, and what it makes of that at its next start. */
  readonly dockerTemporary: readonly [string, string];

  constructor(root: string) {
    this.root = root;
    this.image = join(root, "image");
    this.driver = join(this.image, "overlay2");
    this.repositories = join(this.driver, "repositories.json");
    this.imagedb = join(this.driver, "imagedb");
    this.imagedbContentParent = join(this.imagedb, "content");
    this.imagedbContent = join(this.imagedbContentParent, "sha256");
    this.imagedbMetadataParent = join(this.imagedb, "metadata");
    this.imagedbMetadata = join(this.imagedbMetadataParent, "sha256");
    this.layerdb = join(this.driver, "layerdb");
    this.layers = join(this.layerdb, "sha256");
    this.layerdbTemporary = join(this.layerdb, "tmp");
    this.mounts = join(this.layerdb, "mounts");
    this.distribution = join(this.driver, "distribution");
    this.diffIdByDigestParent = join(this.distribution, "diffid-by-digest");
    this.diffIdByDigest = join(this.diffIdByDigestParent, "sha256");
    this.v2MetadataParent = join(this.distribution, "v2metadata-by-diffid");
    this.v2Metadata = join(this.v2MetadataParent, "sha256");
    this.overlay = join(root, "overlay2");
    this.links = join(this.overlay, "l");
    this.volumes = join(root, "volumes");
    this.lockFile = join(this.volumes, "metadata.db");
    this.tpull = join(root, "tpull");
    this.staging = join(this.tpull, "staging");
    this.overlayStaging = join(this.overlay, ".tpull-staging");
    this.partial = join(this.tpull, "partial");
    this.unused = join(this.tpull, "unused");
    this.manifests = join(this.tpull, "manifests");
    this.blobsParent = join(this.tpull, "blobs");
    this.blobs = join(this.blobsParent, "sha256");
    this.kept = join(this.tpull, "kept");
    this.made = join(this.tpull, "made");
    this.buildSnapshots = join(root, "buildkit", "snapshots.db");
    this.buildRecords = join(root, "buildkit", "metadata_v2.db");
    this.containers = join(root, "containers");
    this.dockerTemporary = [join(root, "tmp"), join(root, "tmp-old")];
  }

  /** `layerdb/sha256/<chain ID>`. */
  layer(chainId: ChainId): string {
    return join(this.layers, hexOf(chainId));
  }

  layerFile(chainId: ChainId, file: keyof typeof LAYER_FILE): string {
    // Called for every file of every layer, where join would take a tenth of the time.
    return `${this.layers}/${hexOf(chainId)}/${LAYER_FILE[file]}`;
  }

  /** `overlay2/<cache-id>`. */
  cache(cacheId: CacheId): string {
    return join(this.overlay, cacheId);
  }

  cacheFile(cacheId: CacheId, file: keyof typeof OVERLAY_FILE): string {
    return join(this.cache(cacheId), OVERLAY_FILE[file]);
  }

  /** `overlay2/l/<link ID>`. */
  link(linkId: string): string {
    return join(this.links, linkId);
  }

  /** The note that no image uses this layer yet. */
  unusedNote(chainId: ChainId): string {
    return join(this.unused, hexOf(chainId));
  }

  /** The manifest that this image was pulled by. */
  manifest(imageId: ImageId): string {
    return join(this.manifests, hexOf(imageId));
  }

  /** What is here of a blob. */
  partialBlob(digest: Digest): string {
    return join(this.partial, hexOf(digest));
  }

  /** A blob that is kept as the registry served it. */
  keptBlob(digest: Digest): string {
    return join(this.blobs, hexOf(digest));
  }

  imageConfig(imageId: ImageId): string {
    return join(this.imagedbContent, hexOf(imageId));
  }

  /** docker's notes on an image. */
  imageMetadata(imageId: ImageId): string {
    return join(this.imagedbMetadata, hexOf(imageId));
  }

  diffIdOf(digest: Digest): string {
    return join(this.diffIdByDigest, hexOf(digest));
  }

  v2MetadataOf(diffId: DiffId): string {
    return join(this.v2Metadata, hexOf(diffId));
  }

  /** A place beside the layers for what is on its way in or out; `what` tells apart several of one layer. */
  temporaryLayer(
    what: "write-set" | "damaged" | "retracted",
    chainId: ChainId,
  ): string {
    return join(
      this.layerdbTemporary,
      `${TEMPORARY_LAYER_PREFIX}${what}-${hexOf(chainId)}`,
    );
  }

  /** @param base {@link staging} or {@link overlayStaging} */
  staged(base: string, chainId: ChainId): StagingPaths {
    return stagingPaths(join(base, hexOf(chainId)));
  }
}

/** Names in `layerdb/tmp` that are tpull's. */
export const TEMPORARY_LAYER_PREFIX = "tpull-";

export function stagingPaths(directory: string): StagingPaths {
  const layer = join(directory, STAGED_LAYER);
  return {
    directory,
    layer,
    diff: join(layer, OVERLAY_FILE.diff),
    writeSet: join(directory, STAGED_WRITE_SET),
    complete: join(directory, STAGED_COMPLETE),
  };
}

/** The target of a layer's short link, relative to `overlay2/l`. */
export function linkTarget(cacheId: CacheId): string {
  return `../${cacheId}/${OVERLAY_FILE.diff}`;
}
