/**
 * The command line as data: `args.ts` parses by these tables, `help.ts` prints
 * them, and the types of the parsed options follow from them.
 */

/** What the first word may name; any other first word is an image to pull. */
export const COMMANDS = {
  pull: {
    summary: "pull images (the word may be left out)",
    usage: ["tpull [pull] [options] IMAGE..."],
    examples: [
      ["tpull nginx:latest", "from docker.io/library"],
      ["tpull --root /srv/data nginx redis:7", "two into one data root"],
      ["tpull -q --platform linux/arm64 alpine", "prints only the name"],
      ["tpull --progress json alpine >events", "for programs"],
    ],
  },
  demo: {
    summary: "pull a small image from a registry inside tpull, explained",
    usage: ["tpull demo [options]"],
    examples: [["tpull demo --root ./demo-root", "keep what it wrote"]],
  },
  help: {
    summary: "explain tpull or one command",
    usage: ["tpull help [COMMAND]"],
    examples: [],
  },
  version: {
    summary: "print the version",
    usage: ["tpull version"],
    examples: [],
  },
} as const;

export type CommandName = keyof typeof COMMANDS;

/**
 * Long options by name. An option with a `metavar` takes a value; `choices` or
 * `range` (whole numbers, both ends included) say which ones.
 */
export const OPTIONS = {
  root: {
    metavar: "DIR",
    help: "data root to write to",
    default:
      "$TPULL_ROOT, else /var/lib/tpull as root and ${XDG_DATA_HOME:-~/.local/share}/tpull otherwise",
    demoDefault: "a fresh temporary folder",
    commands: ["pull", "demo"],
  },
  platform: {
    metavar: "P",
    help: "os/arch[/variant] of the image to choose",
    default: "this machine's",
    commands: ["pull"],
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
    commands: ["pull"],
  },
  progress: {
    metavar: "MODE",
    help: "auto, tty (bars), plain (docker's transcript), json (one event a line), or none (results only)",
    default: "auto: tty on a terminal, plain elsewhere and where $CI is set",
    choices: ["auto", "tty", "plain", "json", "none"],
    commands: ["pull", "demo"],
  },
  version: { help: "print the version", commands: [] },
  help: { short: "h", help: "print this help", commands: [] },
} as const;

export type OptionName = keyof typeof OPTIONS;

/** How to do without the literal types of the table. */
export interface OptionSpec {
  readonly help: string;
  readonly short?: string;
  readonly metavar?: string;
  readonly default?: string;
  /** The default in `tpull demo` where it is another one. */
  readonly demoDefault?: string;
  readonly choices?: readonly string[];
  readonly range?: readonly [number, number];
  /** The commands that take it; `--help` and `--version` go anywhere. */
  readonly commands: readonly CommandName[];
}

type ValueOf<Spec> = Spec extends { choices: readonly (infer Choice)[] }
  ? Choice
  : Spec extends { range: readonly [number, number] }
    ? number
    : Spec extends { metavar: string }
      ? string
      : true;

/** The options that were given, checked. What is absent was not given. */
export type Flags = {
  [Name in OptionName]?: ValueOf<(typeof OPTIONS)[Name]>;
};

export type ProgressMode = NonNullable<Flags["progress"]>;

/** The tables again, for code that walks over them. */
export function optionSpecs(): [OptionName, OptionSpec][] {
  return Object.entries(OPTIONS) as [OptionName, OptionSpec][];
}

export function isCommand(word: string | undefined): word is CommandName {
  return word !== undefined && Object.hasOwn(COMMANDS, word);
}

/** Whether the command takes the option. */
export function isFor(spec: OptionSpec, command: CommandName): boolean {
  return spec.commands.length === 0 || spec.commands.includes(command);
}
