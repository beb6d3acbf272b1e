/** What is decided by the environment rather than by the command line alone. */
import { resolve } from "node:path";
import { defaultRoot } from "../default-root.js";
import type { NetworkSettings } from "../network-settings.js";
import { TpullError } from "../../store/errors.js";
import type { QueryOptions } from "../query/query.js";
import { USAGE } from "./args.js";
import { ValueProblem, readSize } from "./option-values.js";
import type { Flags, ProgressMode } from "./options.js";

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

/** What the options say of how registries are asked, in the API's terms. */
export function queryOptions(
  flags: Flags,
): Pick<QueryOptions, "timeoutMs" | "network"> {
  const network = networkSettings(flags);
  return {
    ...(flags.timeout === undefined ? {} : { timeoutMs: flags.timeout }),
    ...(Object.keys(network).length === 0 ? {} : { network }),
  };
}

/** The network's options; what was not given is left out, so that the API's defaults hold. */
export function networkSettings(flags: Flags): NetworkSettings {
  const paths = (list: readonly string[]): string[] =>
    list.map((path) => resolve(path));
  const caFiles = flags["ca-file"];
  const hostsDirs = flags["hosts-dir"];
  const settings = {
    caFiles: caFiles && paths(caFiles),
    insecureRegistries: flags["insecure-registry"],
    plainHttp: flags["plain-http"],
    hostsDirs: hostsDirs && paths(hostsDirs),
    mirrors: flags.mirror,
    limitRate: flags["limit-rate"],
    configDir: flags.config === undefined ? undefined : resolve(flags.config),
  };
  return Object.fromEntries(
    Object.entries(settings).filter(([, value]) => value !== undefined),
  ) as NetworkSettings;
}

/**
 * Whether a pull keeps blobs, and how much of them at most: as the options say,
 * else as `$TPULL_KEEP_BLOBS` does.
 * @throws TpullError `USAGE`
 */
export function keepBlobs(
  flags: Flags,
  env: Environment,
): false | { readonly maxBytes?: number } {
  const said = flags["keep-blobs"];
  const limit = flags["keep-blobs-limit"];
  const set = said === undefined ? keepBlobsOf(env) : undefined;
  if (said === false || (said === undefined && set === undefined)) {
    if (limit === undefined) return false;
    throw new TpullError(USAGE, "--keep-blobs-limit goes with --keep-blobs");
  }
  const maxBytes = limit ?? set?.maxBytes;
  return maxBytes === undefined ? {} : { maxBytes };
}

function keepBlobsOf(env: Environment): { maxBytes?: number } | undefined {
  const value = env["TPULL_KEEP_BLOBS"];
  if (value === undefined || !isSet(value)) return undefined;
  if (value === "1" || value === "true") return {};
  try {
    return { maxBytes: readSize(value) };
  } catch (error) {
    if (!(error instanceof ValueProblem)) throw error;
    throw new TpullError(
      USAGE,
      `$TPULL_KEEP_BLOBS is 1, 0 or a size like 20GB, not ${JSON.stringify(value)}`,
    );
  }
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
