/**
 * Credential helpers: programs called `docker-credential-<name>` that are told
 * what to do by one argument, get their input on stdin and answer on stdout.
 * What they say is never shown, since it may be a secret or hold one.
 */
import { spawn } from "node:child_process";
import { abortedError, TpullError } from "../../store/errors.js";
import type { Credential } from "../registry/credentials.js";
import { identity } from "./auth-file.js";
import type { Environment } from "./files.js";
import { findProgram, isHelperName } from "./program.js";

/** Helpers may ask a person to unlock a key ring, but not for ever. Milliseconds. */
const TIME_LIMIT_MS = 60_000;
/** No token of a registry is nearly as long. */
const MAX_OUTPUT_BYTES = 256 * 1024;
/** What a helper prints, and exits with 1, when it has nothing for a server. */
const NOT_FOUND = "credentials not found in native keychain";
/** User name under which a helper keeps an identity token. */
const TOKEN_USER = "<token>";

export interface HelperOptions {
  readonly env: Environment;
  /** File that names the helper, for messages. */
  readonly source: string;
  /** Default 60 s. */
  readonly timeLimitMs?: number | undefined;
  /** Kills the helper. */
  readonly signal?: AbortSignal | undefined;
}

type Action = "get" | "store" | "erase";

interface Ending {
  readonly status: number | null;
  readonly output: string;
}

/**
 * Asks a helper for a server's credential; `undefined` when it has none.
 * @param name of the helper, without `docker-credential-`
 * @param server as docker names it to helpers
 * @throws TpullError `CREDENTIAL_HELPER_MISSING`, `CREDENTIAL_HELPER_FAILED`, `ABORTED`
 */
export async function helperGet(
  name: string,
  server: string,
  options: HelperOptions,
): Promise<Credential | undefined> {
  const ending = await run(name, "get", server, server, options);
  if (saysNotFound(ending)) return undefined;
  const invalid = failure(name, "get", server, options);
  if (ending.status !== 0) throw invalid(exited(ending));
  let reply: Record<string, unknown>;
  try {
    reply = { ...JSON.parse(ending.output) };
  } catch {
    throw invalid("does not answer with JSON");
  }
  const { Username: username = "", Secret: secret = "" } = reply;
  if (typeof username !== "string" || typeof secret !== "string") {
    throw invalid("answers without a user name and a secret");
  }
  if (secret === "" && username === "") return undefined;
  if (secret === "") throw invalid("answers without a secret");
  if (username === "") throw invalid("answers without a user name");
  if (username === TOKEN_USER) return identity(secret, "");
  return { kind: "password", username, password: secret };
}

/**
 * Gives a helper a credential to keep.
 * @throws TpullError as {@link helperGet}
 */
export async function helperStore(
  name: string,
  server: string,
  credential: Exclude<Credential, { kind: "bearer" }>,
  options: HelperOptions,
): Promise<void> {
  const [username, secret] =
    credential.kind === "identity"
      ? [TOKEN_USER, credential.token]
      : [credential.username, credential.password];
  const input = JSON.stringify({
    ServerURL: server,
    Username: username,
    Secret: secret,
  });
  const ending = await run(name, "store", server, input, options);
  if (ending.status === 0) return;
  throw failure(name, "store", server, options)(exited(ending));
}

/**
 * Makes a helper forget a server. Nothing there to forget is no failure.
 * @throws TpullError as {@link helperGet}
 */
export async function helperErase(
  name: string,
  server: string,
  options: HelperOptions,
): Promise<void> {
  const ending = await run(name, "erase", server, server, options);
  if (ending.status === 0 || saysNotFound(ending)) return;
  throw failure(name, "erase", server, options)(exited(ending));
}

function saysNotFound({ status, output }: Ending): boolean {
  return status !== 0 && output.trim() === NOT_FOUND;
}

function exited({ status }: Ending): string {
  return status === null ? "was killed" : `exits with status ${status}`;
}

function failure(
  name: string,
  action: Action,
  server: string,
  { source }: HelperOptions,
): (why: string) => TpullError {
  const program = `docker-credential-${name}`;
  return (why) =>
    new TpullError(
      "CREDENTIAL_HELPER_FAILED",
      `${program} ${why}, asked to ${action} the credential for ${server}`,
      {
        hint:
          action === "get"
            ? `${source} names this helper. See what it says with: echo ${server} | ${program} get`
            : `${source} names this helper; see its own documentation.`,
        details: { host: server, program },
      },
    );
}

async function run(
  name: string,
  action: Action,
  server: string,
  input: string,
  options: HelperOptions,
): Promise<Ending> {
  const { env, source } = options;
  const named = `docker-credential-${name}`;
  const program = isHelperName(name)
    ? await findProgram(named, env["PATH"] ?? "")
    : undefined;
  if (program === undefined) {
    throw new TpullError(
      "CREDENTIAL_HELPER_MISSING",
      `${source} leaves the credential for ${server} to the program ${JSON.stringify(named)}, which is not in any folder of PATH`,
      {
        hint: `Install that helper, or take it out of "credsStore" and "credHelpers" in ${source}.`,
        details: { host: server, program: named },
      },
    );
  }
  if (options.signal?.aborted) throw abortedError();
  return await talk(program, action, input, options, (why) =>
    failure(name, action, server, options)(why),
  );
}

/** Runs the program itself, without a shell. */
function talk(
  program: string,
  action: Action,
  input: string,
  options: HelperOptions,
  fail: (why: string) => TpullError,
): Promise<Ending> {
  const { env, signal, timeLimitMs = TIME_LIMIT_MS } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, [action], {
      env: { ...env },
      stdio: ["pipe", "pipe", "ignore"],
    });
    const chunks: Buffer[] = [];
    let length = 0;
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      settle();
    };
    // What the program itself has started may keep the pipes open: they are
    // closed here and not waited for.
    const giveUp = (error: TpullError): void => {
      child.kill("SIGKILL");
      child.stdin.destroy();
      child.stdout.destroy();
      finish(() => reject(error));
    };
    const onAbort = (): void => giveUp(abortedError());
    const timer = setTimeout(
      () => giveUp(fail(`does not answer within ${timeLimitMs / 1000} s`)),
      timeLimitMs,
    );
    signal?.addEventListener("abort", onAbort, { once: true });

    child.on("error", (error: NodeJS.ErrnoException) =>
      finish(() =>
        reject(fail(`cannot be started (${error.code ?? error.message})`)),
      ),
    );
    child.stdout.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > MAX_OUTPUT_BYTES) {
        giveUp(fail(`answers with more than ${MAX_OUTPUT_BYTES} bytes`));
      } else {
        chunks.push(chunk);
      }
    });
    child.on("close", (status) =>
      finish(() =>
        resolve({ status, output: Buffer.concat(chunks).toString("utf8") }),
      ),
    );
    // A helper need not read what it does not need.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}
