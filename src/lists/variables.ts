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

/**
 * Puts in values for `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`,
 * `${NAME:+instead}`, `${NAME+instead}`, `${NAME:?message}` and
 * `${NAME?message}`; with a colon an empty value counts as none. What follows
 * the sign may itself hold variables. `$$` is a dollar sign where `dollars`
 * says so, as in compose files.
 * @throws VariableMissingError by `?`, or for what is no such expression
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
  const valueOf = (name: string): string | undefined =>
    Object.hasOwn(values, name) ? values[name] : undefined;
  let out = "";
  let at = 0;
  while (at < text.length) {
    const dollar = text.indexOf("$", at);
    if (dollar === -1) break;
    out += text.slice(at, dollar);
    const rest = text.slice(dollar + 1);
    if (dollars && rest.startsWith("$")) {
      out += "$";
      at = dollar + 2;
      continue;
    }
    const plain = NAME.exec(rest)?.[0];
    if (plain !== undefined) {
      const value = valueOf(plain);
      if (value === undefined) unset.push(plain);
      out += value ?? "";
      at = dollar + 1 + plain.length;
      continue;
    }
    if (!rest.startsWith("{")) {
      out += "$";
      at = dollar + 1;
      continue;
    }
    const end = closing(rest);
    const inner = end === -1 ? "" : rest.slice(1, end);
    const name = NAME.exec(inner)?.[0];
    const [, colon, sign, word = ""] =
      /^(:?)([-+?])(.*)$/s.exec(inner.slice(name?.length ?? 0)) ?? [];
    if (
      name === undefined ||
      (sign === undefined && inner.length > name.length)
    ) {
      throw new VariableMissingError(`"$${rest.slice(0, 40)}" is no variable`);
    }
    const given = valueOf(name);
    const value = colon === ":" && given === "" ? undefined : given;
    const alternative = (): string => {
      const expanded = expand(word, values, dollars, depth + 1);
      unset.push(...expanded.unset);
      return expanded.text;
    };
    if (sign === "-") out += value ?? alternative();
    else if (sign === "+") out += value === undefined ? "" : alternative();
    else if (value !== undefined) out += value;
    else if (sign === "?") {
      throw new VariableMissingError(
        `the variable ${name} is not set${word === "" ? "" : `: ${word}`}`,
      );
    } else if (given === undefined) unset.push(name);
    at = dollar + 1 + end + 1;
  }
  return { text: out + text.slice(at), unset };
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
