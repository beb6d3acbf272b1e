/** What a check of a data root finds: each kind with a stable code, what it means, and what can be done. */
import type { CacheId, ChainId, ImageId } from "../digest.js";

/**
 * What mends a finding. `refetch`: the layer's blob (or the image's config),
 * from where it came from. `derive`: it follows from what else is there.
 * `remove`: nothing needs it, and it goes if the user agrees. `none`: what is
 * lost is nowhere else, or nothing is wrong with it.
 */
export type Remedy = "refetch" | "derive" | "remove" | "none";

export interface FindingKind {
  readonly remedy: Remedy;
  /** What it means for who uses the root; one sentence. */
  readonly meaning: string;
}

/** Stable: programs match them. */
export type FindingCode =
  | "REPOSITORIES_DAMAGED"
  | "REPOSITORIES_MISSING"
  | "CONFIG_DAMAGED"
  | "CONFIG_MISSING"
  | "CONFIG_UNUSABLE"
  | "LAYER_MISSING"
  | "LAYER_FILE_DAMAGED"
  | "OVERLAY_MISSING"
  | "OVERLAY_LINK_DAMAGED"
  | "OVERLAY_LOWER_DAMAGED"
  | "TREE_DAMAGED"
  | "TREE_DIFFERS"
  | "TAR_SPLIT_DAMAGED"
  | "TAR_SPLIT_WRONG"
  | "LAYER_IRREPRODUCIBLE"
  | "CONTAINER_DAMAGED"
  | "METADATA_DAMAGED"
  | "REPOSITORY_NAME_WRONG"
  | "OVERLAY_WORK_DAMAGED"
  | "OVERLAY_COMMITTED_DAMAGED"
  | "LAYER_SIZE_WRONG"
  | "STORE_DIRECTORY_MISSING"
  | "STORE_MODE"
  | "CONFIG_MODE"
  | "LAYER_MODE"
  | "OVERLAY_MODE"
  | "DISTRIBUTION_DAMAGED"
  | "DISTRIBUTION_MISSING"
  | "REPOSITORIES_FORM"
  | "LAYER_ORPHAN"
  | "OVERLAY_ORPHAN"
  | "METADATA_ORPHAN"
  | "LAYER_LEFTOVER"
  | "OVERLAY_LEFTOVER"
  | "OVERLAY_LINK_STRAY"
  | "TEMPORARY_LEFTOVER"
  | "DOWNLOAD_LEFTOVER"
  | "STAGING_LEFTOVER"
  | "BLOB_DAMAGED"
  | "HINT_DAMAGED"
  | "FOREIGN_FILE";

/**
 * All kinds, the gravest first: what dockerd fails at, what goes wrong later,
 * what only costs time, what only costs space.
 */
export const FINDING_KINDS: Readonly<Record<FindingCode, FindingKind>> = {
  REPOSITORIES_DAMAGED: {
    remedy: "none",
    meaning: "dockerd does not start; the images' names are in this file only",
  },
  REPOSITORIES_MISSING: {
    remedy: "none",
    meaning: "the images have no names; they were in this file only",
  },
  CONFIG_DAMAGED: {
    remedy: "refetch",
    meaning: "dockerd does not show the image",
  },
  CONFIG_MISSING: {
    remedy: "refetch",
    meaning: "the name leads nowhere, and docker rmi cannot remove it",
  },
  CONFIG_UNUSABLE: {
    remedy: "none",
    meaning: "dockerd cannot use the image; it was published like this",
  },
  LAYER_MISSING: {
    remedy: "refetch",
    meaning: "dockerd does not show the images that need the layer",
  },
  LAYER_FILE_DAMAGED: {
    remedy: "derive",
    meaning: "dockerd does not load the layer, or mistakes it for another",
  },
  OVERLAY_MISSING: {
    remedy: "refetch",
    meaning: "containers of the image do not start",
  },
  OVERLAY_LINK_DAMAGED: {
    remedy: "derive",
    meaning: "containers of the images above do not start",
  },
  OVERLAY_LOWER_DAMAGED: {
    remedy: "derive",
    meaning: "containers do not start, or see wrong files",
  },
  TREE_DAMAGED: {
    remedy: "refetch",
    meaning: "a file's content is lost: containers read something else",
  },
  TREE_DIFFERS: {
    remedy: "derive",
    meaning:
      "containers see other files, owners, modes or times than the image has",
  },
  TAR_SPLIT_DAMAGED: {
    remedy: "refetch",
    meaning: "the image runs, but docker save and push fail",
  },
  TAR_SPLIT_WRONG: {
    remedy: "refetch",
    meaning:
      "the archive's record does not fit the archive; docker save still works",
  },
  LAYER_IRREPRODUCIBLE: {
    remedy: "none",
    meaning:
      "the image runs, but docker save and push fail: dockerd cannot keep such an archive",
  },
  CONTAINER_DAMAGED: {
    remedy: "none",
    meaning: "docker cannot start the container, and perhaps not remove it",
  },
  METADATA_DAMAGED: {
    remedy: "derive",
    meaning: "docker may be unable to remove the image",
  },
  REPOSITORY_NAME_WRONG: {
    remedy: "derive",
    meaning: "docker cannot find or remove the name",
  },
  OVERLAY_WORK_DAMAGED: {
    remedy: "derive",
    meaning: "the layer cannot be mounted for docker save",
  },
  OVERLAY_COMMITTED_DAMAGED: {
    remedy: "derive",
    meaning: "docker save may write into the layer",
  },
  LAYER_SIZE_WRONG: { remedy: "derive", meaning: "docker shows a wrong size" },
  STORE_DIRECTORY_MISSING: {
    remedy: "derive",
    meaning: "dockerd makes it when it starts; what was in it is gone",
  },
  STORE_MODE: {
    remedy: "derive",
    meaning: "others may read or write what only dockerd should, or it cannot",
  },
  CONFIG_MODE: {
    remedy: "derive",
    meaning: "others may read or write the image's config, or dockerd cannot",
  },
  LAYER_MODE: {
    remedy: "derive",
    meaning: "others may read or write the layer's entry, or dockerd cannot",
  },
  OVERLAY_MODE: {
    remedy: "derive",
    meaning:
      "others may look into the layer or change it, or containers cannot read it",
  },
  DISTRIBUTION_DAMAGED: {
    remedy: "derive",
    meaning: "layers are downloaded again that are there",
  },
  DISTRIBUTION_MISSING: {
    remedy: "derive",
    meaning: "layers are downloaded again that are there",
  },
  REPOSITORIES_FORM: {
    remedy: "derive",
    meaning: "harmless; dockerd would write it otherwise",
  },
  LAYER_ORPHAN: {
    remedy: "remove",
    meaning:
      "takes space; no image needs the layer, and dockerd never removes it",
  },
  OVERLAY_ORPHAN: {
    remedy: "remove",
    meaning: "takes space; no layer refers to it, and dockerd never removes it",
  },
  METADATA_ORPHAN: {
    remedy: "remove",
    meaning: "docker's notes on an image that is not there",
  },
  LAYER_LEFTOVER: {
    remedy: "remove",
    meaning: "what an interrupted write or removal left; nothing reads it",
  },
  OVERLAY_LEFTOVER: {
    remedy: "remove",
    meaning: "what an interrupted mount or write left; nothing reads it",
  },
  OVERLAY_LINK_STRAY: {
    remedy: "remove",
    meaning: "leads to no layer; nothing uses it",
  },
  TEMPORARY_LEFTOVER: {
    remedy: "remove",
    meaning: "a file that was not written to its end; nothing reads it",
  },
  DOWNLOAD_LEFTOVER: {
    remedy: "remove",
    meaning: "what an interrupted pull or build of dockerd left",
  },
  STAGING_LEFTOVER: {
    remedy: "remove",
    meaning:
      "a layer that an interrupted tpull did not finish; the next pull removes it, too",
  },
  BLOB_DAMAGED: {
    remedy: "remove",
    meaning:
      "a kept blob is not what its registry served; once it is removed, 'tpull pull --keep-blobs' fetches it",
  },
  HINT_DAMAGED: {
    remedy: "remove",
    meaning: "a note of tpull that counts as absent",
  },
  FOREIGN_FILE: {
    remedy: "none",
    meaning: "not part of the format; left alone, and no reason to worry",
  },
};

/** All codes, the gravest first. */
export const FINDING_CODES: readonly FindingCode[] = Object.keys(
  FINDING_KINDS,
) as FindingCode[];

export interface Finding {
  readonly code: FindingCode;
  /**
   * Relative to the data root: what is damaged, or would be there if it were
   * not missing. Bytes of a name that are not UTF-8 show as `\xNN`.
   */
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

/** Whether a root with this finding is not sound: true but for files that merely are not part of the format. */
export function isDamage({ code }: Pick<Finding, "code">): boolean {
  return code !== "FOREIGN_FILE";
}
