/** What the completion scripts of all shells are made from: the tables of the command line, laid out for them. */
import {
  COMMANDS,
  commandWords,
  firstWords,
  managementGroup,
  type CommandName,
} from "../commands.js";
import {
  isFor,
  optionSpecs,
  shortOf,
  type OptionName,
  type OptionSpec,
} from "../options.js";

/** What is offered for a value or an operand. */
export type Offer =
  | { readonly kind: "folders" | "files" | "images" | "nothing" }
  | { readonly kind: "words"; readonly words: readonly string[] };

export interface CompletedOption {
  /** With its dashes. */
  readonly long: string;
  /** With its dash. */
  readonly short: string | undefined;
  readonly help: string;
  /** What its value is called, and what is offered for it; undefined for switches. */
  readonly value: { readonly name: string; readonly offer: Offer } | undefined;
  readonly repeatable: boolean;
}

export interface CompletedCommand {
  readonly name: CommandName;
  readonly options: readonly CompletedOption[];
  readonly operand: Offer;
  /** How many operands there may be. */
  readonly most: number;
}

/** A word with what it means. */
export type Described = readonly [word: string, summary: string];

/** All commands. */
export function completedCommands(): CompletedCommand[] {
  return (Object.keys(COMMANDS) as CommandName[]).map((name) => {
    const { operands } = COMMANDS[name];
    return {
      name,
      options: optionSpecs()
        .filter(([, spec]) => isFor(spec, name))
        .map(([option, spec]) => completedOption(option, spec, name)),
      operand: operandOffer(operands?.offers),
      most: operands?.most ?? 0,
    };
  });
}

function operandOffer(
  offers: "images" | "files" | "commands" | readonly string[] | undefined,
): Offer {
  if (offers === undefined) return { kind: "nothing" };
  if (offers === "images" || offers === "files") return { kind: offers };
  return {
    kind: "words",
    words: offers === "commands" ? topWords().map(([word]) => word) : offers,
  };
}

function completedOption(
  name: OptionName,
  spec: OptionSpec,
  command: CommandName,
): CompletedOption {
  const letter = shortOf(spec, command);
  const own = spec.at?.[command];
  const { metavar } = spec;
  const offers = spec.choices ?? own?.offers ?? spec.offers;
  return {
    long: `--${name}`,
    short: letter === undefined ? undefined : `-${letter}`,
    help: own?.help ?? spec.help,
    value:
      metavar === undefined
        ? undefined
        : { name: metavar, offer: valueOffer(metavar, offers) },
    repeatable: spec.repeatable === true,
  };
}

function valueOffer(
  metavar: string,
  words: readonly string[] | undefined,
): Offer {
  if (words !== undefined) return { kind: "words", words };
  if (metavar === "DIR") return { kind: "folders" };
  return { kind: /FILE|LIST/.test(metavar) ? "files" : "nothing" };
}

/** What a command line may begin with. */
export function topWords(): readonly Described[] {
  return firstWords();
}

/** docker's first words, each with what may follow it. */
export function secondWords(): [word: string, followers: Described[]][] {
  return topWords().flatMap(([word]) => {
    const group = managementGroup(word);
    if (group === undefined) return [];
    const followers = Object.entries(group).map(([second, name]): Described => [
      second,
      COMMANDS[name].summary,
    ]);
    return [[word, followers] as [string, Described[]]];
  });
}

/** What one or two words at the beginning name. */
export function namedCommands(): [words: string, command: CommandName][] {
  return commandWords();
}

/** The options that take a value, with the letters that do so for every command that has them. */
export function valueFlags(command: CompletedCommand): string[] {
  return command.options
    .filter(({ value }) => value !== undefined)
    .flatMap(({ long, short }) =>
      short === undefined ? [long] : [long, short],
    );
}

/** How a script asks for the names of the images in a root: one a line, also empty lines. */
export const IMAGE_NAMES = [
  "images",
  "--format",
  '{{if ne .Tag "<none>"}}{{.Repository}}:{{.Tag}}{{end}}',
] as const;

/** A text within the quotes of sh, which know no exceptions. */
export function shQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
