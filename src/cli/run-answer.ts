/** The commands that answer: what they find or do goes to stdout, everything else to stderr. */
import type { PullEvent } from "../events.js";
import { type Answer, type AnswerContext } from "./answers/answer.js";
import { areArchives } from "./archive-operand.js";
import type { Request } from "./args.js";
import type { LocalCommand, QueryCommand } from "./commands.js";
import type { CliContext } from "./context.js";
import { openOutput } from "./output.js";
import {
  describeError,
  errorText,
  exitStatus,
  isInterruption,
  stackLines,
} from "./report-error.js";
import { queryOptions, resolveRoot, wantsStack } from "./settings.js";
import { LAST_WORDS, listenForSignals, STOPPED } from "./signals.js";
import { noticeLine } from "./transcript.js";
import { afterWriting } from "./whole-output.js";

type AnswerCommand = QueryCommand | LocalCommand;
type AnswerRequest = Extract<Request, { command: AnswerCommand }>;

/**
 * Runs a command that asks registries or looks after a data root.
 * @returns the exit status: 0, 1 for a failure, 2 when the command line is to
 *   blame, or 128 + signal
 */
export async function runAnswer(
  request: AnswerRequest,
  context: CliContext,
): Promise<number> {
  const { command, images, flags } = request;
  const requests = "requests" in request ? request.requests : undefined;
  using stop = listenForSignals(context.signals, context.exit);
  const output = openOutput(context.stdout, context.stderr, () =>
    stop.stop("SIGPIPE"),
  );
  const onEvent = (event: PullEvent): void => {
    const isNotice = event.type === "warning" || event.type === "retry";
    if (isNotice && !flags.quiet) output.err(`${noticeLine(event)}\n`);
  };
  const { env } = context;
  const answerContext: AnswerContext = {
    images,
    ...(requests === undefined ? {} : { requests }),
    flags,
    query: { ...queryOptions(flags), signal: stop.signal, onEvent },
    output,
    isTTY: context.stdout.isTTY === true,
    stderrIsTTY: context.stderr.isTTY === true,
    stderr: context.stderr,
    columns: context.stdout.columns,
    env,
    stdin: context.stdin,
    interrupt: () => stop.stop("SIGINT"),
    now: context.now,
    root: () => resolveRoot(flags.root, env, context.user()),
  };
  let status: number;
  try {
    const answer = await context.loadAnswer(answering(command, images));
    status = await answer(answerContext);
  } catch (error) {
    const report = describeError(error);
    if (!isInterruption(report)) output.err(errorText(report));
    if (wantsStack(env)) output.err(stackLines(error));
    status = exitStatus(report);
  }
  const reason = stop.reason();
  if (status !== 0 && reason !== undefined) {
    output.err(LAST_WORDS[reason]);
    return STOPPED[reason];
  }
  return afterWriting(output, status);
}

/** An operand that is a path names an archive, where others name an image. */
function answering(
  command: AnswerCommand,
  images: readonly string[],
): AnswerCommand | "verify-archive" {
  const isArchive = command === "verify" && areArchives(images);
  return isArchive ? "verify-archive" : command;
}

/** Loads the code of one command. */
export async function loadAnswer(
  command: AnswerCommand | "verify-archive",
): Promise<Answer> {
  switch (command) {
    case "manifest":
      return (await import("./answers/manifest.js")).answerManifest;
    case "resolve":
      return (await import("./answers/resolve.js")).answerResolve;
    case "tags":
      return (await import("./answers/tags.js")).answerTags;
    case "plan":
      return (await import("./answers/plan.js")).answerPlan;
    case "images":
      return (await import("./local/images.js")).answerImages;
    case "inspect":
      return (await import("./local/inspect.js")).answerInspect;
    case "history":
      return (await import("./local/history.js")).answerHistory;
    case "layers":
      return (await import("./local/layers.js")).answerLayers;
    case "info":
      return (await import("./local/info.js")).answerInfo;
    case "df":
      return (await import("./local/df.js")).answerDf;
    case "tag":
      return (await import("./local/tag.js")).answerTag;
    case "rmi":
      return (await import("./local/rmi.js")).answerRmi;
    case "prune":
      return (await import("./local/prune.js")).answerPrune;
    case "verify":
      return (await import("./local/verify.js")).answerVerify;
    case "serve":
      return (await import("./local/serve.js")).answerServe;
    case "verify-archive":
      return (await import("./local/verify-archive.js")).answerVerifyArchive;
    case "bundle":
      return (await import("./answers/bundle.js")).answerBundle;
    case "lock":
      return (await import("./answers/lock.js")).answerLock;
    case "images-of":
      return (await import("./answers/images-of.js")).answerImagesOf;
    case "inventory":
      return (await import("./local/inventory.js")).answerInventory;
    case "save":
      return (await import("./local/save.js")).answerSave;
  }
}
