/** How deep and how large a JSON text is, before anybody builds values of it. */

/** Go's encoding/json reads no deeper (`maxNestingDepth`): dockerd does not see what has more. */
export const MAX_JSON_DEPTH = 10_000;

export interface JsonLimits {
  /** Objects and lists inside each other. */
  readonly depth: number;
  /** Objects, lists, and what stands behind commas. */
  readonly values?: number;
}

/**
 * Whether a text goes beyond the limits. It need not be valid: what is wrong
 * with it is for the parser to say.
 * @param bytes UTF-8
 */
export function isJsonBeyond(
  bytes: Uint8Array,
  { depth: deepest, values: most = Infinity }: JsonLimits,
): boolean {
  if (bytes.length <= deepest && bytes.length <= most) return false;
  let depth = 0;
  let values = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    switch (bytes[at]) {
      case QUOTE:
        at = endOfString(bytes, at);
        break;
      case OPEN_LIST:
      case OPEN_OBJECT:
        depth += 1;
        values += 1;
        break;
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        depth -= 1;
        break;
      case COMMA:
        values += 1;
    }
    if (depth > deepest || values > most) return true;
  }
  return false;
}

/** Whether Go, and so dockerd, would refuse to read it for its depth. */
export function isTooDeepForGo(bytes: Uint8Array): boolean {
  return isJsonBeyond(bytes, { depth: MAX_JSON_DEPTH });
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Position of the closing quote; the end of the text where there is none. */
function endOfString(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < bytes.length && bytes[at] !== QUOTE) {
    at += bytes[at] === BACKSLASH ? 2 : 1;
  }
  return at;
}
