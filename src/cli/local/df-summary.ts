/** The table of `tpull df`: docker's four rows, and below them what docker does not see. */
import type {
  DiskUsage,
  UsageKind,
  UsageTotal,
} from "../../../store/survey/disk-report.js";
import type { Column, Row } from "../format/rows.js";
import { humanSize } from "../format/units.js";

/** docker's columns. */
export const DF_COLUMNS: readonly Column[] = [
  { field: "Type", header: "TYPE" },
  { field: "TotalCount", header: "TOTAL" },
  { field: "Active", header: "ACTIVE" },
  { field: "Size", header: "SIZE" },
  { field: "Reclaimable", header: "RECLAIMABLE" },
];

/** docker's word `raw` for one fact a line. It is deprecated there, but still in use. */
export const RAW_SUMMARY: string = [
  "type: {{.Type}}",
  "total: {{.TotalCount}}",
  "active: {{.Active}}",
  "size: {{.Size}}",
  "reclaimable: {{.Reclaimable}}",
  "",
].join("\n");

const KINDS: readonly (readonly [kind: UsageKind, name: string])[] = [
  ["images", "Images"],
  ["containers", "Containers"],
  ["volumes", "Local Volumes"],
  ["buildCache", "Build Cache"],
  ["partialBlobs", "Partial Blobs"],
  ["unfinishedLayers", "Unfinished Layers"],
  ["leftovers", "Leftovers"],
  ["keptBlobs", "Kept Blobs"],
  ["manifests", "Kept Manifests"],
];

export function summaryRows({ totals }: DiskUsage): Row[] {
  return KINDS.map(([kind, name]) => {
    const total = totals[kind];
    return {
      Type: name,
      TotalCount: String(total.count),
      Active: String(total.active),
      Size: detailed(total.size),
      Reclaimable: reclaimable(kind, total),
    };
  });
}

/** docker says the share of everything but the build cache. */
function reclaimable(
  kind: UsageKind,
  { size, reclaimable }: UsageTotal,
): string {
  if (size === 0 || kind === "buildCache") return detailed(reclaimable);
  const percent = Math.trunc((reclaimable * 100) / size);
  return `${detailed(reclaimable)} (${percent}%)`;
}

/** Sums have four digits with docker. */
function detailed(bytes: number): string {
  return humanSize(bytes, 4);
}
