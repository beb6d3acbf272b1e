/** The `.env` file of compose: `NAME=value` a line. */
import { expand } from "./variables.js";

type Values = Readonly<Record<string, string | undefined>>;

const NAME =
  /^[^\S\n]*(?:export[^\S\n]+)?([A-Za-z_][\w.-]*)[^\S\n]*[=:][^\S\n]*/;
/** A value in quotes may go over several lines. */
const DOUBLE = /"((?:[^"\\]|\\[^])*)"[^\S\n]*(?:#.*)?$/my;
const SINGLE = /'((?:[^'\\]|\\[^])*)'[^\S\n]*(?:#.*)?$/my;

/**
 * Lines that are none such are passed over. Variables are put in, but not
 * between single quotes: those of `outer` first, then those of lines above,
 * as compose does it.
 * @throws VariableMissingError
 */
export function parseEnvFile(
  text: string,
  outer: Values = {},
): Record<string, string> {
  const values: Record<string, string> = {};
  const first = definedOf(outer);
  const known = { ...first };
  let rest = text.replace(/\r\n?/g, "\n");
  while (rest !== "") {
    const [taken, name] = NAME.exec(rest) ?? [];
    if (taken === undefined || name === undefined) {
      rest = afterLine(rest);
      continue;
    }
    const { raw, length, literal } = valueAt(rest.slice(taken.length));
    rest = afterLine(rest.slice(taken.length + length));
    if (name === "__proto__") continue;
    const value = literal ? raw : expand(raw, known, true).text;
    values[name] = value;
    if (!Object.hasOwn(first, name)) known[name] = value;
  }
  return values;
}

/** Variables that have a value: one that is undefined is as if it were not there. */
export function definedOf(values: Values): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  );
}

function valueAt(text: string): {
  raw: string;
  length: number;
  /** Nothing is put in. */
  literal: boolean;
} {
  const single = anchored(SINGLE, text);
  if (single !== undefined) {
    const [whole, value = ""] = single;
    return { raw: value, length: whole.length, literal: true };
  }
  const double = anchored(DOUBLE, text);
  if (double !== undefined) {
    const [whole, value = ""] = double;
    return { raw: unescaped(value), length: whole.length, literal: false };
  }
  const [line = ""] = text.split("\n", 1);
  const raw = line.replace(/(^|\s)#.*$/, "").trim();
  const dollars = raw.replaceAll("\\$", () => "$$");
  return { raw: dollars, length: line.length, literal: false };
}

function anchored(pattern: RegExp, text: string): RegExpExecArray | undefined {
  pattern.lastIndex = 0;
  return pattern.exec(text) ?? undefined;
}

/** A dollar sign that is meant as one is doubled, as variables want it. */
function unescaped(text: string): string {
  return text.replace(/\\([nrt"\\$])/g, (_, letter: string) => {
    switch (letter) {
      case "n":
        return "\n";
      case "r":
        return "\r";
      case "t":
        return "\t";
      case "$":
        return "$$";
      default:
        return letter;
    }
  });
}

function afterLine(text: string): string {
  const end = text.indexOf("\n");
  return end === -1 ? "" : text.slice(end + 1);
}
