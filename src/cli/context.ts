/** The process as the command line sees it; tests pass their own. */
import { homedir } from "node:os";
import type { CliStream } from "./output.js";
import type { Environment, User } from "./settings.js";
import type { SignalSource } from "./signals.js";

type PullModule = Pick<typeof import("../pull.js"), "pullAll">;
type LoadAnswer = (typeof import("./run-query.js"))["loadAnswer"];
type DemoModule = Pick<typeof import("../demo/run.js"), "runDemo">;

export interface CliContext {
  stdout: CliStream;
  stderr: CliStream;
  env: Environment;
  user(): User;
  signals: SignalSource;
  /** Ends the process at once. */
  exit(status: number): void;
  /** Milliseconds since the epoch. */
  now(): number;
  /** The code that pulls is loaded when something is to be pulled, not for `--version`. */
  loadPull(): Promise<PullModule>;
  loadDemo(): Promise<DemoModule>;
  loadAnswer: LoadAnswer;
}

export function processContext(): CliContext {
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    user: () => ({ uid: process.getuid?.(), home: homedir() }),
    signals: process,
    exit: (status) => process.exit(status),
    now: Date.now,
    loadPull: () => import("../pull.js"),
    loadDemo: () => import("../demo/run.js"),
    loadAnswer: async (command) =>
      (await import("./run-query.js")).loadAnswer(command),
  };
}
