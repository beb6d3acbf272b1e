/** The findings about layers, by what mends them. */
import type { FindingCode } from "../verify/finding.js";

/** Findings that a layer's content is the remedy for. */
export const OF_CONTENT: ReadonlySet<FindingCode> = new Set<FindingCode>([
  "LAYER_MISSING",
  "OVERLAY_MISSING",
  "TREE_DAMAGED",
  "TREE_DIFFERS",
  "TAR_SPLIT_DAMAGED",
  "TAR_SPLIT_WRONG",
]);
/** Those of them that say that files are not those of the layer. */
export const OF_TREE: ReadonlySet<FindingCode> = new Set<FindingCode>([
  "TREE_DAMAGED",
  "TREE_DIFFERS",
]);
/** Those that are over as soon as all parts are there. */
export const OF_ABSENCE: ReadonlySet<FindingCode> = new Set<FindingCode>([
  "LAYER_MISSING",
  "OVERLAY_MISSING",
]);
/** Findings that small files are the remedy for. */
export const OF_SMALL_FILES: ReadonlySet<FindingCode> = new Set<FindingCode>([
  "LAYER_FILE_DAMAGED",
  "LAYER_SIZE_WRONG",
  "OVERLAY_LINK_DAMAGED",
  "OVERLAY_LOWER_DAMAGED",
  "OVERLAY_WORK_DAMAGED",
  "OVERLAY_COMMITTED_DAMAGED",
]);

/** Findings that say that the archive record is not the layer's. */
export const OF_RECORD: ReadonlySet<FindingCode> = new Set<FindingCode>([
  "TAR_SPLIT_DAMAGED",
  "TAR_SPLIT_WRONG",
]);
