/**
 * The command line. Only this folder prints. What is not needed to read the
 * arguments is imported when it is needed, so that `--version`, `--help` and
 * usage errors cost little more than starting node.
 */
import { isTpullError } from "../../store/errors.js";
import { commandNamed, parseCommandLine, USAGE, type Request } from "./args.js";
import type { CliContext } from "./context.js";
import type { Flags } from "./options.js";

/**
 * Runs one command line.
 * @param argv the arguments after the program's name
 * @param context replaces parts of the process, for tests
 * @returns the exit status; see the table in `help.ts`
 */
export async function main(
  argv: readonly string[],
  context: Partial<CliContext> = {},
): Promise<number> {
  const { processContext } = await import("./context.js");
  const whole = { ...processContext(), ...context };
  try {
    const request = parseCommandLine(argv);
    const status = await dispatch(request, whole);
    if (status === 1 || status === 2) await hintAtFiles(request, whole);
    return status;
  } catch (error) {
    return await complain(error, argv, whole);
  }
}

async function dispatch(
  request: Request,
  context: CliContext,
): Promise<number> {
  switch (request.command) {
    case "version": {
      const { readVersion } = await import("./version.js");
      return print(`${readVersion()}\n`, context);
    }
    case "help": {
      const { helpText } = await import("./help.js");
      return print(helpText(request.topic), context);
    }
    case "completion": {
      const { completionScript } = await import("./completion/script.js");
      return print(completionScript(request.shell), context);
    }
    case "login":
    case "logout": {
      const { runLogin } = await import("./login.js");
      return runLogin(request, context);
    }
    case "pull": {
      const whole = await listed(request, context);
      context.headStart?.(whole, context);
      const { runCommand } = await import("./run-command.js");
      return runCommand(whole, context);
    }
    case "prefetch": {
      const { runCommand } = await import("./run-command.js");
      return runCommand(await listed(request, context), context);
    }
    case "load":
    case "demo": {
      const { runCommand } = await import("./run-command.js");
      return runCommand(request, context);
    }
    case "plan": {
      const { runAnswer } = await import("./run-answer.js");
      return runAnswer(await listed(request, context), context);
    }
    default: {
      const { runAnswer } = await import("./run-answer.js");
      return runAnswer(request, context);
    }
  }
}

/** With the images of `--file`; who names none does not load what reads them. */
async function listed<Given extends { images: string[]; flags: Flags }>(
  request: Given,
  context: CliContext,
): Promise<Given> {
  if (request.flags.file === undefined) return request;
  const { withListed } = await import("./listed-images.js");
  return withListed(request, context);
}

/** A failure may be that of an image whose name is a file's. */
async function hintAtFiles(
  request: Request,
  context: CliContext,
): Promise<void> {
  const { fileHint } = await import("./file-operand.js");
  const hint = fileHint(request);
  if (hint !== undefined) context.stderr.write(hint);
}

async function print(text: string, context: CliContext): Promise<number> {
  const { openOutput } = await import("./output.js");
  const { afterWriting } = await import("./whole-output.js");
  const output = openOutput(context.stdout, context.stderr);
  output.out(text);
  return afterWriting(output, 0);
}

async function complain(
  error: unknown,
  argv: readonly string[],
  context: CliContext,
): Promise<number> {
  const { oneLine } = await import("./terminal-text.js");
  if (isTpullError(error) && error.code === USAGE) {
    const help = ["tpull", commandNamed(argv) ?? [], "--help"].flat().join(" ");
    context.stderr.write(`tpull: ${oneLine(error.message)}; try '${help}'\n`);
    return 2;
  }
  const { describeError, errorText } = await import("./report-error.js");
  context.stderr.write(errorText(describeError(error)));
  return 1;
}
