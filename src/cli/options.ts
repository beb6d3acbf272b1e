/**
 * The options of the command line as data: `args.ts` parses by this table,
 * `help.ts` prints it.
 */
import type { MirrorSetting } from "../network-settings.js";
import type { Compression } from "../../store/ingest/compress.js";
import type { CommandName } from "./commands.js";
import {
  readDuration,
  readHost,
  readHostOrNetwork,
  readListenAddress,
  readMirror,
  readPlatforms,
  readRate,
  readSize,
  type ValueReader,
} from "./option-values.js";

export const PROGRESS_MODES = ["auto", "tty", "plain", "json", "none"] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

export const LOG_FORMATS = ["plain", "json"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** The options that were given, checked. What is absent was not given. */
export interface Flags {
  root?: string;
  platform?: readonly string[];
  "all-tags"?: true;
  "keep-going"?: true;
  /** Milliseconds. */
  jitter?: number;
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
  all?: true;
  digests?: true;
  filter?: readonly string[];
  format?: string;
  "daemon-json"?: string;
  "no-trunc"?: true;
  human?: boolean;
  tree?: true;
  verbose?: true;
  force?: true;
  "no-prune"?: true;
  partial?: true;
  "dry-run"?: true;
  /** Bytes. */
  "keep-storage"?: number;
  /** False where it was said that none are to be kept, whatever the environment says. */
  "keep-blobs"?: boolean;
  /** Bytes. */
  "keep-blobs-limit"?: number;
  blobs?: true;
  listen?: string;
  "tls-cert"?: string;
  "tls-key"?: string;
  htpasswd?: string;
  metrics?: string;
  log?: LogFormat;
  /** Milliseconds. */
  grace?: number;
  quick?: true;
  repair?: true;
  yes?: true;
  output?: string;
  input?: string;
  compress?: Compression | "kept";
  retag?: true;
  as?: string;
  file?: readonly string[];
  profile?: readonly string[];
  check?: true;
  "ignore-buildable"?: true;
  checksum?: true;
  have?: readonly string[];
  base?: readonly string[];
}

export type OptionName = keyof Flags;

type Element<Value> = Value extends readonly (infer One)[] ? One : never;

export interface OptionSpec<Value = unknown> {
  readonly help: string;
  readonly short?: string;
  /** Where one letter means different options to different commands. */
  readonly shortAt?: Partial<Record<CommandName, string>>;
  /** A switch that is on unless `=false` follows it. */
  readonly onByDefault?: true;
  /** A switch that the environment may turn on, so that `=false` says something. */
  readonly fromEnvironment?: true;
  readonly metavar?: string;
  readonly default?: string;
  readonly choices?: readonly string[];
  /** What a shell offers for the value, which may be something else, too. */
  readonly offers?: readonly string[];
  readonly range?: readonly [number, number];
  readonly read?: ValueReader<Value | Element<Value>>;
  /** The commands to which a dash alone is standard input or output. */
  readonly dash?: readonly CommandName[];
  /** May be given several times; its value is the list. Of others the last one counts. */
  readonly repeatable?: true;
  /** The commands that take it; `--help` and `--version` go anywhere. */
  readonly commands: readonly CommandName[];
  /** What the help of single commands says instead. */
  readonly at?: Partial<
    Record<
      CommandName,
      {
        readonly help?: string;
        readonly default?: string;
        readonly offers?: readonly string[];
      }
    >
  >;
  /** Under which heading help lists it: `Options` without. */
  readonly group?: "registry";
}

/** The commands that ask registries. */
const ASKING: readonly CommandName[] = [
  "pull",
  "prefetch",
  "plan",
  "manifest",
  "resolve",
  "tags",
  "bundle",
  "lock",
];

/** The commands that look at a data root. */
const LOCAL: readonly CommandName[] = [
  "images",
  "inspect",
  "history",
  "layers",
  "info",
  "df",
  "tag",
  "rmi",
  "prune",
  "verify",
  "save",
  "load",
  "inventory",
];

/** The commands that connect to registries. */
const CONNECTING: readonly CommandName[] = [...ASKING, "login", "verify"];

const ROOT_TO_LOOK_AT = { help: "data root to look at" };
const ROOT_TO_CHANGE = { help: "data root to change" };
const GIVE_UP = { help: "give up after 30s, 10m, 1h, 1h30m" };

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
    commands: ["pull", "prefetch", "plan", "demo", ...LOCAL, "serve"],
    at: {
      serve: {
        help: "serve the images in this data root, too",
        default: "served when no PATH is given: as 'tpull images' has it",
      },
      plan: ROOT_TO_LOOK_AT,
      images: ROOT_TO_LOOK_AT,
      inspect: ROOT_TO_LOOK_AT,
      history: ROOT_TO_LOOK_AT,
      layers: ROOT_TO_LOOK_AT,
      info: ROOT_TO_LOOK_AT,
      df: ROOT_TO_LOOK_AT,
      tag: ROOT_TO_CHANGE,
      rmi: ROOT_TO_CHANGE,
      prune: ROOT_TO_CHANGE,
      verify: {
        help: "data root to check; of an archive: layers that this root has need not be in it",
      },
      save: { help: "data root to save from" },
      load: { help: "data root to load into" },
      inventory: ROOT_TO_LOOK_AT,
      demo: { default: "a fresh temporary folder" },
    },
  },
  platform: {
    metavar: "P[,P...]",
    help: "os/arch[/variant] of the image to choose; several with commas between, or all",
    default: "this machine's",
    read: readPlatforms,
    offers: [
      "all",
      "linux/386",
      "linux/amd64",
      "linux/arm/v6",
      "linux/arm/v7",
      "linux/arm64",
      "linux/ppc64le",
      "linux/riscv64",
      "linux/s390x",
    ],
    commands: [
      "pull",
      "prefetch",
      "plan",
      "manifest",
      "resolve",
      "load",
      "bundle",
      "images-of",
      "lock",
    ],
    at: {
      lock: {
        help: "os/arch[/variant] that the lock is for; several with commas between, or all",
        default: "what the list names, else whatever suits who uses the lock",
      },
      "images-of": {
        help: "of a Dockerfile: os/arch[/variant] that is built for; several with commas between",
      },
      load: {
        help: "os/arch[/variant] to load of an image that has several; more with commas between, or all",
      },
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
  all: {
    help: "",
    commands: ["images", "prune"],
    shortAt: { images: "a", prune: "a" },
    at: {
      images: { help: "list intermediate images, too" },
      prune: {
        help: "remove every image that no container uses, not only those without a name",
      },
    },
  },
  digests: { help: "show the digests", commands: ["images"] },
  filter: {
    metavar: "KEY=VALUE",
    help: "only what fits",
    repeatable: true,
    commands: ["images", "prune"],
    shortAt: { images: "f" },
    at: {
      images: {
        offers: [
          "before=",
          "dangling=false",
          "dangling=true",
          "label=",
          "reference=",
          "since=",
          "until=",
        ],
        help: "only images that fit: dangling=true|false, reference=PATTERN, before=IMAGE, since=IMAGE, until=TIME, label=KEY[=VALUE]",
      },
      prune: {
        offers: ["label!=", "label=", "until="],
        help: "only images that fit: until=TIME (24h, or a date), label=KEY[=VALUE], label!=KEY[=VALUE]",
      },
    },
  },
  format: {
    metavar: "FORMAT",
    help: "a Go template for each line, json, or table and a template",
    offers: ["json", "table"],
    commands: ["images", "inspect", "history", "info", "df"],
    shortAt: { inspect: "f", info: "f" },
    at: {
      inspect: {
        help: "a Go template for each image, or json",
        offers: ["json"],
      },
      info: { help: "a Go template, or json", offers: ["json"] },
    },
  },
  "daemon-json": {
    metavar: "FILE",
    help: "say what a dockerd with this configuration would do, usually /etc/docker/daemon.json; - is standard input",
    default: "one without any",
    commands: ["info"],
    dash: ["info"],
  },
  "no-trunc": {
    help: "show whole IDs",
    commands: ["images", "history", "layers"],
    at: { history: { help: "show whole IDs and commands" } },
  },
  human: {
    shortAt: { history: "H" },
    onByDefault: true,
    help: "sizes and dates for people; --human=false for exact ones",
    commands: ["history"],
  },
  tree: {
    help: "show the layers as a tree, with the images that end in them",
    commands: ["layers"],
  },
  verbose: {
    shortAt: { df: "v" },
    help: "list images, partial blobs and leftovers one by one",
    commands: ["df"],
  },
  force: {
    shortAt: { rmi: "f", prune: "f" },
    help: "do not ask",
    commands: ["rmi", "prune"],
    at: {
      rmi: {
        help: "remove all names of an image that is named by its ID, and images that stopped containers use",
      },
    },
  },
  "no-prune": {
    help: "keep the images without a name that these were built from",
    commands: ["rmi"],
  },
  partial: {
    help: "remove what interrupted pulls left, instead of images",
    commands: ["prune"],
  },
  blobs: {
    help: "remove all blobs that 'tpull pull --keep-blobs' has kept, instead of images",
    commands: ["prune"],
  },
  "dry-run": {
    help: "say what would be removed, and remove nothing",
    commands: ["prune", "verify"],
    at: {
      verify: { help: "with --repair: say what would be done, and do nothing" },
    },
  },
  "keep-storage": {
    metavar: "SIZE",
    help: "remove the oldest first, and stop as soon as all images together take no more than 500MB, 20GB",
    read: readSize,
    commands: ["prune"],
  },
  quick: {
    help: "check names, chains and links only, and read no content",
    commands: ["verify"],
  },
  repair: {
    help: "mend what can be mended: fetch damaged layers again, derive what is derived, remove leftovers",
    commands: ["verify"],
  },
  yes: {
    shortAt: { verify: "y" },
    help: "with --repair: remove leftovers without asking",
    commands: ["verify"],
  },
  listen: {
    metavar: "ADDR",
    help: "host:port, :port for all addresses, or unix:PATH; port 0 is a free one",
    default: "127.0.0.1:5000",
    read: readListenAddress,
    commands: ["serve"],
  },
  "tls-cert": {
    metavar: "FILE",
    help: "speak TLS with this PEM certificate, and those of its chain behind it",
    commands: ["serve"],
  },
  "tls-key": {
    metavar: "FILE",
    help: "the certificate's key, PEM without passphrase",
    commands: ["serve"],
  },
  htpasswd: {
    metavar: "FILE",
    help: "let in only who is in this file, user:hash a line, hashes of bcrypt (htpasswd -B)",
    commands: ["serve"],
  },
  metrics: {
    metavar: "ADDR",
    help: "show what was served for Prometheus, at /metrics of this address",
    read: readListenAddress,
    commands: ["serve"],
  },
  log: {
    metavar: "FORMAT",
    help: "a line on stderr for each request: plain or json",
    default: "plain",
    choices: LOG_FORMATS,
    commands: ["serve"],
  },
  grace: {
    metavar: "TIME",
    help: "let transfers go on so long when it is stopped: 30s, 10m",
    default: "10s",
    read: readDuration,
    commands: ["serve"],
  },
  output: {
    shortAt: { save: "o", bundle: "o", lock: "o" },
    dash: ["lock", "bundle"],
    metavar: "FILE",
    help: "write the archive here; it is there when it is whole",
    commands: ["save", "bundle", "lock"],
    at: {
      lock: {
        help: "write the lock here; it is there when it is whole",
        default: "standard output",
      },
      save: { default: "standard output, unless that is a terminal" },
      bundle: {
        help: "write the bundle here: into a directory if it is one or ends in /, else into a tar; - is standard output",
      },
    },
  },
  checksum: {
    help: "write FILE.SHA256SUMS beside the bundle, as sha256sum does",
    commands: ["bundle", "verify"],
    at: {
      verify: { help: "of an archive: check the SHA256SUMS beside it first" },
    },
  },
  file: {
    shortAt: { pull: "f", prefetch: "f", plan: "f", bundle: "f", lock: "f" },
    dash: ["pull", "prefetch", "plan", "bundle", "lock"],
    metavar: "LIST",
    help: "take the images of this file, too: one a line, or a lock file, a compose file, Kubernetes objects, a Dockerfile; - is standard input",
    repeatable: true,
    commands: ["pull", "prefetch", "plan", "bundle", "lock"],
    at: {
      lock: {
        help: "take the images of this file, too, as other commands do; of a lock file only their names, so that it is brought up to date",
      },
    },
  },
  profile: {
    metavar: "NAME",
    help: "of a compose file: take the services of this profile, too; * for every one",
    repeatable: true,
    commands: ["pull", "prefetch", "plan", "bundle", "lock", "images-of"],
  },
  "keep-going": {
    shortAt: { prefetch: "k" },
    help: "fetch the other images where one cannot be found or fails",
    default: "fetch none if one cannot be found; begin no more after a failure",
    commands: ["prefetch"],
  },
  jitter: {
    metavar: "TIME",
    help: "wait up to 30s, 10m, 1h before it begins, each machine its own part of it and always the same",
    read: readDuration,
    commands: ["prefetch"],
  },
  have: {
    metavar: "FILE",
    help: "leave out the layers that this inventory, or older bundle, has",
    repeatable: true,
    commands: ["bundle", "verify"],
    at: {
      verify: {
        help: "of an archive: layers that this inventory, or other archive, has need not be in it",
      },
    },
  },
  base: {
    metavar: "IMAGE",
    help: "leave out the layers of this image",
    repeatable: true,
    commands: ["bundle"],
  },
  "ignore-buildable": {
    help: "of a compose file: leave out services that can be built as well as pulled",
    commands: ["pull", "prefetch", "plan", "bundle", "lock", "images-of"],
  },
  check: {
    help: "write nothing, and say what has moved since the lock was written; with -f also what the list has and the lock has not, and the other way round",
    commands: ["lock"],
  },
  compress: {
    metavar: "HOW",
    help: "gzip, zstd, or none as docker does: put the layers together and compress them; kept: only blobs that 'tpull pull --keep-blobs' has kept",
    default: "kept for images of which all blobs are, else none",
    choices: ["none", "gzip", "zstd", "kept"],
    commands: ["save"],
  },
  input: {
    shortAt: { load: "i" },
    dash: ["load"],
    metavar: "FILE|DIR",
    help: "read this; - is standard input",
    default: "standard input, unless that is a terminal",
    commands: ["load"],
  },
  retag: {
    help: "let names of the archive that other images have in the data root go over to those of the archive",
    commands: ["load"],
  },
  as: {
    metavar: "NAME",
    help: "give the only image of the archive this name, too",
    commands: ["load"],
  },
  "all-tags": {
    short: "a",
    help: "every tag of the repository",
    commands: ["pull", "prefetch", "plan"],
  },
  concurrency: {
    metavar: "N",
    help: "layers in flight at once, 1 to 64",
    default: "one more than cores, 3 to 8",
    range: [1, 64],
    commands: ["pull", "prefetch", "demo", "load", "bundle"],
  },
  "keep-blobs": {
    help: "keep the layers' blobs as the registry has them, too, so that 'tpull save' and 'tpull serve' give its own digests",
    fromEnvironment: true,
    default: "$TPULL_KEEP_BLOBS, else no",
    commands: ["pull", "prefetch"],
  },
  "keep-blobs-limit": {
    metavar: "SIZE",
    help: "with --keep-blobs: keep at most so much in the data root, and remove what was used longest ago",
    default: "10GB",
    read: readSize,
    commands: ["pull", "prefetch"],
  },
  quiet: {
    short: "q",
    help: "print only the canonical name of each image (and errors)",
    commands: [
      "pull",
      "prefetch",
      "resolve",
      "images",
      "history",
      "rmi",
      "prune",
      "verify",
      "serve",
      "load",
      "bundle",
      "lock",
      "images-of",
    ],
    at: {
      lock: {
        help: "say only what is no longer in the lock; with --check: only what is not as it was",
      },
      prefetch: { help: "print nothing (but errors)" },
      serve: { help: "no line for each request" },
      bundle: { help: "print nothing but failures" },
      "images-of": { help: "do not say what was left out" },
      load: { help: "print nothing but what was loaded" },
      images: { help: "print only the IDs" },
      history: { help: "print only the IDs" },
      rmi: { help: "print nothing (but errors)" },
      prune: { help: "print only the IDs of what is removed" },
      verify: { help: "print nothing but findings" },
      resolve: {
        help: "print only the digest: of the name, or with --platform of that platform",
      },
    },
  },
  json: {
    help: "print one JSON document",
    commands: [
      "prefetch",
      "plan",
      "manifest",
      "resolve",
      "tags",
      "bundle",
      "lock",
      "images-of",
      ...LOCAL,
    ],
  },
  progress: {
    metavar: "MODE",
    help: "auto, tty (bars), plain (docker's transcript), json (one event a line), or none (results only)",
    default: "auto: tty on a terminal, plain elsewhere and where $CI is set",
    choices: PROGRESS_MODES,
    commands: ["pull", "prefetch", "demo", "verify", "load", "bundle"],
    at: {
      bundle: {
        help: "auto, tty (bars), plain (a line a layer), json (one event a line), or none",
        default: "auto: tty on a terminal, none elsewhere and where $CI is set",
      },
      prefetch: {
        help: "auto, tty (bars), plain (docker's transcript), json (one event a line), or none; then the report",
        default: "auto: tty on a terminal, none elsewhere and where $CI is set",
      },
      verify: { help: "auto, tty, plain, json, or none" },
      load: {
        help: "auto, tty (bars), plain, json (one event a line), or none",
      },
    },
  },
  timeout: {
    metavar: "TIME",
    help: "give up after 30s, 10m, 1h, 1h30m; what is stored by then stays",
    read: readDuration,
    commands: [...ASKING, "verify", "load"],
    at: {
      plan: GIVE_UP,
      manifest: GIVE_UP,
      resolve: GIVE_UP,
      tags: GIVE_UP,
      bundle: { help: "give up after 30s, 10m, 1h; what was fetched stays" },
      lock: GIVE_UP,
      verify: GIVE_UP,
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
    commands: [...ASKING, "verify"],
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
    commands: [...ASKING, "verify"],
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

/** The letter by which a command knows an option. */
export function shortOf(
  spec: OptionSpec,
  command: CommandName,
): string | undefined {
  return spec.shortAt?.[command] ?? spec.short;
}

/** Whether the command takes the option. */
export function isFor(spec: OptionSpec, command: CommandName): boolean {
  return spec.commands.length === 0 || spec.commands.includes(command);
}
