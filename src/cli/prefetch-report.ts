/** What a prefetch has done, for people and for programs. */
import type { PrefetchResult } from "../prefetch/prefetch.js";
import type { PrefetchedImage } from "../events.js";
import { formatBytes, formatDuration } from "./bars/units.js";
import { textWidth } from "./format/width.js";
import {
  bareReference,
  type ErrorReport,
  isInterruption,
} from "./report-error.js";
import { oneLine } from "./terminal-text.js";

/** Raised when a field changes meaning or goes away; new fields do not raise it. */
const REPORT_SCHEMA = 1;
const HEADER = ["IMAGE", "STATUS", "FETCHED", "REUSED", "TIME"];
const GAP = 2;
/** Names are not cut below this. */
const LEAST_NAME = 16;

const STATUS: Readonly<Record<PrefetchedImage["status"], string>> = {
  fetched: "fetched",
  "up-to-date": "up to date",
  failed: "failed",
  "not-started": "not started",
};

/** An image that was under way at Ctrl-C has not failed for a person. */
const INTERRUPTED = "stopped";
const WORDS = [...Object.values(STATUS), INTERRUPTED];

function wordOf({ status, error }: PrefetchedImage): string {
  const isStopped = error !== undefined && isInterruption(error);
  return isStopped ? INTERRUPTED : STATUS[status];
}

/**
 * The report as one JSON document.
 * @param error why the run as a whole has failed, if it has
 */
export function reportDocument(
  { images, bytesFetched, durationMs }: PrefetchResult,
  error?: ErrorReport,
): string {
  const document = {
    schema: REPORT_SCHEMA,
    ...(error === undefined ? {} : { error }),
    ...counts(images),
    bytesFetched,
    durationMs,
    images,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function counts(images: readonly PrefetchedImage[]): {
  fetched: number;
  upToDate: number;
  failed: number;
  notStarted: number;
} {
  const count = (wanted: PrefetchedImage["status"]): number =>
    images.filter(({ status }) => status === wanted).length;
  return {
    fetched: count("fetched"),
    upToDate: count("up-to-date"),
    failed: count("failed"),
    notStarted: count("not-started"),
  };
}

/**
 * A table of the images, and a line of what they come to.
 * @param columns of the terminal, to which names are cut; undefined where there is none
 */
export function reportText(
  result: PrefetchResult,
  columns: number | undefined,
): string {
  const { images, bytesFetched, durationMs } = result;
  const rows = [HEADER, ...images.map(rowOf)];
  const widths = HEADER.map((_, at) =>
    Math.max(...rows.map((row) => textWidth(row[at] ?? ""))),
  );
  const others = widths.slice(1).reduce((sum, width) => sum + GAP + width, 0);
  const room = Math.max(LEAST_NAME, (columns ?? Infinity) - others);
  const name = Math.min(widths[0] ?? 0, room);
  const lines = rows.map(([image = "", ...cells]) => {
    const first = withoutMiddle(image, name);
    const padded = [first, ...cells].map((cell, at) => {
      const width = at === 0 ? name : (widths[at] ?? 0);
      return cell + " ".repeat(Math.max(0, width - textWidth(cell)));
    });
    return padded.join(" ".repeat(GAP)).trimEnd();
  });
  const parts = WORDS.flatMap((word) => {
    const count = images.filter((image) => wordOf(image) === word).length;
    return count > 0 ? [`${count} ${word}`] : [];
  });
  const total = `${imageCount(images.length)}: ${parts.join(", ")}; ${formatBytes(bytesFetched)} in ${spent(durationMs)}`;
  return `${[...lines, "", total].join("\n")}\n`;
}

/** What to say of images that were left because of another one; nothing where there are none. */
export function notStartedLine({ images, failures }: PrefetchResult): string {
  const { notStarted } = counts(images);
  if (notStarted === 0) return "";
  const were = notStarted === 1 ? "was" : "were";
  // No image failed for itself: there is nothing to go on with.
  const isTimeUp =
    failures.length > 0 &&
    failures.every(({ error }) => error.code === "TIMEOUT");
  const advice = isTimeUp
    ? "the same prefetch goes on there"
    : "--keep-going fetches what it can";
  return `tpull: ${imageCount(notStarted)} ${were} not started because of that; ${advice}\n`;
}

function imageCount(count: number): string {
  return count === 1 ? "1 image" : `${count} images`;
}

function rowOf(image: PrefetchedImage): string[] {
  const { target, bytesFetched, bytesReused, durationMs } = image;
  const name = bareReference(image.reference);
  return [
    target === undefined ? name : `${name} (${oneLine(target)})`,
    wordOf(image),
    formatBytes(bytesFetched),
    bytesReused === undefined ? "-" : formatBytes(bytesReused),
    spent(durationMs),
  ];
}

/** `12ms`, `3.4s`, `3m05s` */
function spent(milliseconds: number): string {
  if (milliseconds < 1000) return `${milliseconds}ms`;
  const seconds = milliseconds / 1000;
  return seconds < 9.95
    ? `${seconds.toFixed(1)}s`
    : formatDuration(Math.round(seconds));
}

/** The text, with `…` in it where it has more columns: host and tag say the most. */
function withoutMiddle(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  const head = Math.floor((columns - 1) / 3);
  // A reference that is shown has no wide characters.
  return `${text.slice(0, head)}…${text.slice(text.length - (columns - 1 - head))}`;
}
