/** Turns argv into a checked request, by the tables of `commands.ts` and `options.ts`. */
import { parseArgs } from "node:util";
import { TpullError } from "../../store/errors.js";
import {
  COMMANDS,
  isCommand,
  type CommandName,
  type QueryCommand,
  type WorkCommand,
} from "./commands.js";
import { nearest } from "./near.js";
import { ValueProblem } from "./option-values.js";
import {
  isFor,
  OPTIONS,
  optionSpecs,
  type Flags,
  type OptionName,
  type OptionSpec,
} from "./options.js";

/** What the user asks for. `images` are the operands, also where they are repositories. */
export type Request =
  | { command: "pull"; images: string[]; flags: Flags }
  | { command: QueryCommand; images: string[]; flags: Flags }
  | { command: "demo"; flags: Flags }
  | { command: "login"; server: string | undefined; flags: Flags }
  | { command: "logout"; server: string | undefined; flags: Flags }
  | { command: "help"; topic: CommandName | undefined }
  | { command: "version" };

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
  const tokens = tokenize(argv);
  const { command, words } = splitWords(tokens);
  const given = tokens.filter((token) => token.kind === "option");
  if (given.some((token) => token.name === "help")) {
    const topic = command === "help" ? words[0] : command;
    return { command: "help", topic: isCommand(topic) ? topic : undefined };
  }
  if (given.some((token) => token.name === "version")) {
    return { command: "version" };
  }

  const flags: Record<string, unknown> = {};
  for (const token of given) {
    const [name, value] = readOption(token, command ?? "pull");
    const spec = OPTIONS[name] as OptionSpec;
    const before = (flags[name] ?? []) as unknown[];
    flags[name] = spec.repeatable ? [...before, value] : value;
  }
  return buildRequest(command, words, flags as Flags);
}

function tokenize(argv: readonly string[]): Token[] {
  const options = Object.fromEntries(
    optionSpecs().map(([name, spec]) => [
      name,
      {
        type:
          spec.metavar === undefined
            ? ("boolean" as const)
            : ("string" as const),
        ...(spec.short === undefined ? {} : { short: spec.short }),
      },
    ]),
  );
  // Not strict: the messages for what is wrong are made here.
  const { tokens } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  return tokens;
}

function splitWords(tokens: readonly Token[]): {
  command: CommandName | undefined;
  words: string[];
} {
  const words: string[] = [];
  let command: CommandName | undefined;
  let terminated = false;
  for (const token of tokens) {
    if (token.kind === "option-terminator") terminated = true;
    if (token.kind !== "positional") continue;
    const first = command === undefined && words.length === 0;
    if (first && !terminated && isCommand(token.value)) command = token.value;
    else words.push(token.value);
  }
  return { command, words };
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
  if (spec.metavar === undefined) {
    if (token.value !== undefined) throw usageError(`${flag} takes no value`);
    return [name, true];
  }
  const { value } = token;
  if (value === undefined) {
    throw usageError(`${flag} needs a value: --${name} ${spec.metavar}`);
  }
  if (value === "") throw usageError(`the value of ${flag} is empty`);
  if (!token.inlineValue && value.startsWith("-")) {
    throw usageError(
      `${flag} needs a value, but ${shown(value)} follows (write --${name}=${spec.metavar} for a value that begins with "-")`,
    );
  }
  return [name, checkedValue(flag, value, spec)];
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
    case "login":
      if (flags["password-stdin"] && flags.username === undefined) {
        throw usageError("--password-stdin needs --username");
      }
      return { command, server: oneServer(command, words), flags };
    case "logout":
      return { command, server: oneServer(command, words), flags };
    default:
      return workRequest(command ?? "pull", words, flags);
  }
}

function workRequest(
  command: WorkCommand,
  words: string[],
  flags: Flags,
): Request {
  refuseTogether(flags);
  const { least = 0, most = 0, noun = "" } = COMMANDS[command].operands ?? {};
  const operand = flags["all-tags"] ? "repository" : noun;
  if (words.length < least) throw usageError(`no ${operand} is named`);
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

function helpTopic(words: readonly string[]): CommandName | undefined {
  const [word] = words;
  if (word === undefined) return undefined;
  if (!isCommand(word)) {
    const near = nearest(word, Object.keys(COMMANDS));
    throw usageError(`${shown(word)} is not a command${didYouMean(near)}`);
  }
  refuseWords("help", words.slice(1));
  return word;
}

function refuseWords(command: CommandName, words: readonly string[]): void {
  const [word] = words;
  if (word === undefined) return;
  throw usageError(`unexpected argument ${shown(word)} of 'tpull ${command}'`);
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
