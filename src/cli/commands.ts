/** The commands of the command line as data, for `args.ts` and `help.ts`. */

/** The commands that ask registries for images or repositories. */
export type WorkCommand = "pull" | "plan" | "manifest" | "resolve" | "tags";

/** Those that store nothing. */
export type QueryCommand = Exclude<WorkCommand, "pull">;

export type CommandName =
  WorkCommand | "demo" | "login" | "logout" | "help" | "version";

/** What may stand in a row of a help table. */
export type HelpRow = readonly [term: string, text: string];

export interface CommandSpec {
  readonly summary: string;
  readonly usage: readonly string[];
  /** The words that follow, how many of them, and what one is called. */
  readonly operands?: {
    readonly noun: string;
    readonly least: number;
    readonly most: number;
  };
  readonly arguments?: readonly HelpRow[];
  /** Example and what it is for. */
  readonly examples: readonly HelpRow[];
  /** What the exit statuses 0 and 1 mean, where that is worth saying. */
  readonly status?: { readonly done: string; readonly failed: string };
}

const IMAGE: HelpRow = [
  "IMAGE",
  "[host[:port]/]repository[:tag][@digest], read as docker reads it: docker.io, library/ and :latest may be left out",
];
const REPOSITORY: HelpRow = [
  "REPOSITORY",
  "[host[:port]/]repository, without tag and digest",
];
const REGISTRY: HelpRow = [
  "REGISTRY",
  "host[:port]; Docker Hub when it is left out",
];
const ONE_IMAGE = { noun: "image", least: 1, most: 1 };
const IMAGES = { noun: "image", least: 1, most: Number.POSITIVE_INFINITY };

/** What the first word may name; any other first word is an image to pull. */
export const COMMANDS: Readonly<Record<CommandName, CommandSpec>> = {
  pull: {
    summary: "pull images (the word may be left out)",
    usage: [
      "tpull [pull] [options] IMAGE...",
      "tpull [pull] [options] --all-tags REPOSITORY...",
    ],
    operands: IMAGES,
    arguments: [IMAGE, REPOSITORY],
    examples: [
      ["tpull nginx:latest", "from docker.io/library"],
      ["tpull --root /srv/data nginx redis:7", "two into one data root"],
      ["tpull -q --platform linux/arm64 alpine", "prints only the name"],
      ["tpull --platform all alpine", "every platform it has"],
      ["tpull --progress json alpine >events", "for programs"],
    ],
    status: {
      done: "every image is in the data root",
      failed: "an image failed; the others are there nevertheless",
    },
  },
  plan: {
    summary: "say what a pull would fetch and store, and do nothing",
    usage: [
      "tpull plan [options] IMAGE...",
      "tpull plan [options] --all-tags REPOSITORY...",
    ],
    operands: IMAGES,
    arguments: [IMAGE, REPOSITORY],
    examples: [
      ["tpull plan nginx redis:7", "bytes, disk and requests"],
      ["tpull plan --json --root /srv/data nginx", "for programs"],
    ],
    status: {
      done: "every image can be pulled, as far as that can be known",
      failed: "an image cannot be pulled, or does not fit",
    },
  },
  manifest: {
    summary: "print an image's manifest or index as the registry has it",
    usage: ["tpull manifest [options] IMAGE"],
    operands: ONE_IMAGE,
    arguments: [IMAGE],
    examples: [
      ["tpull manifest nginx", "the index, byte for byte"],
      [
        "tpull manifest --platform linux/arm64 nginx",
        "one platform's manifest",
      ],
    ],
  },
  resolve: {
    summary: "print the digests that an image's name stands for",
    usage: ["tpull resolve [options] IMAGE"],
    operands: ONE_IMAGE,
    arguments: [IMAGE],
    examples: [
      ["tpull resolve nginx", "index and platforms"],
      ["tpull resolve -q --platform linux/arm64 nginx", "just that digest"],
    ],
  },
  tags: {
    summary: "print the tags of a repository",
    usage: ["tpull tags [options] REPOSITORY"],
    operands: { noun: "repository", least: 1, most: 1 },
    arguments: [REPOSITORY],
    examples: [["tpull tags nginx | grep alpine", "one a line"]],
  },
  demo: {
    summary: "pull a small image from a registry inside tpull, explained",
    usage: ["tpull demo [options]"],
    examples: [["tpull demo --root ./demo-root", "keep what it wrote"]],
  },
  login: {
    summary: "log in to a registry, as docker keeps it",
    usage: ["tpull login [options] [-u USER] [--password-stdin] [REGISTRY]"],
    arguments: [REGISTRY],
    examples: [
      ["tpull login registry.example:5000", "asks for user and password"],
      ["tpull login -u me --password-stdin <token", "Docker Hub, in scripts"],
    ],
  },
  logout: {
    summary: "forget the log-in to a registry",
    usage: ["tpull logout [REGISTRY]"],
    arguments: [REGISTRY],
    examples: [],
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
};

export function isCommand(word: string | undefined): word is CommandName {
  return word !== undefined && Object.hasOwn(COMMANDS, word);
}
