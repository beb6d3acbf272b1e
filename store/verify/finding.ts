/** What a check of a data root finds: each kind with a stable code, what it means, and what can be done. */
import type { CacheId, ChainId, ImageId } from "../digest.js";

/**
 * What mends a finding. `refetch`: the layer's blob, from where it came from.
 * `derive`: it follows from what else is there. `remove`: nothing needs it, and
 * it goes if the user agrees. `none`: what is lost is nowhere else.
 */
export type Remedy = "refetch" | "derive" | "remove" | "none";

export interface FindingKind {
  readonly remedy: Remedy;
  /** What it means for who uses the root; one sentence. */
  readonly meaning: string;
}

/** Stable: programs match them. */
export type FindingCode =
  | "CONFIG_DAMAGED"
  | "CONFIG_MISSING"
  | "CONFIG_MODE"
  | "METADATA_DAMAGED"
  | "LAYER_MISSING"
  | "LAYER_FILE_DAMAGED"
  | "LAYER_SIZE_WRONG"
  | "LAYER_MODE"
  | "LAYER_ORPHAN"
  | "LAYER_LEFTOVER"
  | "TAR_SPLIT_DAMAGED"
  | "TAR_SPLIT_WRONG"
  | "OVERLAY_MISSING"
  | "OVERLAY_ORPHAN"
  | "OVERLAY_LEFTOVER"
  | "OVERLAY_LINK_DAMAGED"
  | "OVERLAY_LINK_STRAY"
  | "OVERLAY_LOWER_DAMAGED"
  | "OVERLAY_COMMITTED_MISSING"
  | "OVERLAY_WORK_MISSING"
  | "OVERLAY_MODE"
  | "TREE_DAMAGED"
  | "DISTRIBUTION_DAMAGED"
  | "DISTRIBUTION_MISSING"
  | "REPOSITORIES_DAMAGED"
  | "REPOSITORIES_MISSING"
  | "REPOSITORIES_FORM"
  | "REPOSITORY_NAME_WRONG"
  | "FOREIGN_FILE"
  | "DOWNLOAD_LEFTOVER";

/** All kinds. */
export const FINDING_KINDS: Readonly<Record<FindingCode, FindingKind>> = {
  CONFIG_DAMAGED: {
    remedy: "refetch",
    meaning: "dockerd does not show the image",
  },
  CONFIG_MISSING: {
    remedy: "refetch",
    meaning: "the name leads nowhere, and docker rmi cannot remove it",
  },
  CONFIG_MODE: {
    remedy: "derive",
    meaning: "others than the owner may read it, or it may be written",
  },
  METADATA_DAMAGED: {
    remedy: "derive",
    meaning: "docker cannot remove the image",
  },
  LAYER_MISSING: {
    remedy: "refetch",
    meaning: "dockerd does not show the images that need the layer",
  },
  LAYER_FILE_DAMAGED: {
    remedy: "derive",
    meaning: "dockerd does not load the layer, or mistakes it for another",
  },
  LAYER_SIZE_WRONG: { remedy: "derive", meaning: "docker shows a wrong size" },
  LAYER_MODE: {
    remedy: "derive",
    meaning: "others than the owner may read or write the layer's entry",
  },
  LAYER_ORPHAN: {
    remedy: "remove",
    meaning: "no image needs the layer, and dockerd never removes it",
  },
  LAYER_LEFTOVER: {
    remedy: "remove",
    meaning: "what an interrupted write left; nothing reads it",
  },
  TAR_SPLIT_DAMAGED: {
    remedy: "refetch",
    meaning: "the image runs, but docker save and push fail",
  },
  TAR_SPLIT_WRONG: {
    remedy: "refetch",
    meaning:
      "the archive's record does not fit the archive; docker save may still work",
  },
  OVERLAY_MISSING: {
    remedy: "refetch",
    meaning: "containers of the image do not start",
  },
  OVERLAY_ORPHAN: {
    remedy: "remove",
    meaning: "takes space; no layer refers to it, and dockerd never removes it",
  },
  OVERLAY_LEFTOVER: {
    remedy: "remove",
    meaning: "what an interrupted mount or write left; nothing reads it",
  },
  OVERLAY_LINK_DAMAGED: {
    remedy: "derive",
    meaning: "containers of the images above do not start",
  },
  OVERLAY_LINK_STRAY: {
    remedy: "remove",
    meaning: "leads nowhere; nothing uses it",
  },
  OVERLAY_LOWER_DAMAGED: {
    remedy: "derive",
    meaning: "containers do not start, or see wrong files",
  },
  OVERLAY_COMMITTED_MISSING: {
    remedy: "derive",
    meaning: "docker save may write into the layer",
  },
  OVERLAY_WORK_MISSING: {
    remedy: "derive",
    meaning: "the layer cannot be mounted for docker save",
  },
  OVERLAY_MODE: {
    remedy: "derive",
    meaning: "others than the owner may look into the layer, or docker cannot",
  },
  TREE_DAMAGED: {
    remedy: "refetch",
    meaning: "containers see other files than the image has",
  },
  DISTRIBUTION_DAMAGED: {
    remedy: "derive",
    meaning: "layers are downloaded again that are there",
  },
  DISTRIBUTION_MISSING: {
    remedy: "derive",
    meaning: "layers are downloaded again that are there",
  },
  REPOSITORIES_DAMAGED: {
    remedy: "none",
    meaning: "dockerd does not start; the images' names are in this file only",
  },
  REPOSITORIES_MISSING: {
    remedy: "none",
    meaning: "the images have no names; they were in this file only",
  },
  REPOSITORIES_FORM: {
    remedy: "derive",
    meaning: "harmless; dockerd would write it otherwise",
  },
  REPOSITORY_NAME_WRONG: {
    remedy: "derive",
    meaning: "docker cannot find or remove the name",
  },
  FOREIGN_FILE: {
    remedy: "none",
    meaning: "not part of the format; left alone",
  },
  DOWNLOAD_LEFTOVER: {
    remedy: "remove",
    meaning: "what an interrupted pull of dockerd left",
  },
};

export interface Finding {
  readonly code: FindingCode;
  /** Relative to the data root. */
  readonly path: string;
  /** What is wrong there, for people. */
  readonly message: string;
  /** The layer concerned. */
  readonly chainId?: ChainId;
  /** The directory in `overlay2` concerned. */
  readonly cacheId?: CacheId;
  /** The image concerned. */
  readonly imageId?: ImageId;
  /** Names (or short IDs) of the images that need what is wrong; none for what nothing needs. */
  readonly images: readonly string[];
}
