/**
 * The options of the command line as data: `args.ts` parses by this table,
 * `help.ts` prints it.
 */
import type { MirrorSetting } from "../network-settings.js";
import type { CommandName } from "./commands.js";
import {
  readDuration,
  readHost,
  readHostOrNetwork,
  readMirror,
  readPlatforms,
  readRate,
  type ValueReader,
} from "./option-values.js";

export const PROGRESS_MODES = ["auto", "tty", "plain", "json", "none"] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

/** The options that were given, checked. What is absent was not given. */
export interface Flags {
  root?: string;
  platform?: readonly string[];
  "all-tags"?: true;
  concurrency?: number;
  quiet?: true;
  json?: true;
  progress?: ProgressMode;
  /** Milliseconds. */
  timeout?: number;
  config?: string;
  mirror?: readonly MirrorSetting[];
  "hosts-dir"?: readonly string[];
  "ca-file"?: readonly string[];
  "insecure-registry"?: readonly string[];
  "plain-http"?: readonly string[];
  /** Bytes a second. */
  "limit-rate"?: number;
  version?: true;
  help?: true;
  username?: string;
  "password-stdin"?: true;
}

export type OptionName = keyof Flags;

type Element<Value> = Value extends readonly (infer One)[] ? One : never;

export interface OptionSpec<Value = unknown> {
  readonly help: string;
  readonly short?: string;
  readonly metavar?: string;
  readonly default?: string;
  readonly choices?: readonly string[];
  readonly range?: readonly [number, number];
  readonly read?: ValueReader<Value | Element<Value>>;
  /** May be given several times; its value is the list. Of others the last one counts. */
  readonly repeatable?: true;
  /** The commands that take it; `--help` and `--version` go anywhere. */
  readonly commands: readonly CommandName[];
  /** What the help of single commands says instead. */
  readonly at?: Partial<
    Record<CommandName, { readonly help?: string; readonly default?: string }>
  >;
  /** Under which heading help lists it: `Options` without. */
  readonly group?: "registry";
}

/** The commands that ask registries. */
const ASKING: readonly CommandName[] = [
  "pull",
  "plan",
  "manifest",
  "resolve",
  "tags",
];

/** The commands that connect to registries. */
const CONNECTING: readonly CommandName[] = [...ASKING, "login"];

/**
 * Long options by name, in the order of the help. An option with a `metavar` takes a value; `choices`,
 * `range` (whole numbers, both ends included) or `read` say which ones.
 */
export const OPTIONS: {
  readonly [Name in OptionName]: OptionSpec<Flags[Name]>;
} = {
  root: {
    metavar: "DIR",
    help: "data root to write to",
    default:
      "$TPULL_ROOT, else /var/lib/tpull as root and ${XDG_DATA_HOME:-~/.local/share}/tpull otherwise",
    commands: ["pull", "plan", "demo"],
    at: {
      plan: { help: "data root to look at" },
      demo: { default: "a fresh temporary folder" },
    },
  },
  platform: {
    metavar: "P[,P...]",
    help: "os/arch[/variant] of the image to choose; several with commas between, or all",
    default: "this machine's",
    read: readPlatforms,
    commands: ["pull", "plan", "manifest", "resolve"],
    at: {
      manifest: {
        help: "go down to the manifest for os/arch[/variant]",
        default: "stay at what the name stands for",
      },
      resolve: {
        help: "only this os/arch[/variant], or several with commas between",
        default: "all",
      },
    },
  },
  "all-tags": {
    short: "a",
    help: "every tag of the repository",
    commands: ["pull", "plan"],
  },
  concurrency: {
    metavar: "N",
    help: "layers in flight at once, 1 to 64",
    default: "one more than cores, 3 to 8",
    range: [1, 64],
    commands: ["pull", "demo"],
  },
  quiet: {
    short: "q",
    help: "print only the canonical name of each image (and errors)",
    commands: ["pull", "resolve"],
    at: {
      resolve: {
        help: "print only the digest: of the name, or with --platform of that platform",
      },
    },
  },
  json: {
    help: "print one JSON document",
    commands: ["plan", "manifest", "resolve", "tags"],
  },
  progress: {
    metavar: "MODE",
    help: "auto, tty (bars), plain (docker's transcript), json (one event a line), or none (results only)",
    default: "auto: tty on a terminal, plain elsewhere and where $CI is set",
    choices: PROGRESS_MODES,
    commands: ["pull", "demo"],
  },
  timeout: {
    metavar: "TIME",
    help: "give up after 30s, 10m, 1h, 1h30m; what is stored by then stays",
    read: readDuration,
    commands: ASKING,
    at: {
      plan: { help: "give up after 30s, 10m, 1h, 1h30m" },
      manifest: { help: "give up after 30s, 10m, 1h, 1h30m" },
      resolve: { help: "give up after 30s, 10m, 1h, 1h30m" },
      tags: { help: "give up after 30s, 10m, 1h, 1h30m" },
    },
  },
  config: {
    group: "registry",
    metavar: "DIR",
    help: "docker's configuration, for the credentials in it",
    default: "$DOCKER_CONFIG, else ~/.docker",
    commands: [...CONNECTING, "logout"],
  },
  mirror: {
    group: "registry",
    metavar: "REGISTRY=URL",
    help: "ask this mirror of the registry first",
    read: readMirror,
    repeatable: true,
    commands: ASKING,
  },
  "hosts-dir": {
    group: "registry",
    metavar: "DIR",
    help: "look for HOST/hosts.toml and certificates here, before the usual places",
    repeatable: true,
    commands: CONNECTING,
  },
  "ca-file": {
    group: "registry",
    metavar: "FILE",
    help: "trust these PEM certificates, too",
    repeatable: true,
    commands: CONNECTING,
  },
  "insecure-registry": {
    group: "registry",
    metavar: "HOST|CIDR",
    help: "take any certificate of these registries, and plain HTTP where they do not speak TLS",
    read: readHostOrNetwork,
    repeatable: true,
    commands: CONNECTING,
  },
  "plain-http": {
    group: "registry",
    metavar: "HOST",
    help: "speak plain HTTP with this registry",
    read: readHost,
    repeatable: true,
    commands: CONNECTING,
  },
  "limit-rate": {
    group: "registry",
    metavar: "RATE",
    help: "take at most so many bytes a second in all: 500k, 10m, 1.5M",
    read: readRate,
    commands: ASKING,
  },
  username: {
    short: "u",
    metavar: "USER",
    help: "user name",
    default: "asked for",
    commands: ["login"],
  },
  "password-stdin": {
    help: "take the password or access token from standard input",
    commands: ["login"],
  },
  version: { help: "print the version", commands: [] },
  help: { short: "h", help: "print this help", commands: [] },
};

/** The table, for code that walks over it. */
export function optionSpecs(): [OptionName, OptionSpec][] {
  return Object.entries(OPTIONS) as [OptionName, OptionSpec][];
}

/** Whether the command takes the option. */
export function isFor(spec: OptionSpec, command: CommandName): boolean {
  return spec.commands.length === 0 || spec.commands.includes(command);
}
