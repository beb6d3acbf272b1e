/** Child processes and things that must be undone, for tests and the benchmark. */
import { spawn, type SpawnOptions } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PEER_PATH } from "./peers.js";

export interface RunResult {
  /** Exit status; null when a signal ended the process. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: Record<string, string>;
  /** SIGKILL after this many milliseconds; default 120,000. */
  readonly timeoutMs?: number;
  /** A program and its arguments that run another one, such as `nsenter …`. */
  readonly within?: readonly string[];
}

/** Environment of every child: ours, with the daemons' folders in PATH. */
export function childEnv(
  extra: Record<string, string> = {},
): NodeJS.ProcessEnv {
  return { ...process.env, PATH: PEER_PATH, ...extra };
}

/** Runs a program to its end and returns what it said, whatever its status. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const spawnOptions: SpawnOptions = {
    env: childEnv(options.env),
    stdio: ["ignore", "pipe", "pipe"],
    timeout: options.timeoutMs ?? 120_000,
    killSignal: "SIGKILL",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  };
  const [program, ...words] = [...(options.within ?? []), command, ...args];
  const child = spawn(program!, words, spawnOptions);
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text) => (stderr += text));
  return await new Promise<RunResult>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) =>
      resolve({ code, signal, stdout, stderr }),
    );
  });
}

/** Runs a program that has to succeed and returns its standard output. */
export async function runOk(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const result = await run(command, args, options);
  if (result.code === 0) return result.stdout;
  const ending =
    result.code === null
      ? `was ended by ${result.signal}`
      : `exited with ${result.code}`;
  throw new Error(
    `${command} ${args.join(" ")} ${ending}\n${result.stderr}${result.stdout}`,
  );
}

/** What has to be undone at the end, last thing first, whatever fails on the way. */
export class Cleanups {
  readonly #steps: (() => Promise<void>)[] = [];

  defer(step: () => Promise<void>): void {
    this.#steps.push(step);
  }

  /** Keeps a running thing until {@link close} and gives it back. */
  use<T extends { stop(): Promise<void> }>(thing: T): T {
    this.defer(() => thing.stop());
    return thing;
  }

  /** A fresh directory below the system's temporary one, removed at the end. */
  async tempDir(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), "tpull-test-"));
    this.defer(() => removeTree(path));
    return path;
  }

  /** @throws AggregateError when steps failed; every step was tried. */
  async close(): Promise<void> {
    const errors: unknown[] = [];
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      await step().catch((error: unknown) => errors.push(error));
    }
    if (errors.length > 0) throw new AggregateError(errors, "cleaning up");
  }
}

/** Removes a tree; directories without permission bits are no obstacle to root. */
export async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}
