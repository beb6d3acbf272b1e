/** What `tpull prune` prints: docker's own words for images, and the like for the rest. */
import type { Leftover } from "../../../store/manage/leftovers.js";
import type { Pruned } from "../../../store/manage/prune.js";
import { humanSize } from "../format/units.js";
import { oneLine } from "../terminal-text.js";

/** Significant digits of sizes where docker adds them up. */
const DIGITS = 4;

/** @param dryRun whether it is only what would go */
export function prunedText(pruned: Pruned, dryRun: boolean): string {
  const { images, leftovers, freedBytes } = pruned;
  const blocks: string[] = [];
  if (images.length > 0) {
    const lines = images.flatMap(({ untagged, deleted }) => [
      ...untagged.map((name) => `untagged: ${oneLine(name)}\n`),
      ...deleted.map((id) => `deleted: ${id}\n`),
    ]);
    const title = dryRun ? "Images to delete" : "Deleted Images";
    blocks.push(`${title}:\n${lines.join("")}\n`);
  }
  if (leftovers.length > 0) {
    const title = dryRun ? "Leftovers to delete" : "Deleted Leftovers";
    const lines = leftovers.map(leftoverLine);
    blocks.push(`${title}:\n${lines.join("")}\n`);
  }
  const total = dryRun ? "Total reclaimable space" : "Total reclaimed space";
  blocks.push(`${total}: ${humanSize(freedBytes, DIGITS)}\n`);
  return blocks.join("");
}

function leftoverLine(leftover: Leftover): string {
  const id = idOf(leftover);
  return `${leftover.kind}: ${id} (${humanSize(leftover.bytes, DIGITS)})\n`;
}

/** A line for each image, layer or blob that is gone, except layers that went with an image. */
export function prunedIds({ images, leftovers }: Pruned): string {
  const ids = [
    ...images.flatMap(({ deleted }) => deleted.slice(0, 1)),
    ...leftovers.map(idOf),
  ];
  return ids.map((id) => `${id}\n`).join("");
}

function idOf(leftover: Leftover): string {
  return leftover.kind === "layer" ? leftover.chainId : leftover.digest;
}
