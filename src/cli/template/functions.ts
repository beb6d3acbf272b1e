/** The functions of Go's text/template and of docker's templates. */
import { escapeHtml, escapeJs, escapeQuery } from "./escapes.js";
import { jsonText } from "./json.js";
import { elementOf, lengthOf, sliceBetween } from "./parts.js";
import { sprint, sprintln } from "./print.js";
import { sprintf } from "./printf.js";
import { CallProblem, LONGEST_TEXT } from "./problem.js";
import { equalsAny, fromInterface, indirect, isLess, isTrue } from "./truth.js";
import { ANY, INT, sliceOf, STRING, typeName, type GoType } from "./types.js";
import { bool, string, strings, type GoValue } from "./values.js";

/** What a function takes as it is, nil included, whatever its type. */
export const ANYTHING = "anything";
export type Parameter = GoType | typeof ANYTHING;
export type Argument = GoValue | undefined;

export interface TemplateFunction {
  readonly parameters: readonly Parameter[];
  /** The type of any further arguments; none are taken without. */
  readonly more?: Parameter;
  /** Whether arguments are only looked at until one decides. */
  readonly decides?: "and" | "or";
  /** Whether the source of its first argument goes before the arguments. */
  readonly wantsSource?: true;
  /** @throws CallProblem */
  readonly call: (...args: Argument[]) => Argument;
}

export type FunctionTable = ReadonlyMap<string, TemplateFunction>;

const LIST = sliceOf(STRING);

const BUILTINS: Readonly<Record<string, TemplateFunction>> = {
  and: { parameters: [ANYTHING], more: ANYTHING, decides: "and", call: last },
  or: { parameters: [ANYTHING], more: ANYTHING, decides: "or", call: last },
  not: { parameters: [ANYTHING], call: (value) => bool(!isTrue(value)) },
  eq: {
    parameters: [ANYTHING],
    more: ANYTHING,
    call: (first, ...others) => bool(equalsAny(first, others)),
  },
  ne: comparison((a, b) => !equalsAny(a, [b])),
  lt: comparison(isLess),
  le: comparison((a, b) => isLess(a, b) || equalsAny(a, [b])),
  gt: comparison((a, b) => !isLess(a, b) && !equalsAny(a, [b])),
  ge: comparison((a, b) => !isLess(a, b)),
  len: {
    parameters: [ANYTHING],
    call: (value) => ({ type: INT, data: BigInt(lengthOf(value)) }),
  },
  index: { parameters: [ANYTHING], more: ANYTHING, call: elementOf },
  slice: { parameters: [ANYTHING], more: ANYTHING, call: sliceBetween },
  call: {
    parameters: [ANYTHING],
    more: ANYTHING,
    wantsSource: true,
    call: refuseCall,
  },
  print: { parameters: [], more: ANY, call: (...args) => string(sprint(args)) },
  println: {
    parameters: [],
    more: ANY,
    call: (...args) => string(sprintln(args)),
  },
  printf: {
    parameters: [STRING],
    more: ANY,
    call: (format, ...args) => string(sprintf(textOf(format), args)),
  },
  html: escaper(escapeHtml),
  js: escaper(escapeJs),
  urlquery: escaper(escapeQuery),
};

const DOCKER: Readonly<Record<string, TemplateFunction>> = {
  json: {
    parameters: [ANY],
    call: (value) => string(jsonText(value, { escapeHtml: false }).trim()),
  },
  split: {
    parameters: [STRING, STRING],
    call: (text, separator) => strings(split(textOf(text), textOf(separator))),
  },
  join: {
    parameters: [LIST, STRING],
    call: (list, separator) => {
      const items = (list?.data ?? []) as readonly string[];
      return string(items.join(textOf(separator)));
    },
  },
  title: textFunction(titleCase),
  lower: textFunction((text) =>
    isAscii(text) ? text.toLowerCase() : byCharacter(text, lowerCase),
  ),
  upper: textFunction((text) =>
    isAscii(text) ? text.toUpperCase() : byCharacter(text, upperCase),
  ),
  pad: { parameters: [STRING, INT, INT], call: pad },
  truncate: { parameters: [STRING, INT], call: truncate },
};

/** All functions of docker's templates. */
export const FUNCTIONS: FunctionTable = new Map(
  Object.entries({ ...BUILTINS, ...DOCKER }),
);

/**
 * The functions as they apply to the headers of a table: most leave a header as
 * it is, so that it stands above what they make of the cells.
 */
export const HEADER_FUNCTIONS: FunctionTable = new Map([
  ...FUNCTIONS,
  ...["json", "title", "lower", "upper"].map(
    (name): [string, TemplateFunction] => [name, unchanged()],
  ),
  ["split", unchanged(STRING)],
  ["join", unchanged(STRING)],
  ["truncate", unchanged(INT)],
]);

function unchanged(...more: GoType[]): TemplateFunction {
  return { parameters: [STRING, ...more], call: (value) => value };
}

function last(...args: Argument[]): Argument {
  return args.at(-1);
}

function comparison(
  holds: (a: Argument, b: Argument) => boolean,
): TemplateFunction {
  return {
    parameters: [ANYTHING, ANYTHING],
    call: (a, b) => bool(holds(a, b)),
  };
}

function textFunction(change: (text: string) => string): TemplateFunction {
  return {
    parameters: [STRING],
    call: (text) => string(change(textOf(text))),
  };
}

function textOf(value: Argument): string {
  return (value?.data ?? "") as string;
}

/** Nothing that a template can get hold of is a function. */
function refuseCall(source: Argument, value: Argument): never {
  const inside = fromInterface(value);
  if (inside === undefined) throw new CallProblem("call of nil");
  throw new CallProblem(
    `non-function ${textOf(source)} of type ${typeName(inside.type)}`,
  );
}

function escaper(escape: (text: string) => string): TemplateFunction {
  return {
    parameters: [],
    more: ANY,
    call: (...args) => string(escape(sprint(args.map(printable)))),
  };
}

/** What is printed of an argument: what a pointer points to, and words for nothing. */
function printable(value: Argument): GoValue {
  const inside = fromInterface(value);
  if (inside === undefined) return string("<no value>");
  return inside.type.kind === "pointer" ? indirect(inside).value : inside;
}

function split(text: string, separator: string): string[] {
  return separator === "" ? [...text] : text.split(separator);
}

function isAscii(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- all of ASCII
  return /^[\x00-\x7f]*$/.test(text);
}

function byCharacter(text: string, change: (one: string) => string): string {
  return [...text].map(change).join("");
}

/** Go changes characters one by one, and none into several. */
function upperCase(character: string): string {
  return single(character.toUpperCase()) ?? character;
}

function lowerCase(character: string): string {
  return (
    single(character.toLowerCase()) ?? (character === "İ" ? "i" : character)
  );
}

function single(text: string): string | undefined {
  return [...text].length === 1 ? text : undefined;
}

/** The first letter of each word as a capital. */
function titleCase(text: string): string {
  let before = " ";
  return byCharacter(text, (character) => {
    const starts = separates(before);
    before = character;
    return starts ? upperCase(character) : character;
  });
}

function separates(character: string): boolean {
  if (/^[\p{L}\p{Nd}_]$/u.test(character)) return false;
  return character < "\x80" || /^\s$/u.test(character);
}

function pad(text: Argument, before: Argument, after: Argument): GoValue {
  const inner = textOf(text);
  if (inner === "") return string("");
  return string(spaces(before) + inner + spaces(after));
}

function spaces(count: Argument): string {
  const number = Number(count?.data);
  if (number < 0) throw new CallProblem("strings: negative Repeat count");
  if (number > LONGEST_TEXT) throw new CallProblem("the text is too long");
  return " ".repeat(number);
}

/** The first bytes; half a character at the end becomes U+FFFD. */
function truncate(text: Argument, length: Argument): GoValue {
  const bytes = Buffer.from(textOf(text));
  const number = Number(length?.data);
  if (bytes.length < number) return string(textOf(text));
  if (number < 0) {
    throw new CallProblem(
      `runtime error: slice bounds out of range [:${number}]`,
    );
  }
  return string(bytes.subarray(0, number).toString("utf8"));
}
