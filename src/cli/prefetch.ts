/** `tpull prefetch`: as a pull, with a report at its end. */
import type { PrefetchOptions } from "../prefetch/prefetch.js";
import type { Request } from "./args.js";
import type { CliContext } from "./context.js";
import type { Output } from "./output.js";
import {
  notStartedLine,
  reportDocument,
  reportText,
} from "./prefetch-report.js";
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
  const result = await prefetch(requests ?? images, {
    ...options,
    ...(flags["keep-going"] ? { keepGoing: true } : {}),
    ...(flags.jitter === undefined ? {} : { jitterMs: flags.jitter }),
  });
  close();
  if (presentation !== "json") output.err(notStartedLine(result));
  if (flags.json) output.out(reportDocument(result));
  else if (presentation !== "json" && presentation !== "quiet") {
    const { isTTY, columns } = context.stdout;
    output.out(reportText(result, isTTY ? columns : undefined));
  }
  return result.images.length === result.results.length ? 0 : 1;
}
