/** JSON from outside: read strictly where two readers could see two things. */

export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a parsed value is an object, not `null` and not a list. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Parses UTF-8 JSON.
 * @throws Error in the parser's words, also for bytes that are not UTF-8
 */
export function parseJson(bytes: Uint8Array): { value: unknown; text: string } {
  const text = new TextDecoder("utf-8", {
    fatal: true,
    ignoreBOM: true,
  }).decode(bytes);
  return { value: JSON.parse(text), text };
}

/**
 * The keys of the outermost object in the order they stand there, repeated
 * ones as often as they stand there: `JSON.parse` keeps the last, other
 * readers the first.
 * @param text valid JSON whose value is an object
 */
export function topLevelKeys(text: string): string[] {
  const keys: string[] = [];
  let depth = 0;
  let expectKey = false;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case "{":
      case "[":
        depth += 1;
        expectKey = depth === 1;
        break;
      case "}":
      case "]":
        depth -= 1;
        break;
      case ",":
        expectKey = depth === 1;
        break;
      case '"': {
        const end = endOfString(text, at);
        if (expectKey) keys.push(JSON.parse(text.slice(at, end + 1)) as string);
        expectKey = false;
        at = end;
        break;
      }
      default:
    }
  }
  return keys;
}

/** Position of the quote that closes the string opened at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}
