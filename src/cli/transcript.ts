/**
 * The sentences of a pull. Those for stdout are docker's own, to the letter;
 * the notices for stderr are ours.
 */
import { shortId, type Digest } from "../../store/digest.js";
import type { PullEvent, PullResult } from "../events.js";
import { formatBytes, formatDuration } from "./bars/units.js";
import { humanSize } from "./format/units.js";
import { bareReference } from "./report-error.js";
import { oneLine } from "./terminal-text.js";

type Of<Type extends PullEvent["type"]> = Extract<PullEvent, { type: Type }>;
export type Notice = Of<"retry"> | Of<"wait"> | Of<"warning">;

/** `latest: Pulling from library/nginx` */
export function headerLine({ tagOrDigest, repository }: Of<"pulling">): string {
  return oneLine(`${tagOrDigest}: Pulling from ${repository}`);
}

/** A layer's last line, if `state` is a last state. */
export function layerLine(
  digest: Digest,
  state: Of<"layer">["state"],
): string | undefined {
  if (state === "complete") return `${shortId(digest)}: Pull complete`;
  if (state === "exists") return `${shortId(digest)}: Already exists`;
  return undefined;
}

export function resultLines(result: PullResult): string[] {
  if (result.loaded !== undefined) return loadedLines(result);
  const status =
    result.status === "downloaded"
      ? "Downloaded newer image for"
      : "Image is up to date for";
  return [
    ...(result.target === undefined
      ? []
      : [`Platform: ${oneLine(result.target)}`]),
    ...(result.keptBlobs === undefined ? [] : [keptLine(result.keptBlobs)]),
    `Digest: ${result.digest}`,
    `Status: ${status} ${oneLine(result.familiarName)}`,
    nameLine(result),
  ];
}

/** `Kept blobs: 7, 37.9MB`, and how many of them were fetched for nothing else. */
function keptLine({
  blobs,
  bytes,
  fetched,
  missing,
}: NonNullable<PullResult["keptBlobs"]>): string {
  const kept = blobs - missing.length;
  const count = missing.length === 0 ? `${kept}` : `${kept} of ${blobs}`;
  const again = fetched === 0 ? "" : ` (${fetched} fetched for it)`;
  return `Kept blobs: ${count}, ${humanSize(bytes, 4)}${again}`;
}

/** docker's lines for an image from an archive: one for each name, or one with the ID where it has none. */
function loadedLines({ loaded, imageId }: PullResult): string[] {
  const names = loaded?.names ?? [];
  return names.length === 0
    ? [`Loaded image ID: ${imageId}`]
    : names.map((name) => oneLine(`Loaded image: ${name}`));
}

export function nameLine(result: PullResult): string {
  return oneLine(result.canonicalName);
}

/** Below this part of a limit people are told what is left of it. */
const LOW_SHARE = 0.2;

/** Whether the pulls that are left are few enough to speak of. */
export function isLow({ limit, remaining }: Of<"ratelimit">): boolean {
  return remaining < limit * LOW_SHARE;
}

/** A line for stderr about the pulls that are left. */
export function limitLine({
  registry,
  limit,
  remaining,
  windowSeconds,
  source,
}: Of<"ratelimit">): string {
  const hours = windowSeconds === undefined ? 0 : windowSeconds / 3600;
  const window = hours > 0 ? ` in ${Number(hours.toFixed(1))} h` : "";
  const whose = source === undefined ? "" : ` for ${oneLine(source)}`;
  return `tpull: ${oneLine(registry)}: ${remaining} of ${limit} pulls${window} are left${whose}`;
}

/** A line for stderr about a run that begins later. */
export function delayLine({ delayMs, mostMs }: Of<"delay">): string {
  const [delay, most] = [delayMs, mostMs].map((ms) =>
    formatDuration(ms / 1000),
  );
  return `tpull: waiting for ${delay} of ${most}, this machine's part`;
}

/** A line for stderr about what is going to be fetched. */
export function planLine(event: Of<"plan">): string {
  const { images, toFetch, layersToFetch, bytesToFetch } = event;
  if (toFetch === 0) return "tpull: nothing to fetch";
  const layers = layersToFetch === 1 ? "layer" : "layers";
  return `tpull: ${toFetch} of ${images} ${images === 1 ? "image" : "images"} to fetch: ${formatBytes(bytesToFetch)} in ${layersToFetch} ${layers}`;
}

/** A line for stderr about something on the way that is no failure. */
export function noticeLine(notice: Notice): string {
  const { image, target } = notice;
  const subject = image === undefined ? "" : `${bareReference(image)}: `;
  const which = target === undefined ? "" : `${oneLine(target)}: `;
  return `tpull: ${subject}${which}${noticeText(notice)}`;
}

function noticeText(notice: Notice): string {
  switch (notice.type) {
    case "wait":
      return `waiting: ${oneLine(notice.reason)}`;
    case "warning":
      return `warning: ${oneLine(notice.message)} (${oneLine(notice.code)})`;
    case "retry": {
      const layer =
        notice.digest === undefined ? "" : `${shortId(notice.digest)}: `;
      const seconds = Math.ceil(notice.delayMs / 1000);
      return `${layer}${oneLine(notice.reason)}; retry ${notice.attempt} in ${seconds} s`;
    }
  }
}
