/** `tpull plan IMAGE...` */
import {
  type Plan,
  type PlannedDisk,
  type PlannedImage,
  plan,
} from "../../plan/plan.js";
import { formatBytes } from "../bars/units.js";
import { errorText } from "../report-error.js";
import { oneLine } from "../terminal-text.js";
import { limitLine } from "../transcript.js";
import { jsonDocument, type Answer } from "./answer.js";

export const answerPlan: Answer = async ({
  images,
  requests,
  flags,
  query,
  output,
  root,
}) => {
  const made = await plan(requests ?? images, {
    ...query,
    root: root(),
    ...(flags.platform === undefined ? {} : { platform: flags.platform }),
    ...(flags["all-tags"] ? { allTags: true } : {}),
  });
  if (flags.json) output.out(jsonDocument(made));
  else {
    if (made.images.length > 0) output.out(planText(made));
    for (const { error, reference, target } of made.failures) {
      output.err(errorText(error, reference, target));
    }
  }
  return made.failures.length > 0 || made.disk.fits === "no" ? 1 : 0;
};

/** The table of the images, and below it what they come to. */
export function planText(made: Plan): string {
  const table = columns([
    ["IMAGE", "PLATFORM", "LAYERS", "PRESENT", "TO FETCH"],
    ...made.images.map(imageRow),
  ]);
  const facts = columns(factRows(made));
  return `${table}\n${facts}`;
}

function imageRow(image: PlannedImage): string[] {
  const { layers } = image;
  const fetched = layers.filter(({ source }) => source === "fetched").length;
  const present = layers.filter(({ source }) => source === "present").length;
  const others = layers.length - fetched - present;
  return [
    oneLine(image.reference),
    oneLine(image.target ?? image.platform),
    String(layers.length),
    others === 0 ? String(present) : `${present} (+${others} shared)`,
    image.status === "up-to-date"
      ? "up to date"
      : `${formatBytes(image.bytesToFetch)} in ${fetched} ${fetched === 1 ? "layer" : "layers"}`,
  ];
}

function factRows(made: Plan): string[][] {
  const { disk, rateLimits } = made;
  const { estimatedBytes, estimatedInodes, freeBytes, freeInodes } = disk;
  const sources = Object.entries(made.bytesByRegistry)
    .filter(([, bytes]) => bytes > 0)
    .map(([host, bytes]) => `${formatBytes(bytes)} from ${oneLine(host)}`);
  const rows = [
    ["To fetch:", sources.length === 0 ? "nothing" : sources.join(", ")],
    ["Requests:", `${made.requests}, without those for tokens`],
  ];
  if (made.hubPulls > 0) {
    rows.push(["Docker Hub:", `counts ${made.hubPulls} pulls for it`]);
  }
  for (const limit of rateLimits) {
    rows.push([
      "Limit:",
      limitLine({ type: "ratelimit", ...limit }).replace(/^tpull: /, ""),
    ]);
  }
  if (made.layersToFetch > 0 || estimatedBytes > 0) {
    const inodes =
      freeInodes === undefined
        ? ""
        : `; ${estimatedInodes} of ${freeInodes} free inodes`;
    rows.push([
      "Disk:",
      `about ${formatBytes(estimatedBytes)} of ${formatBytes(freeBytes)} free${inodes} (a cautious estimate)`,
    ]);
  }
  if (disk.fits === "no") {
    rows.push([
      "",
      `it does not fit: at least ${neededText(disk)} are needed in ${oneLine(disk.root)}`,
    ]);
  } else if (disk.fits === "tight") {
    rows.push(["", tightText(disk)]);
  }
  return rows;
}

/** What is short in any case. */
function neededText({
  certainBytes,
  certainInodes,
  freeBytes,
}: PlannedDisk): string {
  return certainBytes > freeBytes
    ? formatBytes(certainBytes)
    : `${certainInodes} inodes`;
}

/** What may be short. */
function tightText({
  estimatedBytes,
  estimatedInodes,
  freeBytes,
  freeInodes = Infinity,
}: PlannedDisk): string {
  const short = [
    ...(estimatedBytes > freeBytes ? ["bytes"] : []),
    ...(estimatedInodes > freeInodes ? ["inodes"] : []),
  ];
  return `it may not fit: there may be too few ${short.join(" and ")}`;
}

/** Left-aligned columns, two spaces apart. */
function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) {
      widths[at] = Math.max(widths[at] ?? 0, cell.length);
    }
  }
  return rows
    .map((row) => {
      const cells = row.map((cell, at) => cell.padEnd(widths[at] ?? 0));
      return `${cells.join("  ").trimEnd()}\n`;
    })
    .join("");
}
