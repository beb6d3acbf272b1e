/** Strings as Go writes them in its source: `"a\n"`. */

const SHORT: ReadonlyMap<string, string> = new Map([
  ["\x07", "\\a"],
  ["\b", "\\b"],
  ["\f", "\\f"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  ["\v", "\\v"],
]);

/** Letters, marks, numbers, punctuation, symbols and the ASCII space. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

export function isPrintable(character: string): boolean {
  return PRINTABLE.test(character);
}

/** `%q`; with `ascii` (`%+q`) everything else is escaped. */
export function quoted(text: string, ascii: boolean = false): string {
  return `"${[...text].map((each) => escaped(each, '"', ascii)).join("")}"`;
}

/** A character constant: `'x'`. */
export function quotedCharacter(
  character: string,
  ascii: boolean = false,
): string {
  return `'${escaped(character, "'", ascii)}'`;
}

/** A raw string, where it can be one (`%#q`). */
export function backquoted(text: string): string | undefined {
  // oxlint-disable-next-line no-control-regex -- these are what a raw string cannot show
  return /[\x00-\x08\x0a-\x1f`\x7f\ufeff\ufffd]/.test(text)
    ? undefined
    : `\`${text}\``;
}

/** `U+0023 '#'` (`%#U`). */
export function unicodeName(character: string | undefined): string {
  const code = character?.codePointAt(0) ?? -1;
  if (character === undefined) return "U+FFFFFFFFFFFFFFFF";
  const name = `U+${hex(code, 4).toUpperCase()}`;
  return isPrintable(character) ? `${name} '${character}'` : name;
}

function escaped(character: string, quote: string, ascii: boolean): string {
  if (character === quote || character === "\\") return `\\${character}`;
  const code = character.codePointAt(0) ?? 0;
  if (isPrintable(character) && (!ascii || code < 0x80)) return character;
  const short = SHORT.get(character);
  if (short !== undefined) return short;
  if (code < 0x20 || code === 0x7f) return `\\x${hex(code, 2)}`;
  if (code >= 0xd800 && code <= 0xdfff) return "\\ufffd";
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
