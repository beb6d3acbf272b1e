/** docker's patterns for names: those of Go's `path.Match`. */
import { TpullError } from "../errors.js";
import { quoted } from "../reference/printable.js";

/**
 * A test by a pattern: `*` stands for anything but `/`, `?` for one character
 * but `/`, `[a-z]` and `[^a-z]` for one of those or none of them, and `\`
 * takes the meaning from what follows. The whole name has to fit.
 * @throws TpullError `FILTER_INVALID`
 */
export function pathMatcher(pattern: string): (name: string) => boolean {
  const source = sourceOf([...pattern]);
  if (source === undefined) {
    throw new TpullError(
      "FILTER_INVALID",
      `${quoted(pattern)} is not a pattern: a bracket or a backslash in it has no end`,
      {
        hint: 'In patterns * and ? stand for any characters but "/", and [a-z] for one of those.',
      },
    );
  }
  const expression = new RegExp(`^${source}$`, "su");
  return (name) => expression.test(name);
}

function sourceOf(characters: readonly string[]): string | undefined {
  let source = "";
  for (let at = 0; at < characters.length; at += 1) {
    const character = characters[at]!;
    if (character === "*") source += "[^/]*";
    else if (character === "?") source += "[^/]";
    else if (character === "[") {
      const set = readSet(characters, at + 1);
      if (set === undefined) return undefined;
      source += set.source;
      at = set.end;
    } else if (character === "\\") {
      at += 1;
      if (at === characters.length) return undefined;
      source += literal(characters[at]!);
    } else source += literal(character);
  }
  return source;
}

/** What stands in brackets, from `at` on; `end` is where the closing one is. */
function readSet(
  characters: readonly string[],
  at: number,
): { readonly source: string; readonly end: number } | undefined {
  const negated = characters[at] === "^";
  let ranges = "";
  let next = negated ? at + 1 : at;
  for (let count = 0; ; count += 1) {
    if (characters[next] === "]" && count > 0) break;
    const low = readMember(characters, next);
    if (low === undefined) return undefined;
    let high = low;
    if (characters[low.end] === "-") {
      const upper = readMember(characters, low.end + 1);
      if (upper === undefined) return undefined;
      high = upper;
    }
    next = high.end;
    const isRange =
      low.character.codePointAt(0)! <= high.character.codePointAt(0)!;
    if (isRange)
      ranges += `${literal(low.character)}-${literal(high.character)}`;
  }
  return { source: `[${negated ? "^" : ""}${ranges}]`, end: next };
}

/** One character of a set, and where the next one is. */
function readMember(
  characters: readonly string[],
  at: number,
): { readonly character: string; readonly end: number } | undefined {
  const first = characters[at];
  if (first === undefined || first === "-" || first === "]") return undefined;
  const place = first === "\\" ? at + 1 : at;
  const character = characters[place];
  // A set has to end behind it.
  if (character === undefined || place + 1 === characters.length) {
    return undefined;
  }
  return { character, end: place + 1 };
}

function literal(character: string): string {
  return `\\u{${character.codePointAt(0)!.toString(16)}}`;
}
