/** `tpull bundle` */
import { fstatSync } from "node:fs";
import { type ByteSink, TpullError } from "../../../store/index.js";
import { bundleImages } from "../../bundle/bundle.js";
import { keptParts } from "../../bundle/kept.js";
import type { BundleResult } from "../../bundle/types.js";
import { USAGE } from "../args.js";
import { formatBytes } from "../bars/units.js";
import { requestsOf } from "../listed-images.js";
import { describeError, exitStatus, stackLines } from "../report-error.js";
import { wantsStack } from "../settings.js";
import { STOPPED } from "../signals.js";
import { oneLine } from "../terminal-text.js";
import { type Answer, type AnswerContext, jsonDocument } from "./answer.js";
import { type BundleProgress, showBundle } from "./bundle-progress.js";

const STDOUT_FD = 1;
/** What the system calls standard output. */
const STDOUT = new Set(["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]);

export const answerBundle: Answer = async (context) => {
  const { images, flags, output, env } = context;
  const { output: to } = flags;
  if (to === undefined) {
    throw new TpullError(USAGE, "no place for the bundle: name it with -o");
  }
  const isStdout = STDOUT.has(to);
  if (isStdout) requireFreeStdout(context);
  const requests = await requestsOf(images, flags, context);
  if (requests.length === 0) throw new TpullError(USAGE, "no image is named");
  const progress = await showBundle(context, isStdout);
  let result: BundleResult;
  try {
    const place = isStdout ? ownStdout(context) : to;
    result = await bundleImages(requests, place, options(context, progress));
  } catch (error) {
    progress.close();
    const report = describeError(error);
    if (isStdout && report.details?.["errno"] === "EPIPE") {
      return STOPPED.SIGPIPE;
    }
    progress.fail(report);
    if (wantsStack(env)) output.err(stackLines(error));
    if (!isStdout) tellKept(to, context);
    return exitStatus(report);
  } finally {
    progress.close();
  }
  return tellResult(result, isStdout ? undefined : to, progress, context);
};

/** @throws TpullError for what cannot be on standard output, or not with a bundle */
function requireFreeStdout({ flags, isTTY }: AnswerContext): void {
  if (isTTY) {
    throw new TpullError(
      USAGE,
      "a bundle would not look well on a terminal: name a file with -o, or redirect the output",
    );
  }
  for (const option of ["json", "checksum"] as const) {
    if (flags[option] === undefined) continue;
    throw new TpullError(
      USAGE,
      `--${option} needs a file or a directory: standard output takes the bundle`,
    );
  }
}

/**
 * Where a bundle for standard output is written to. Node writes to a pipe as if
 * it were a file, so that nothing else goes on, no signal either, while nobody
 * reads from it: a pipe is opened anew, by its name.
 */
function ownStdout({ output }: AnswerContext): string | ByteSink {
  if (fstatSync(STDOUT_FD).isFIFO()) return `/proc/self/fd/${STDOUT_FD}`;
  return { write: (bytes) => output.pour(bytes) };
}

function options(
  { flags, query }: AnswerContext,
  { onEvent }: BundleProgress,
): Parameters<typeof bundleImages>[2] {
  const { platform, concurrency, have, base, checksum } = flags;
  return {
    ...query,
    onEvent,
    ...(platform === undefined ? {} : { platform }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(have === undefined ? {} : { have }),
    ...(base === undefined ? {} : { base }),
    ...(checksum === undefined ? {} : { checksum }),
  };
}

/** Who stops a bundle should know that it was not for nothing, and where that is. */
function tellKept(to: string, { output }: AnswerContext): void {
  const kept = keptParts(to);
  if (kept === undefined) return;
  output.err(
    `tpull: ${formatBytes(kept.bytes)} are kept in ${oneLine(kept.path)}; the same command goes on there\n`,
  );
}

/** @param to undefined for standard output */
function tellResult(
  result: BundleResult,
  to: string | undefined,
  progress: BundleProgress,
  { flags, output }: AnswerContext,
): number {
  const { failures } = result;
  for (const { error, reference, target } of failures) {
    progress.failImage(error, reference, target);
  }
  if (failures.length > 0) {
    const count =
      failures.length === 1 ? "an image" : `${failures.length} images`;
    output.err(`tpull: nothing was written, since ${count} failed\n`);
  }
  if (flags.json) output.out(jsonDocument(result));
  else if (progress.asEvents) progress.end(result);
  else if (!flags.quiet && failures.length === 0) {
    if (to === undefined) output.err(bundleText(result, "standard output"));
    else output.out(bundleText(result, to));
  }
  return failures.length > 0 ? 1 : 0;
}

/** A line for each image, and what they come to. */
export function bundleText(
  { images, bytes, bytesFetched, bytesLeftOut }: BundleResult,
  to: string,
): string {
  const lines = images.map(({ canonicalName, platform, digest, layers }) => {
    const count = (source: string): number =>
      layers.filter((layer) => layer.source === source).length;
    const parts = [
      `${count("fetched")} fetched`,
      ...(count("present") > 0 ? [`${count("present")} present`] : []),
      ...(count("left-out") > 0 ? [`${count("left-out")} left out`] : []),
    ];
    return `${oneLine(canonicalName)} (${platform}): ${digest}, layers: ${parts.join(", ")}`;
  });
  const left =
    bytesLeftOut > 0 ? `, ${formatBytes(bytesLeftOut)} left out` : "";
  lines.push(
    `Bundle: ${oneLine(to)}, ${formatBytes(bytes)}, of which ${formatBytes(bytesFetched)} fetched${left}`,
  );
  return `${lines.join("\n")}\n`;
}
