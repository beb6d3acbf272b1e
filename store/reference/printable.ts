/**
 * Text from outside (an argument, a registry's reply) on its way into a message
 * for people: it must not move the cursor, reorder the line, fill the screen or
 * give a password away.
 */

/** Longer texts are cut here; messages show enough to recognise what was meant. */
const SHOWN_CHARACTERS = 120;

/**
 * `text` in printable ASCII only: every other character becomes `\u{hex}`, so
 * that look-alike letters show, too. Cut after 120 characters, with `...`.
 */
export function printable(text: string): string {
  const cut = text.length > SHOWN_CHARACTERS;
  const shown = cut ? text.slice(0, SHOWN_CHARACTERS) : text;
  const escaped = shown.replace(
    /[^\x20-\x7e]/gu,
    (character) => `\\u{${hexCode(character)}}`,
  );
  return cut ? `${escaped}...` : escaped;
}

/** The same between double quotes, which an empty or odd text needs. */
export function quoted(text: string): string {
  return `"${printable(text)}"`;
}

/** How a message names one character: `a space`, `"$"`, `U+200B`. */
export function characterName(character: string): string {
  if (character === " ") return "a space";
  if (character === "\t") return "a tab";
  if (character === "\n" || character === "\r") return "a line break";
  if (/^[\x21-\x7e]$/.test(character)) return `"${character}"`;
  return `U+${hexCode(character).toUpperCase().padStart(4, "0")}`;
}

function hexCode(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16);
}

/** Looks like a digest, right or wrong: `host:port` does not. */
const DIGEST_MEANT =
  /^(?:(?:sha|md|blake)\d[^/]*|[0-9a-f]*|[a-z][a-z0-9+._-]*:[0-9a-f]{32,})$/i;

/**
 * What follows the last `@` of a reference, if that is no attempt at a digest:
 * then `user:password` may stand before it.
 */
export function afterCredentials(reference: string): string | undefined {
  const at = reference.lastIndexOf("@");
  if (at < 0) return undefined;
  const rest = reference.slice(at + 1);
  return DIGEST_MEANT.test(rest) ? undefined : rest;
}

/**
 * A reference's text, checked or not, as a message may show it: in quotes,
 * printable, cut when long, and with `***` for what may be credentials or the
 * query of a URL.
 */
export function shownReference(reference: string): string {
  const rest = afterCredentials(reference);
  const start = rest === undefined ? 0 : reference.length - rest.length;
  if (reference.slice(0, start).includes("?")) return '"***"';
  const [address, query] = reference.slice(start).split("?", 2);
  const shown = query === undefined ? address : `${address}?***`;
  return quoted(start === 0 ? `${shown}` : `***@${shown}`);
}

/**
 * A reference as it was given, unless a password or a query may be in it: then
 * as {@link shownReference} has it, without the quotes.
 */
export function withoutSecrets(reference: string): string {
  const harmless =
    afterCredentials(reference) === undefined && !reference.includes("?");
  return harmless ? reference : shownReference(reference).slice(1, -1);
}
