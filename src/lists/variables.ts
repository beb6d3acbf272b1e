/** Variables in compose files and Dockerfiles, which write them alike. */

/** A variable that the text asks for and that has no value. */
export class VariableMissingError extends Error {}

export interface Expanded {
  readonly text: string;
  /** Variables that had no value and no default: they are empty in the text. */
  readonly unset: readonly string[];
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;
/** Defaults may hold variables with defaults; nobody nests them deeper. */
const DEEPEST = 20;
/** Values that hold each other several times over grow without end. */
const LONGEST = 1024 * 1024;

/**
 * Puts in values for `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`,
 * `${NAME:+instead}`, `${NAME+instead}`, `${NAME:?message}` and
 * `${NAME?message}`; with a colon an empty value counts as none. What follows
 * the sign may itself hold variables. `$$` is a dollar sign where `dollars`
 * says so, as in compose files.
 * @throws VariableMissingError by `?`, for what is no such expression, or where it comes to more than 1 MiB
 */
export function expand(
  text: string,
  values: Readonly<Record<string, string | undefined>>,
  dollars: boolean,
  depth = 0,
): Expanded {
  if (depth > DEEPEST) {
    throw new VariableMissingError("variables are nested too deep");
  }
  const unset: string[] = [];
  let out = "";
  let at = 0;
  while (at < text.length) {
    const dollar = text.indexOf("$", at);
    if (dollar === -1) break;
    out += text.slice(at, dollar);
    if (out.length > LONGEST) throw tooLong();
    const rest = text.slice(dollar + 1);
    const plain = NAME.exec(rest)?.[0];
    if (dollars && rest.startsWith("$")) {
      out += "$";
      at = dollar + 2;
    } else if (plain !== undefined) {
      const value = valueOf(plain, values);
      if (value === undefined) unset.push(plain);
      out += value ?? "";
      at = dollar + 1 + plain.length;
    } else if (rest.startsWith("{")) {
      const end = closing(rest);
      const braced = inBraces(rest.slice(1, end === -1 ? 1 : end), values);
      if (braced === undefined) {
        throw new VariableMissingError(
          `"$${rest.slice(0, 40)}" is no variable`,
        );
      }
      const inner =
        "word" in braced
          ? expand(braced.word, values, dollars, depth + 1)
          : braced;
      out += inner.text;
      for (const name of inner.unset) unset.push(name);
      at = dollar + 1 + end + 1;
    } else {
      out += "$";
      at = dollar + 1;
    }
  }
  out += text.slice(at);
  if (out.length > LONGEST) throw tooLong();
  return { text: out, unset };
}

function tooLong(): VariableMissingError {
  return new VariableMissingError("variables come to more than 1 MiB");
}

type Values = Parameters<typeof expand>[1];

function valueOf(name: string, values: Values): string | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined;
}

/**
 * What stands between braces: its value, or the word that is to be expanded
 * instead; undefined for what is no such expression.
 */
function inBraces(
  inner: string,
  values: Values,
): Expanded | { readonly word: string } | undefined {
  const name = NAME.exec(inner)?.[0];
  if (name === undefined) return undefined;
  const operation = inner.slice(name.length);
  const [, colon, sign, word = ""] = /^(:?)([-+?])(.*)$/s.exec(operation) ?? [];
  if (sign === undefined && operation !== "") return undefined;
  const given = valueOf(name, values);
  const value = colon === ":" && given === "" ? undefined : given;
  if (sign === "+")
    return value === undefined ? { text: "", unset: [] } : { word };
  if (value !== undefined) return { text: value, unset: [] };
  if (sign === "-") return { word };
  if (sign === undefined) return { text: "", unset: [name] };
  throw new VariableMissingError(
    `the variable ${name} is not set${word === "" ? "" : `: ${word}`}`,
  );
}

/** Where the brace that `text` begins with is closed, or -1. */
function closing(text: string): number {
  let open = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "{") open += 1;
    else if (text[at] === "}" && --open === 0) return at;
  }
  return -1;
}
