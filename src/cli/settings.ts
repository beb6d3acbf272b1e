/** What is decided by the environment rather than by the command line alone. */
import { resolve } from "node:path";
import { defaultRoot } from "../default-root.js";
import type { ProgressMode } from "./options.js";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The facts about user and machine that the default data root depends on. */
export interface User {
  /** Numeric user id; undefined where the system has none. */
  uid: number | undefined;
  /** Home directory. */
  home: string;
}

/** The data root as an absolute path: `--root`, else what {@link defaultRoot} says. */
export function resolveRoot(
  flag: string | undefined,
  env: Environment,
  user: User,
): string {
  return flag === undefined ? defaultRoot(env, user) : resolve(flag);
}

/** The terminal facts that decide how progress is shown. */
export interface Terminals {
  stdoutIsTTY: boolean;
  stderrIsTTY: boolean;
}

export type Presentation = Exclude<ProgressMode, "auto"> | "quiet";

/**
 * How to show a run. Bars need a terminal on stderr that understands cursor
 * movement; where there is none even `--progress tty` gives the plain
 * transcript. `auto` asks for bars only where a person watches.
 */
export function choosePresentation(
  flags: { quiet?: true; progress?: ProgressMode },
  env: Environment,
  terminals: Terminals,
): Presentation {
  if (flags.quiet) return "quiet";
  const mode = flags.progress ?? "auto";
  if (mode !== "auto" && mode !== "tty") return mode;
  const canDraw = terminals.stderrIsTTY && env["TERM"] !== "dumb";
  if (mode === "tty") return canDraw ? "tty" : "plain";
  return canDraw && terminals.stdoutIsTTY && !isSet(env["CI"])
    ? "tty"
    : "plain";
}

/** Whether defects are reported with their stack. */
export function wantsStack(env: Environment): boolean {
  return isSet(env["TPULL_DEBUG"]);
}

function isSet(value: string | undefined): boolean {
  return (
    value !== undefined && value !== "" && value !== "0" && value !== "false"
  );
}
