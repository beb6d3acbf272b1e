/** The commands that only ask: answers go to stdout, everything else to stderr. */
import type { PullEvent } from "../events.js";
import { type Answer, type AnswerContext } from "./answers/answer.js";
import type { Request } from "./args.js";
import type { QueryCommand } from "./commands.js";
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

type QueryRequest = Extract<Request, { command: QueryCommand }>;

/**
 * Runs a command that stores nothing.
 * @returns the exit status: 0, 1 for a failure, 2 when the command line is to
 *   blame, or 128 + signal
 */
export async function runQuery(
  { command, images, flags }: QueryRequest,
  context: CliContext,
): Promise<number> {
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
    flags,
    query: { ...queryOptions(flags), signal: stop.signal, onEvent },
    output,
    isTTY: context.stdout.isTTY === true,
    root: () => resolveRoot(flags.root, env, context.user()),
  };
  let status: number;
  try {
    const answer = await context.loadAnswer(command);
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
  const failure = output.failure();
  if (failure === undefined) return status;
  output.err(
    errorText({
      code: failure.code ?? "EIO",
      message: `cannot write to stdout: ${failure.message}`,
    }),
  );
  return 1;
}

/** Loads the code of one command. */
export async function loadAnswer(command: QueryCommand): Promise<Answer> {
  switch (command) {
    case "manifest":
      return (await import("./answers/manifest.js")).answerManifest;
    case "resolve":
      return (await import("./answers/resolve.js")).answerResolve;
    case "tags":
      return (await import("./answers/tags.js")).answerTags;
    case "plan":
      return (await import("./answers/plan.js")).answerPlan;
  }
}
