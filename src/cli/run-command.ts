/** The commands that pull: options to settings, events to a renderer, outcome to an exit status. */
import type { FailedPull, OnEvent } from "../events.js";
import type { PullOptions } from "../pull-session.js";
import { TpullError } from "../../store/errors.js";
import { USAGE, type Request } from "./args.js";
import type { CliContext } from "./context.js";
import { openOutput, type Output } from "./output.js";
import type { PrefetchRequest } from "./prefetch.js";
import type { Flags } from "./options.js";
import { createRenderer, type Renderer } from "./renderer.js";
import { describeError, exitStatus, stackLines } from "./report-error.js";
import { recordRun, type RunRecord } from "./run-record.js";
import {
  choosePresentation,
  keepBlobs,
  type Presentation,
  queryOptions,
  resolveRoot,
  wantsStack,
} from "./settings.js";
import {
  LAST_WORDS,
  listenForSignals,
  STOPPED,
  type StopSwitch,
} from "./signals.js";
import { afterWriting } from "./whole-output.js";

type RunRequest = Extract<
  Request,
  { command: "pull" | "prefetch" | "load" | "demo" }
>;
type PullRequest = Extract<Request, { command: "pull" }>;

/** One run of a command: all that its parts share. */
interface Run {
  context: CliContext;
  output: Output;
  presentation: Presentation;
  stop: StopSwitch;
  renderer: Renderer;
  record: RunRecord;
  /** For the renderer and the record. */
  onEvent: OnEvent;
  /** For what a command says besides its events; nothing but events goes between JSON lines. */
  write(text: string): void;
}

/**
 * Runs `pull`, `prefetch`, `load` or `demo`.
 * @returns the exit status: 0, 1 when something failed, or 128 + signal
 */
export async function runCommand(
  request: RunRequest,
  context: CliContext,
): Promise<number> {
  let tidyUp = (): void => {};
  using stop = listenForSignals(context.signals, (status) => {
    tidyUp();
    context.exit(status);
  });
  const output = openOutput(context.stdout, context.stderr, () =>
    stop.stop("SIGPIPE"),
  );
  const images = "images" in request ? request.images : [];
  const presentation = await presentationOf(request, context);
  const renderer = await createRenderer(presentation, {
    images: isSeveral(request) ? [] : images,
    output: hasOwnReport(request, presentation)
      ? { ...output, out: () => {} }
      : output,
    stderr: context.stderr,
    fromArchive: request.command === "load",
    now: context.now,
  });
  tidyUp = renderer.close;
  const record = recordRun(images, context.now);
  const onEvent: OnEvent = (event) => {
    record.onEvent(event);
    renderer.onEvent(event);
    if (event.type === "summary" && event.pulled > 0) {
      context.hasWorked?.(event.bytesFetched > 0);
    }
  };
  const write = (text: string): void => {
    if (presentation !== "json") output.out(text);
  };
  const run: Run = {
    context,
    output,
    presentation,
    stop,
    renderer,
    record,
    onEvent,
    write,
  };
  const status = await statusOf(request, run);
  return afterWriting(output, status);
}

/** What a load says on the way is for those who watch: like docker's, its transcript is its results. */
async function presentationOf(
  request: RunRequest,
  context: CliContext,
): Promise<Presentation> {
  const { command, flags } = request;
  const chosen = choosePresentation(flags, context.env, {
    stdoutIsTTY: context.stdout.isTTY === true,
    stderrIsTTY: context.stderr.isTTY === true,
  });
  if (command === "prefetch") {
    const { prefetchPresentation } = await import("./prefetch.js");
    return prefetchPresentation(request, chosen);
  }
  if (flags.json) return "none";
  return command === "load" && chosen === "plain" ? "none" : chosen;
}

/** Whether stdout is for what the command says at its end, and not for results as they come. */
function hasOwnReport(
  { command, flags }: RunRequest,
  presentation: Presentation,
): boolean {
  if (command === "prefetch") {
    return presentation !== "plain" && presentation !== "json";
  }
  return command === "load" && flags.json === true;
}

async function statusOf(request: RunRequest, run: Run): Promise<number> {
  let status: number;
  try {
    switch (request.command) {
      case "pull":
        status = await pull(request, run);
        break;
      case "prefetch":
        status = await prefetch(request, run);
        break;
      case "load":
        status = await load(request.flags, run);
        break;
      case "demo":
        status = await demo(request.flags, run);
    }
  } catch (error) {
    status = reportRunFailure(error, run);
  } finally {
    run.renderer.close();
  }
  const reason = run.stop.reason();
  if (status === 0 || reason === undefined) return status;
  run.output.err(LAST_WORDS[reason]);
  if ("images" in request) await tellKept(request, run);
  return STOPPED[reason];
}

/** Who stops a pull should know that it was not for nothing. */
async function tellKept(
  { command, flags }: RunRequest,
  run: Run,
): Promise<void> {
  const { context, output } = run;
  const { listPartials } = await import("../../store/index.js");
  const partials = listPartials(
    resolveRoot(flags.root, context.env, context.user()),
  );
  const bytes = partials.reduce((sum, partial) => sum + partial.bytes, 0);
  if (bytes === 0) return;
  const { formatBytes } = await import("./bars/units.js");
  output.err(
    `tpull: ${formatBytes(bytes)} of unfinished layers are kept; the same ${command} goes on there\n`,
  );
}

/** What the options say of a pull, in the API's terms. */
function pullOptions(
  flags: Flags,
  { context, stop, onEvent }: Run,
): PullOptions {
  return {
    root: resolveRoot(flags.root, context.env, context.user()),
    ...queryOptions(flags),
    ...given("platform", oneOrList(flags.platform)),
    ...given("allTags", flags["all-tags"]),
    ...given("concurrency", flags.concurrency),
    ...given("keepBlobs", keepBlobs(flags, context.env) || undefined),
    signal: stop.signal,
    onEvent,
  };
}

async function pull(
  { images, requests, flags, near }: PullRequest,
  run: Run,
): Promise<number> {
  const { context, output } = run;
  const options = pullOptions(flags, run);
  const { pullAll } = await context.loadPull();
  const { failures } = await pullAll(requests ?? images, options);
  if (near !== undefined && isNoImage(failures, images[0])) {
    output.err(`tpull: did you mean the command 'tpull ${near}'?\n`);
  }
  return failures.length === 0 ? 0 : 1;
}

async function prefetch(request: PrefetchRequest, run: Run): Promise<number> {
  const options = pullOptions(request.flags, run);
  const { runPrefetch } = await import("./prefetch.js");
  return runPrefetch(request, { ...run, close: run.renderer.close, options });
}

/** Whether a registry has answered that there is no image of that name. */
function isNoImage(
  failures: readonly FailedPull[],
  image: string | undefined,
): boolean {
  return failures.some(
    ({ reference, error }) =>
      reference === image &&
      ["MANIFEST_UNKNOWN", "NAME_UNKNOWN", "DENIED", "UNAUTHORIZED"].includes(
        error.code,
      ),
  );
}

async function load(
  flags: Flags,
  { context, output, stop, onEvent }: Run,
): Promise<number> {
  const { input = "-" } = flags;
  const stdin = input === "-" ? context.stdin() : undefined;
  if (stdin?.isTTY === true) {
    throw new TpullError(
      USAGE,
      "no archive: name one with -i, or redirect standard input",
    );
  }
  const { loadImages } = await context.loadLoad();
  const result = await loadImages(
    (stdin as AsyncIterable<Uint8Array> | undefined) ?? input,
    {
      root: resolveRoot(flags.root, context.env, context.user()),
      ...given("timeoutMs", flags.timeout),
      ...given("platform", oneOrList(flags.platform)),
      ...given("concurrency", flags.concurrency),
      ...given("retag", flags.retag),
      ...given("as", flags.as),
      signal: stop.signal,
      onEvent,
    },
  );
  if (flags.json) output.out(`${JSON.stringify(result, null, 2)}\n`);
  return result.failures.length === 0 ? 0 : 1;
}

async function demo(
  flags: Flags,
  { context, stop, onEvent, write }: Run,
): Promise<number> {
  const { runDemo } = await context.loadDemo();
  return runDemo({
    ...given("root", flags.root),
    ...given("concurrency", flags.concurrency),
    signal: stop.signal,
    onEvent,
    write,
  });
}

/** A failure of the run itself: said once, and for programs with a summary behind it. */
function reportRunFailure(error: unknown, run: Run): number {
  const report = describeError(error);
  run.renderer.failRun(report);
  if (wantsStack(run.context.env)) run.output.err(stackLines(error));
  if (!run.record.isSummarised()) {
    run.renderer.onEvent(run.record.summaryAfter(report));
  }
  return exitStatus(report);
}

/** Whether a name may stand for several images, which are not known before they turn up. */
function isSeveral(request: RunRequest): boolean {
  const { platform = [], ...flags } = request.flags;
  const requests = "requests" in request ? (request.requests ?? []) : [];
  const names = new Set(requests.map(({ reference }) => reference));
  return (
    flags["all-tags"] === true ||
    platform.length > 1 ||
    platform[0] === "all" ||
    names.size < requests.length
  );
}

function oneOrList(
  list: readonly string[] | undefined,
): string | readonly string[] | undefined {
  return list?.length === 1 ? list[0] : list;
}

/** An option only if it has a value, so that the callee's default holds otherwise. */
function given<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { [Key in Name]?: Value } {
  return value === undefined
    ? {}
    : ({ [name]: value } as { [Key in Name]: Value });
}
