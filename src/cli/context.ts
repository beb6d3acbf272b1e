/** The process as the command line sees it; tests pass their own. */
import { homedir } from "node:os";
import type { Request } from "./args.js";
import type { CliStream } from "./output.js";
import type { CliInput } from "./prompt.js";
import type { Environment, User } from "./settings.js";
import type { SignalSource } from "./signals.js";

type PullModule = Pick<typeof import("../pull.js"), "pullAll">;
type PrefetchModule = Pick<
  typeof import("../prefetch/prefetch.js"),
  "prefetch"
>;
type LoadModule = Pick<typeof import("../load/load.js"), "loadImages">;
type LoadAnswer = (typeof import("./run-answer.js"))["loadAnswer"];
type LoginModule = Pick<typeof import("../login.js"), "login" | "logout">;
type DemoModule = Pick<typeof import("../demo/run.js"), "runDemo">;

export interface CliContext {
  /** Standard input; node opens it when it is first looked at. */
  stdin(): CliInput;
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
  loadPrefetch(): Promise<PrefetchModule>;
  /** The code that reads archives. */
  loadLoad(): Promise<LoadModule>;
  loadDemo(): Promise<DemoModule>;
  loadAnswer: LoadAnswer;
  loadLogin(): Promise<LoginModule>;
  /** Begins what takes long before the command itself is loaded; only a process of its own does it. */
  headStart?(request: Request, context: CliContext): void;
  /** Called when images were pulled. @param fetched whether there was anything to fetch: that uses most of what runs use */
  hasWorked?(fetched: boolean): void;
}

export function processContext(): CliContext {
  return {
    stdin: () => process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    user: () => ({ uid: process.getuid?.(), home: homedir() }),
    signals: process,
    exit: (status) => process.exit(status),
    now: Date.now,
    loadPull: () => import("../pull.js"),
    loadPrefetch: () => import("../prefetch/prefetch.js"),
    loadLoad: () => import("../load/load.js"),
    loadDemo: () => import("../demo/run.js"),
    loadAnswer: async (command) =>
      (await import("./run-answer.js")).loadAnswer(command),
    loadLogin: () => import("../login.js"),
  };
}
