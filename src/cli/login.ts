/** `tpull login` and `tpull logout`. */
import { isTpullError, TpullError } from "../../store/errors.js";
import { USAGE, type Request } from "./args.js";
import type { CliContext } from "./context.js";
import { openOutput, type Output } from "./output.js";
import { askLine, readPassword, type Prompt } from "./prompt.js";
import { describeError, errorText, exitStatus } from "./report-error.js";
import { listenForSignals, STOPPED, type StopSwitch } from "./signals.js";
import { dockerEnvironment } from "../network-settings.js";
import { networkSettings } from "./settings.js";
import { oneLine } from "./terminal-text.js";

type LoginRequest = Extract<Request, { command: "login" }>;
type LogoutRequest = Extract<Request, { command: "logout" }>;

/**
 * Runs `login` or `logout`.
 * @returns the exit status: 0, 1 when it failed, 2 when the command line is wrong, or 128 + signal
 */
export async function runLogin(
  request: LoginRequest | LogoutRequest,
  context: CliContext,
): Promise<number> {
  using stop = listenForSignals(context.signals, (status) =>
    context.exit(status),
  );
  const output = openOutput(context.stdout, context.stderr);
  try {
    if (request.command === "login")
      await logIn(request, context, stop, output);
    else await logOut(request, context, stop, output);
    return 0;
  } catch (error) {
    const reason = stop.reason();
    if (reason !== undefined) return STOPPED[reason];
    if (isTpullError(error) && error.code === USAGE) throw error;
    const report = describeError(error);
    output.err(errorText(report));
    return exitStatus(report);
  }
}

async function logIn(
  { server, flags }: LoginRequest,
  context: CliContext,
  stop: StopSwitch,
  output: Output,
): Promise<void> {
  const { username, password } = await credentials(flags, context, stop);
  const { login } = await context.loadLogin();
  await login(server, {
    username,
    password,
    env: context.env,
    network: networkSettings(flags),
    signal: stop.signal,
    onWarning: ({ code, message }) =>
      output.err(`tpull: warning: ${oneLine(message)} (${oneLine(code)})\n`),
  });
  output.out("Login Succeeded\n");
}

async function logOut(
  { server, flags }: LogoutRequest,
  context: CliContext,
  stop: StopSwitch,
  output: Output,
): Promise<void> {
  const { logout } = await context.loadLogin();
  const result = await logout(server, {
    env: dockerEnvironment(networkSettings(flags), context.env),
    signal: stop.signal,
    onFound: (name) =>
      output.out(`Removing login credentials for ${oneLine(name)}\n`),
  });
  if (!result.removed) output.out(`Not logged in to ${result.server}\n`);
}

async function credentials(
  flags: LoginRequest["flags"],
  context: CliContext,
  stop: StopSwitch,
): Promise<{ username: string; password: string }> {
  const stdin = context.stdin();
  if (flags["password-stdin"]) {
    const password = await readPassword(stdin, stop.signal);
    if (password === undefined) {
      throw usage("what comes on standard input is too long for a password");
    }
    if (password === "") throw usage("no password came on standard input");
    return { username: flags.username ?? "", password };
  }
  if (stdin.isTTY !== true) {
    throw usage(
      "standard input is no terminal to ask for a password on; use -u USER --password-stdin",
    );
  }
  const prompt: Prompt = {
    input: stdin,
    show: (text) => context.stderr.write(text),
    signal: stop.signal,
    onInterrupt: () => stop.stop("SIGINT"),
  };
  const username =
    flags.username ?? (await askLine("Username: ", prompt)).trim();
  if (username === "") throw usage("no user name was given");
  const password = await askLine("Password: ", prompt, true);
  if (password === "") throw usage("no password was given");
  return { username, password };
}

function usage(message: string): TpullError {
  return new TpullError(USAGE, message);
}
