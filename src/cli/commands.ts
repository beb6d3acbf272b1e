/** The commands of the command line as data, for `args.ts` and `help.ts`. */

/** The commands that ask registries for images or repositories. */
export type WorkCommand =
  | "pull"
  | "prefetch"
  | "plan"
  | "manifest"
  | "resolve"
  | "tags"
  | "bundle"
  | "lock";

/** Those that store nothing. */
export type QueryCommand = Exclude<WorkCommand, "pull" | "prefetch">;

/** The commands that look at a data root, or change what is in it, without asking for more. */
export type LocalCommand =
  | "images"
  | "inspect"
  | "history"
  | "layers"
  | "info"
  | "df"
  | "tag"
  | "rmi"
  | "prune"
  | "verify"
  | "serve"
  | "save"
  | "inventory"
  | "images-of";

export type CommandName =
  | WorkCommand
  | LocalCommand
  | "load"
  | "demo"
  | "login"
  | "logout"
  | "completion"
  | "help"
  | "version";

/** What may stand in a row of a help table. */
export type HelpRow = readonly [term: string, text: string];

/** What a command works on; help lists the commands by it. */
export type CommandGroup = "registries" | "root" | "elsewhere" | "tpull";

export interface CommandSpec {
  readonly group: CommandGroup;
  readonly summary: string;
  readonly usage: readonly string[];
  /** The words that follow, how many of them, and what one is called. */
  readonly operands?: {
    readonly noun: string;
    readonly least: number;
    readonly most: number;
    /** What a shell offers for them: names of the root's images, files, or words. */
    readonly offers?: "images" | "files" | "commands" | readonly string[];
  };
  readonly arguments?: readonly HelpRow[];
  /** Example and what it is for. */
  readonly examples: readonly HelpRow[];
  /** What the exit statuses 0 and 1 mean, where that is worth saying. */
  readonly status?: {
    readonly done: string;
    readonly failed: string;
    /** Statuses that only this command has. */
    readonly others?: readonly HelpRow[];
  };
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
const LOCAL_IMAGE: HelpRow = [
  "IMAGE",
  "name[:tag], name@digest, or an image ID or the beginning of one",
];
const MANY = Number.POSITIVE_INFINITY;
const ONE_IMAGE = { noun: "image", least: 1, most: 1 };
const IMAGES = { noun: "image", least: 1, most: MANY };
const LOCAL = { noun: "image", offers: "images" } as const;

/** The shells that completion is written for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** What the first word may name; any other first word is an image to pull. */
export const COMMANDS: Readonly<Record<CommandName, CommandSpec>> = {
  pull: {
    group: "registries",
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
      ["tpull --keep-blobs nginx", "to be saved or served as it was"],
      ["tpull --progress json alpine >events", "for programs"],
    ],
    status: {
      done: "every image is in the data root",
      failed: "an image failed; the others are there nevertheless",
    },
  },
  prefetch: {
    group: "registries",
    summary: "pull many images by one plan, for timers and cron",
    usage: [
      "tpull prefetch [options] IMAGE...",
      "tpull prefetch [options] -f LIST [IMAGE...]",
    ],
    operands: IMAGES,
    arguments: [IMAGE],
    examples: [
      ["tpull prefetch -f images.txt", "all that fit, by one plan"],
      ["tpull prefetch -qk --jitter 1h -f images.txt", "from cron"],
      ["tpull prefetch --json -f compose.yaml", "a report for programs"],
    ],
    status: {
      done: "every image is in the data root",
      failed: "an image failed or was not begun, or they do not fit",
    },
  },
  plan: {
    group: "registries",
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
    group: "registries",
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
    group: "registries",
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
    group: "registries",
    summary: "print the tags of a repository",
    usage: ["tpull tags [options] REPOSITORY"],
    operands: { noun: "repository", least: 1, most: 1 },
    arguments: [REPOSITORY],
    examples: [["tpull tags nginx | grep alpine", "one a line"]],
  },
  images: {
    group: "root",
    summary: "list the images in a data root",
    usage: ["tpull images [options] [REPOSITORY[:TAG]]"],
    operands: { noun: "repository", least: 0, most: 1, offers: "images" },
    arguments: [
      ["REPOSITORY[:TAG]", "only images of that name; * and ? match"],
    ],
    examples: [
      ["tpull images", "as docker lists them"],
      ["tpull images -f dangling=true -q", "IDs of nameless images"],
      ["tpull images --format '{{.Repository}}:{{.Tag}}'", "Go templates"],
    ],
  },
  inspect: {
    group: "root",
    summary: "print all that is known of images, as docker's JSON",
    usage: ["tpull inspect [options] IMAGE..."],
    operands: { ...LOCAL, least: 1, most: MANY },
    arguments: [LOCAL_IMAGE],
    examples: [
      ["tpull inspect nginx", "a JSON list"],
      ["tpull inspect -f '{{json .Config.Env}}' nginx", "Go templates"],
    ],
  },
  history: {
    group: "root",
    summary: "print the steps that made an image",
    usage: ["tpull history [options] IMAGE"],
    operands: { ...LOCAL, least: 1, most: 1 },
    arguments: [LOCAL_IMAGE],
    examples: [["tpull history --no-trunc nginx", "whole commands"]],
  },
  layers: {
    group: "root",
    summary: "print where each layer of an image comes from and lies",
    usage: ["tpull layers [options] IMAGE", "tpull layers --tree [IMAGE]"],
    operands: { ...LOCAL, least: 0, most: 1 },
    arguments: [LOCAL_IMAGE],
    examples: [
      ["tpull layers nginx", "a table, base first"],
      ["tpull layers --tree", "all layers of the root, and who uses them"],
    ],
  },
  info: {
    group: "root",
    summary: "say whose data root this is, and what dockerd makes of it",
    usage: ["tpull info [options]"],
    examples: [
      ["tpull info --json --root /srv/data", "for programs"],
      [
        "tpull info --daemon-json daemon.json",
        "as a dockerd with these settings",
      ],
    ],
  },
  df: {
    group: "root",
    summary: "say what takes the space in a data root",
    usage: ["tpull df [options]"],
    examples: [["tpull df -v", "image by image"]],
  },
  tag: {
    group: "root",
    summary: "give an image another name",
    usage: ["tpull tag [options] IMAGE NAME[:TAG]..."],
    operands: { ...LOCAL, least: 2, most: MANY },
    arguments: [
      LOCAL_IMAGE,
      ["NAME[:TAG]", "the new name; :latest without a tag"],
    ],
    examples: [
      ["tpull tag nginx registry.example/web:1", "one image, two names"],
    ],
  },
  rmi: {
    group: "root",
    summary: "remove images, or names of images",
    usage: ["tpull rmi [options] IMAGE..."],
    operands: { ...LOCAL, least: 1, most: MANY },
    arguments: [LOCAL_IMAGE],
    examples: [
      ["tpull rmi nginx:1.26 redis", "an image goes with its last name"],
      ["tpull rmi -f $(tpull images -q)", "all of them"],
    ],
    status: {
      done: "all of them are gone",
      failed: "one could not be removed; the others are gone",
    },
  },
  prune: {
    group: "root",
    summary: "remove what nobody uses",
    usage: ["tpull prune [options]"],
    examples: [
      ["tpull prune --dry-run -a", "which images no container uses"],
      ["tpull prune -f", "images without a name"],
      [
        "tpull prune -a -f --keep-storage 20GB",
        "the oldest until 20 GB are left",
      ],
      ["tpull prune --partial -f", "what interrupted pulls left"],
      ["tpull prune --blobs -f", "what pull --keep-blobs has kept"],
    ],
  },
  verify: {
    group: "root",
    summary: "check a data root against what it claims to hold, and mend it",
    usage: [
      "tpull verify [options] [IMAGE...]",
      "tpull verify --repair [options] [IMAGE...]",
      "tpull verify [options] ARCHIVE...",
    ],
    operands: { ...LOCAL, least: 0, most: MANY },
    arguments: [LOCAL_IMAGE],
    examples: [
      ["tpull verify --quick", "names, chains and links, no content"],
      ["tpull verify ./images.tar", "an archive, by itself"],
      ["tpull verify --root DIR ./new.tar", "with the layers of that root"],
      ["tpull verify --repair --yes", "after a power cut"],
    ],
    status: {
      done: "nothing is wrong (any more)",
      failed: "something is wrong, or could not be mended",
      others: [
        [
          "3",
          "an archive is sound, and layers are needed that are neither in it nor in what --root and --have name",
        ],
      ],
    },
  },
  serve: {
    group: "elsewhere",
    summary: "be a read-only registry for images that are here",
    usage: ["tpull serve [options] [[NAME=]PATH...]"],
    operands: { noun: "layout", least: 0, most: MANY, offers: "files" },
    arguments: [
      [
        "PATH",
        "an OCI image layout: a directory, or a plain tar archive (tpull bundle, tpull save, docker save since 25, skopeo oci-archive:)",
      ],
      [
        "NAME",
        "[host/]repository that all images in it are served as, whatever they say themselves",
      ],
    ],
    examples: [
      ["tpull serve images.tar", "a bundle, from where it lies"],
      ["tpull serve --root /srv/data", "what was pulled into a data root"],
      ["tpull serve --listen :5000 library/a=./a", "to the network, renamed"],
    ],
    status: {
      done: "it was stopped, by Ctrl-C or SIGTERM, and ended in good order",
      failed: "it could not begin",
    },
  },
  save: {
    group: "elsewhere",
    summary: "save images from a data root as one archive",
    usage: ["tpull save [options] -o FILE IMAGE..."],
    operands: { ...LOCAL, least: 1, most: MANY },
    arguments: [LOCAL_IMAGE],
    examples: [
      ["tpull save -o web.tar nginx:1.27 redis:7", "shared layers once"],
      ["tpull save --compress zstd nginx | ssh host tpull load", "no file"],
    ],
  },
  load: {
    group: "elsewhere",
    summary: "load images from an archive into a data root",
    usage: ["tpull load [options] [-i FILE|DIR]"],
    arguments: [
      [
        "FILE|DIR",
        "what docker, podman, skopeo, buildkit, kaniko, crane or ctr saved, compressed or not",
      ],
    ],
    examples: [
      ["tpull load -i web.tar", "prints docker's lines"],
      ["docker save nginx | tpull load -q", "from standard input"],
    ],
    status: {
      done: "every image of the archive is in the data root",
      failed: "an image failed; a damaged archive changes nothing",
    },
  },
  bundle: {
    group: "elsewhere",
    summary: "fetch images into an archive to be carried elsewhere",
    usage: [
      "tpull bundle [options] -o FILE|DIR IMAGE...",
      "tpull bundle [options] -o FILE|DIR -f LIST",
    ],
    operands: { noun: "image", least: 0, most: MANY },
    arguments: [IMAGE],
    examples: [
      ["tpull bundle -o /mnt/usb/images -f images.txt", "again: the rest"],
      ["tpull bundle --have there.json -o new.tar web:2", "only new layers"],
      ["tpull bundle -o - web:2 | ssh there tpull load", "without a file"],
    ],
    status: {
      done: "the bundle is complete",
      failed: "an image failed; the bundle is as it was",
    },
  },
  lock: {
    group: "elsewhere",
    summary: "write down which bytes the names of a list stand for now",
    usage: [
      "tpull lock [options] [-o LOCK] IMAGE...",
      "tpull lock [options] [-o LOCK] -f LIST",
      "tpull lock --check [options] [-f LIST] LOCK",
    ],
    operands: { noun: "image", least: 0, most: MANY, offers: "files" },
    arguments: [
      IMAGE,
      [
        "LOCK",
        "a lock file, which every command takes as LIST: then all hosts get the same bytes, wherever the tags have moved; - is standard input, or output",
      ],
    ],
    examples: [
      [
        "tpull lock -f compose.yaml -o tpull.lock",
        "again: brings it up to date",
      ],
      ["tpull lock --check tpull.lock", "what has moved since"],
      [
        "tpull lock --check -f compose.yaml tpull.lock",
        "and is it the list's?",
      ],
      ["tpull -f tpull.lock", "exactly that"],
    ],
    status: {
      done: "the lock is written, or nothing has moved",
      failed: "an image could not be asked for; the lock is as it was",
      others: [
        [
          "3",
          "--check: a name stands for something else now, or is gone, or the list names other images or platforms",
        ],
      ],
    },
  },
  inventory: {
    group: "elsewhere",
    summary: "list the layers of a data root, for bundles without them",
    usage: ["tpull inventory [options]"],
    examples: [["tpull inventory >there.json", "where images are to go"]],
  },
  "images-of": {
    group: "elsewhere",
    summary: "list the images that a file names, as --file takes them",
    usage: ["tpull images-of [options] FILE..."],
    operands: { noun: "file", least: 1, most: MANY, offers: "files" },
    arguments: [
      [
        "FILE",
        "one reference a line, a lock file, a compose file, Kubernetes objects or a Dockerfile; - is standard input",
      ],
    ],
    examples: [
      ["tpull images-of compose.yaml --profile debug", "of services"],
      ["helm template ./chart | tpull images-of -", "of a chart"],
    ],
  },
  completion: {
    group: "tpull",
    summary: "print a completion script for a shell",
    usage: ["tpull completion bash|zsh|fish"],
    operands: { noun: "shell", least: 1, most: 1, offers: SHELLS },
    examples: [
      ["source <(tpull completion bash)", "for this bash or zsh"],
      ["tpull completion fish | source", "for this fish"],
    ],
  },
  demo: {
    group: "tpull",
    summary: "pull a small image from a registry inside tpull, explained",
    usage: ["tpull demo [options]"],
    examples: [["tpull demo --root ./demo-root", "keep what it wrote"]],
  },
  login: {
    group: "registries",
    summary: "log in to a registry, as docker keeps it",
    usage: ["tpull login [options] [-u USER] [--password-stdin] [REGISTRY]"],
    arguments: [REGISTRY],
    examples: [
      ["tpull login registry.example:5000", "asks for user and password"],
      ["tpull login -u me --password-stdin <token", "Docker Hub, in scripts"],
    ],
  },
  logout: {
    group: "registries",
    summary: "forget the log-in to a registry",
    usage: ["tpull logout [REGISTRY]"],
    arguments: [REGISTRY],
    examples: [],
  },
  help: {
    group: "tpull",
    summary: "explain tpull or one command",
    usage: ["tpull help [COMMAND]"],
    operands: { noun: "command", least: 0, most: 1, offers: "commands" },
    examples: [],
  },
  version: {
    group: "tpull",
    summary: "print the version",
    usage: ["tpull version"],
    examples: [],
  },
};

/** The first words of docker's management forms. */
export type ManagementWord = "image" | "system";

/** Docker's management forms: two words that are another name of a command. */
const MANAGEMENT: Readonly<
  Record<ManagementWord, Readonly<Record<string, CommandName>>>
> = {
  image: {
    ls: "images",
    list: "images",
    pull: "pull",
    inspect: "inspect",
    history: "history",
    rm: "rmi",
    remove: "rmi",
    prune: "prune",
    tag: "tag",
    save: "save",
    load: "load",
  },
  system: { df: "df", info: "info" },
};

/** Other single words for commands. */
const ALIASES: Readonly<Record<string, CommandName>> = { ls: "images" };

/** The command that the first words name, and how many of them do. */
export function commandOf(words: readonly string[]): {
  readonly command: CommandName | undefined;
  readonly taken: 0 | 1 | 2;
} {
  const [first = "", second = ""] = words;
  if (isCommand(first)) return { command: first, taken: 1 };
  if (Object.hasOwn(ALIASES, first)) {
    return { command: ALIASES[first], taken: 1 };
  }
  const group = managementGroup(first);
  if (group === undefined || !Object.hasOwn(group, second)) {
    return { command: undefined, taken: 0 };
  }
  return { command: group[second], taken: 2 };
}

/** The second words that a management form knows; undefined for any other first word. */
export function managementGroup(
  word: string | undefined,
): Readonly<Record<string, CommandName>> | undefined {
  return isManagementWord(word) ? MANAGEMENT[word] : undefined;
}

export function isManagementWord(
  word: string | undefined,
): word is ManagementWord {
  return word !== undefined && Object.hasOwn(MANAGEMENT, word);
}

/** The words that name commands, docker's two among them: `image ls`. */
export function commandWords(): [words: string, command: CommandName][] {
  return [
    ...(Object.keys(COMMANDS) as CommandName[]).map(
      (name): [string, CommandName] => [name, name],
    ),
    ...Object.entries(ALIASES),
    ...Object.entries(MANAGEMENT).flatMap(([word, group]) =>
      Object.entries(group).map(([second, name]): [string, CommandName] => [
        `${word} ${second}`,
        name,
      ]),
    ),
  ];
}

/** Every word that a command line may begin with, and what it stands for. */
export function firstWords(): [word: string, summary: string][] {
  return [
    ...Object.entries(COMMANDS).map(([name, { summary }]): [string, string] => [
      name,
      summary,
    ]),
    ...Object.entries(ALIASES).map(([word, name]): [string, string] => [
      word,
      COMMANDS[name].summary,
    ]),
    ...Object.entries(MANAGEMENT).map(([word, group]): [string, string] => [
      word,
      `docker's form: tpull ${word} ${Object.keys(group).join("|")}`,
    ]),
  ];
}

export function isCommand(word: string | undefined): word is CommandName {
  return word !== undefined && Object.hasOwn(COMMANDS, word);
}
