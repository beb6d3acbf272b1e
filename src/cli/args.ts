/** Turns argv into a checked request, by the tables of `commands.ts` and `options.ts`. */
import { parseArgs } from "node:util";
import { TpullError, isTpullError } from "../../store/errors.js";
import { areArchives } from "./archive-operand.js";
import {
  COMMANDS,
  commandOf,
  firstWords,
  isManagementWord,
  managementGroup,
  SHELLS,
  type CommandName,
  type LocalCommand,
  type ManagementWord,
  type QueryCommand,
  type Shell,
  type WorkCommand,
} from "./commands.js";
import type { ImageRequest } from "../requests.js";
import { nearest } from "./near.js";
import { ValueProblem } from "./option-values.js";
import {
  isFor,
  OPTIONS,
  optionSpecs,
  shortOf,
  type Flags,
  type OptionName,
  type OptionSpec,
} from "./options.js";

/** What the user asks for. `images` are the operands, also where they are repositories. */
export type Request =
  | {
      command: "pull";
      images: string[];
      /** The images with what lists say of them, where there are lists. */
      requests?: readonly ImageRequest[];
      flags: Flags;
      /** The command that the first image would be, but for a slip of the pen. */
      near?: string;
    }
  | {
      command: QueryCommand;
      images: string[];
      requests?: readonly ImageRequest[];
      flags: Flags;
    }
  | {
      command: "prefetch";
      images: string[];
      requests?: readonly ImageRequest[];
      flags: Flags;
    }
  | { command: LocalCommand; images: string[]; flags: Flags }
  | { command: "load"; flags: Flags }
  | { command: "completion"; shell: Shell }
  | { command: "demo"; flags: Flags }
  | { command: "login"; server: string | undefined; flags: Flags }
  | { command: "logout"; server: string | undefined; flags: Flags }
  | { command: "help"; topic: HelpTopic | undefined }
  | { command: "version" };

/** What help can be asked about. */
export type HelpTopic = CommandName | ManagementWord;

/** Code of the errors that end with exit status 2: the command line itself is wrong. */
export const USAGE: string = "USAGE";

type Token =
  | { kind: "positional"; value: string }
  | {
      kind: "option";
      name: string;
      rawName: string;
      value?: string | undefined;
      inlineValue?: boolean | undefined;
    }
  | { kind: "option-terminator" };

/**
 * Reads the arguments after the program's name. The first word that is not an
 * option is the command if it names one; all others are images (each once, in
 * the order of their first mention). `--help` and `--version` win over
 * everything else on the line.
 * @throws TpullError `USAGE`
 */
export function parseCommandLine(argv: readonly string[]): Request {
  // What a letter means depends on the command, which stands before it.
  const { command } = splitWords(tokenize(argv, "pull"));
  const tokens = tokenize(argv, command ?? "pull");
  const { words, leading } = splitWords(tokens);
  const given = tokens.filter((token) => token.kind === "option");
  if (given.some((token) => token.name === "help")) {
    const asked = command === "help" ? words : leading;
    return { command: "help", topic: topicOf(asked) };
  }
  if (given.some((token) => token.name === "version")) {
    return { command: "version" };
  }
  if (command === undefined) refuseUnfinished(leading);

  const flags: Record<string, unknown> = {};
  for (const token of given) {
    const [name, value] =
      command === undefined
        ? readPullOption(token, leading)
        : readOption(token, command);
    const spec = OPTIONS[name] as OptionSpec;
    if (value === undefined) {
      delete flags[name];
      continue;
    }
    const before = (flags[name] ?? []) as unknown[];
    flags[name] = spec.repeatable ? [...before, value] : value;
  }
  return buildRequest(command, words, flags as Flags);
}

/** The command that the arguments name, as far as that can be told of arguments that are wrong. */
export function commandNamed(argv: readonly string[]): CommandName | undefined {
  return splitWords(tokenize(argv, "pull")).command;
}

function tokenize(argv: readonly string[], command: CommandName): Token[] {
  const letters = lettersOf(command);
  const options = Object.fromEntries(
    optionSpecs().map(([name, spec]) => {
      const type = spec.metavar === undefined ? "boolean" : "string";
      const short = letters.get(name);
      return [name, { type, ...(short === undefined ? {} : { short }) }];
    }),
  ) as Record<string, { type: "boolean" | "string"; short?: string }>;
  // Not strict: the messages for what is wrong are made here.
  const { tokens } = parseArgs({
    args: withLongNames(argv, letters),
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  return tokens;
}

/** `-H=false` as docker takes it: Node would read three letters and a sign. */
function withLongNames(
  argv: readonly string[],
  letters: ReadonlyMap<OptionName, string>,
): string[] {
  const names = new Map([...letters].map(([name, letter]) => [letter, name]));
  const end = argv.indexOf("--");
  return argv.map((word, at) => {
    const [, letter = "", value = ""] = /^-([A-Za-z])(=.*)$/s.exec(word) ?? [];
    const name = names.get(letter);
    const isOption = end === -1 || at < end;
    return name !== undefined && isOption ? `--${name}${value}` : word;
  });
}

/** The letter of each option: those of the command, then those of others that are free. */
function lettersOf(command: CommandName): Map<OptionName, string> {
  const letters = new Map<OptionName, string>();
  const taken = new Set<string>();
  const specs = optionSpecs();
  const own = specs.filter(([, spec]) => isFor(spec, command));
  const foreign = specs.filter(([, spec]) => !isFor(spec, command));
  for (const [name, spec] of [...own, ...foreign]) {
    const letter = shortOf(spec, isFor(spec, command) ? command : "help");
    if (letter === undefined || taken.has(letter)) continue;
    letters.set(name, letter);
    taken.add(letter);
  }
  return letters;
}

function splitWords(tokens: readonly Token[]): {
  command: CommandName | undefined;
  /** Those before a `--`, which alone may name a command. */
  leading: string[];
  /** Those behind the command. */
  words: string[];
} {
  const words: string[] = [];
  let unquoted = 0;
  let terminated = false;
  for (const token of tokens) {
    if (token.kind === "option-terminator") terminated = true;
    if (token.kind !== "positional") continue;
    words.push(token.value);
    if (!terminated) unquoted += 1;
  }
  const leading = words.slice(0, unquoted);
  const { command, taken } = commandOf(leading);
  return { command, leading, words: words.slice(taken) };
}

/** The command or the management form that words begin with. */
function topicOf(words: readonly string[]): HelpTopic | undefined {
  const [word] = words;
  const { command } = commandOf(words);
  return command ?? (isManagementWord(word) ? word : undefined);
}

/** `tpull image` and `tpull system` want a second word that they know. */
function refuseUnfinished([word = "", next]: readonly string[]): void {
  const group = managementGroup(word);
  if (group === undefined) return;
  const known = Object.keys(group);
  const list = `'tpull ${word}' is followed by ${known.join(", ")}`;
  if (next === undefined) {
    throw usageError(
      `${list} ('tpull pull ${word}' pulls an image of that name)`,
    );
  }
  throw usageError(
    `${list}, not ${shown(next)}${didYouMean(nearest(next, known))}`,
  );
}

/** Without a command it is a pull; options that a pull has not may be those of a command that is misspelled. */
function readPullOption(
  token: Token & { kind: "option" },
  leading: readonly string[],
): ReturnType<typeof readOption> {
  try {
    return readOption(token, "pull");
  } catch (error) {
    const near = nearCommand(leading[0]);
    if (near === undefined || !isTpullError(error)) throw error;
    throw usageError(
      `${error.message} (did you mean the command 'tpull ${near}'?)`,
    );
  }
}

function readOption(
  token: Token & { kind: "option" },
  command: CommandName,
): [OptionName, unknown] {
  if (!Object.hasOwn(OPTIONS, token.name)) throw unknownOption(token, command);
  const name = token.name as OptionName;
  const spec = OPTIONS[name] as OptionSpec;
  const flag = token.rawName;
  if (!spec.commands.includes(command)) {
    throw usageError(`${flag} is not an option of 'tpull ${command}'`);
  }
  if (spec.metavar === undefined) return [name, readSwitch(token, spec)];
  const { value } = token;
  if (value === undefined) {
    throw usageError(`${flag} needs a value: --${name} ${spec.metavar}`);
  }
  if (value === "") throw usageError(`the value of ${flag} is empty`);
  const isStream = value === "-" && spec.dash?.includes(command);
  if (!token.inlineValue && value.startsWith("-") && !isStream) {
    throw usageError(
      `${flag} needs a value, but ${shown(value)} follows (write --${name}=${spec.metavar} for a value that begins with "-")`,
    );
  }
  return [name, checkedValue(flag, value, spec)];
}

/** `--name`, and `--name=true` or `--name=false` as docker takes them; undefined for what is as if it were not given. */
function readSwitch(
  { rawName, value }: Token & { kind: "option" },
  spec: OptionSpec,
): boolean | undefined {
  if (value === undefined || value === "true") return true;
  if (value !== "false") {
    throw usageError(`${rawName} takes no value but =true or =false`);
  }
  return spec.onByDefault || spec.fromEnvironment ? false : undefined;
}

function checkedValue(flag: string, value: string, spec: OptionSpec): unknown {
  if (spec.read !== undefined) return readValue(flag, value, spec.read);
  if (spec.choices !== undefined && !spec.choices.includes(value)) {
    const near = nearest(value, spec.choices);
    throw usageError(
      `${flag} is one of ${spec.choices.join(", ")}, not ${shown(value)}${didYouMean(near)}`,
    );
  }
  if (spec.range === undefined) return value;
  const [least, most] = spec.range;
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= least && number <= most)) {
    throw usageError(
      `${flag} is a whole number from ${least} to ${most}, not ${shown(value)}`,
    );
  }
  return number;
}

function readValue(
  flag: string,
  value: string,
  read: NonNullable<OptionSpec["read"]>,
): unknown {
  try {
    return read(value);
  } catch (error) {
    if (!(error instanceof ValueProblem)) throw error;
    throw usageError(`${flag} ${error.message}`);
  }
}

function buildRequest(
  command: CommandName | undefined,
  words: string[],
  flags: Flags,
): Request {
  switch (command) {
    case "version":
      refuseWords(command, words);
      return { command };
    case "help":
      return { command, topic: helpTopic(words) };
    case "demo":
      refuseWords(command, words);
      return { command, flags };
    case "load":
      refuseTogether(flags);
      refuseWords(command, words);
      return { command, flags };
    case "login":
      if (flags["password-stdin"] && flags.username === undefined) {
        throw usageError("--password-stdin needs --username");
      }
      return { command, server: oneServer(command, words), flags };
    case "logout":
      return { command, server: oneServer(command, words), flags };
    case "completion":
      return { command, shell: oneShell(words) };
    case "pull":
    case "prefetch":
    case "plan":
    case "manifest":
    case "resolve":
    case "tags":
    case "bundle":
    case "lock":
    case undefined:
      return withNear(command, workRequest(command ?? "pull", words, flags));
    default:
      return localRequest(command, words, flags);
  }
}

function localRequest(
  command: LocalCommand,
  words: string[],
  flags: Flags,
): Request {
  refuseTogether(flags);
  if (command === "verify") refuseUnusedByVerify(words, flags);
  if ((flags["tls-cert"] === undefined) !== (flags["tls-key"] === undefined)) {
    throw usageError("--tls-cert and --tls-key go together");
  }
  const { least = 0, most = 0, noun = "" } = COMMANDS[command].operands ?? {};
  if (words.length < least) {
    throw usageError(
      words.length === 0
        ? `no ${noun} is named`
        : `'tpull ${command}' needs ${least} words, and there is one`,
    );
  }
  if (words.includes("")) throw usageError(`the name of an image is empty`);
  refuseWords(command, words.slice(most));
  return { command, images: words, flags };
}

/** What a check does not heed must not look as if it had been checked. */
function refuseUnusedByVerify(words: readonly string[], flags: Flags): void {
  for (const name of ["yes", "dry-run"] as const) {
    if (flags[name] && !flags.repair) {
      throw usageError(`--${name} goes with --repair`);
    }
  }
  const isArchive = areArchives(words);
  for (const name of ["checksum", "have"] as const) {
    if (flags[name] !== undefined && !isArchive) {
      throw usageError(`--${name} goes with an archive: a path, or FILE.tar`);
    }
  }
  for (const name of ["quick", "repair"] as const) {
    if (flags[name] && isArchive) {
      throw usageError(`--${name} is for a data root, not for an archive`);
    }
  }
}

function oneShell(words: readonly string[]): Shell {
  const [shell = "", ...more] = words;
  refuseWords("completion", more);
  const known = SHELLS.find((each) => each === shell);
  if (known !== undefined) return known;
  const what = shell === "" ? "" : `, not ${shown(shell)}`;
  throw usageError(`the shell is one of ${SHELLS.join(", ")}${what}`);
}

/** A first word that is nearly a command is an image all the same; it is said when there is none. */
function withNear(command: CommandName | undefined, request: Request): Request {
  if (command !== undefined || request.command !== "pull") return request;
  const near = nearCommand(request.images[0]);
  return near === undefined ? request : { ...request, near };
}

function nearCommand(word: string | undefined): string | undefined {
  if (word === undefined || !/^[a-z]+$/.test(word)) return undefined;
  return nearest(word, Object.keys(COMMANDS));
}

function workRequest(
  command: WorkCommand,
  words: string[],
  flags: Flags,
): Request {
  refuseTogether(flags);
  const { json, progress } = flags;
  if (json && command === "prefetch" && /^(json|plain)$/.test(progress ?? "")) {
    throw usageError(`--json and --progress ${progress} exclude each other`);
  }
  const { least = 0, most = 0, noun = "" } = COMMANDS[command].operands ?? {};
  const operand = flags["all-tags"] ? "repository" : noun;
  if (words.length < least && flags.file === undefined) {
    throw usageError(`no ${operand} is named`);
  }
  if (flags["all-tags"] && flags.file !== undefined) {
    throw usageError("--all-tags and --file exclude each other");
  }
  if (words.includes("")) {
    throw usageError(
      `the name of ${operand === "image" ? "an" : "a"} ${operand} is empty`,
    );
  }
  const images = [...new Set(words)];
  refuseWords(command, images.slice(most));
  return { command, images, flags };
}

function refuseTogether(flags: Flags): void {
  if (flags.quiet && isLoud(flags.progress)) {
    throw usageError(
      `--quiet and --progress ${flags.progress} exclude each other`,
    );
  }
  if (flags.quiet && flags.json) {
    throw usageError("--quiet and --json exclude each other");
  }
  if (flags.format !== undefined && flags.json) {
    throw usageError("--format and --json exclude each other");
  }
}

function oneServer(
  command: "login" | "logout",
  words: readonly string[],
): string | undefined {
  refuseWords(command, words.slice(1));
  if (words[0] === "") throw usageError("the name of the registry is empty");
  return words[0];
}

function isLoud(progress: Flags["progress"]): boolean {
  return progress !== undefined && progress !== "auto" && progress !== "none";
}

function helpTopic(words: readonly string[]): HelpTopic | undefined {
  const [word, second] = words;
  if (word === undefined) return undefined;
  if (isManagementWord(word) && second === undefined) return word;
  const { command, taken } = commandOf(words);
  if (command === undefined) {
    refuseUnfinished(words);
    const known = firstWords().map(([first]) => first);
    const near = nearest(word, known);
    throw usageError(`${shown(word)} is not a command${didYouMean(near)}`);
  }
  refuseWords("help", words.slice(taken));
  return command;
}

function refuseWords(command: CommandName, words: readonly string[]): void {
  const [word] = words;
  if (word === undefined) return;
  const how =
    command === "load" ? `: an archive is named with -i, as -i ${word}` : "";
  throw usageError(
    `unexpected argument ${shown(word)} of 'tpull ${command}'${how}`,
  );
}

function unknownOption(
  token: Token & { kind: "option" },
  command: CommandName,
): TpullError {
  const known = optionSpecs()
    .filter(([, spec]) => isFor(spec, command))
    .map(([name]) => name);
  const near = nearest(token.name, known);
  return usageError(
    `unknown option ${shown(token.rawName)}${didYouMean(near && `--${near}`)}`,
  );
}

function didYouMean(near: string | undefined): string {
  return near === undefined || near === "" ? "" : ` (did you mean ${near}?)`;
}

function shown(text: string): string {
  return JSON.stringify(text);
}

function usageError(message: string): TpullError {
  return new TpullError(USAGE, message);
}
