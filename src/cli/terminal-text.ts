/** Text from registries, archives and arguments on its way to a terminal or a log. */

/** Longer texts are cut here; no message of tpull comes near it. */
const MAX_CHARACTERS = 2000;

/** C0 and C1 controls, DEL, and the Unicode marks that break lines or reverse their direction. */
const HARMFUL =
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * `text` as one line that can do nothing to a terminal: line breaks and tabs
 * become spaces, other control characters show as `\xNN` or `\u{NNNN}`.
 */
export function oneLine(text: string): string {
  const cut =
    text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}...` : text;
  return cut.replaceAll(/\s*[\r\n\t]\s*/g, " ").replaceAll(HARMFUL, escaped);
}

/** `text` with its line breaks and tabs, and nothing else in it that a terminal obeys. */
export function printableLines(text: string): string {
  return text.replaceAll(HARMFUL, (character) =>
    character === "\n" || character === "\t" ? character : escaped(character),
  );
}

/** The same for a text that is only changed on its way to a terminal. */
export function shownLines(text: string, isTTY: boolean): string {
  return isTTY ? printableLines(text) : text;
}

/** A JSON document with its line breaks; on its way to a terminal such characters are written as JSON escapes. */
export function shownJson(json: string, isTTY: boolean): string {
  if (!isTTY) return json;
  return json.replaceAll(HARMFUL, (character) =>
    character === "\n" ? character : jsonEscape(character),
  );
}

/** JSON text in which such characters are written as JSON escapes, too. */
export function jsonLine(value: unknown): string {
  const text = JSON.stringify(value).replaceAll(HARMFUL, jsonEscape);
  return `${text}\n`;
}

function jsonEscape(character: string): string {
  return `\\u${hex(character).padStart(4, "0")}`;
}

function escaped(character: string): string {
  const code = hex(character);
  return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u{${code}}`;
}

function hex(character: string): string {
  return character.charCodeAt(0).toString(16);
}
