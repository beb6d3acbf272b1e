/** `tpull prefetch`: as a pull, with a report at its end. */
import type { PrefetchOptions, PrefetchResult } from "../prefetch/prefetch.js";
import type { Request } from "./args.js";
import type { CliContext } from "./context.js";
import type { Output } from "./output.js";
import {
  notStartedLine,
  reportDocument,
  reportText,
} from "./prefetch-report.js";
import { describeError, isInterruption } from "./report-error.js";
import type { Presentation } from "./settings.js";

export type PrefetchRequest = Extract<Request, { command: "prefetch" }>;

/**
 * How a prefetch shows its way: most of them are watched by nobody, so lines
 * for each layer are for those who ask for them.
 */
export function prefetchPresentation(
  { flags }: PrefetchRequest,
  chosen: Presentation,
): Presentation {
  if (flags.json) return flags.progress === "tty" ? chosen : "none";
  return chosen === "plain" && flags.progress !== "plain" ? "none" : chosen;
}

/** @returns the exit status: 0 when every image is there */
export async function runPrefetch(
  { images, requests, flags }: PrefetchRequest,
  {
    context,
    output,
    presentation,
    close,
    options,
  }: {
    context: CliContext;
    output: Output;
    presentation: Presentation;
    /** Ends what shows the run: the report follows. */
    close: () => void;
    /** As for a pull. */
    options: PrefetchOptions;
  },
): Promise<number> {
  const { prefetch } = await context.loadPrefetch();
  let known: PrefetchResult | undefined;
  let result: PrefetchResult;
  const table = (of: PrefetchResult): void => {
    if (presentation === "json" || presentation === "quiet") return;
    const { isTTY, columns } = context.stdout;
    output.out(reportText(of, isTTY ? columns : undefined));
  };
  try {
    result = await prefetch(requests ?? images, {
      ...options,
      ...(flags["keep-going"] ? { keepGoing: true } : {}),
      ...(flags.jitter === undefined ? {} : { jitterMs: flags.jitter }),
      onRunFailed: (result) => {
        known = result;
      },
    });
  } catch (error) {
    close();
    const report = describeError(error);
    if (known === undefined) throw error;
    if (flags.json) output.out(reportDocument(known, report));
    // Of other failures one line says it all: nothing was fetched.
    else if (isInterruption(report)) table(known);
    throw error;
  }
  close();
  if (presentation !== "json") output.err(notStartedLine(result));
  if (flags.json) output.out(reportDocument(result));
  else table(result);
  return result.images.length === result.results.length ? 0 : 1;
}
