/** The members of a JSON object with their values as they are written, in the form that Go gives to JSON it copies. */

/** @param text valid JSON whose value is an object */
export function topLevelMembers(text: string): [key: string, value: string][] {
  const members: [string, string][] = [];
  const compact = compacted(text);
  let depth = 0;
  let key: string | undefined;
  let start = 0;
  for (let at = 0; at < compact.length; at += 1) {
    const character = compact[at];
    if (character === '"') {
      const end = endOfString(compact, at);
      if (depth === 1 && key === undefined) {
        key = JSON.parse(compact.slice(at, end + 1)) as string;
        start = end + 2; // behind the colon
      }
      at = end;
    } else if (character === "{" || character === "[") depth += 1;
    else if (character === "}" || character === "]") depth -= 1;
    const ends = character === "," ? depth === 1 : depth === 0;
    if (!ends || key === undefined) continue;
    members.push([key, escaped(compact.slice(start, at))]);
    key = undefined;
  }
  return members;
}

/** Go's encoder escapes these in what it copies, too. They only stand in strings. */
function escaped(json: string): string {
  return json.replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) =>
      `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function compacted(text: string): string {
  let result = "";
  for (let at = 0; at < text.length;) {
    if (text[at] === '"') {
      const end = endOfString(text, at) + 1;
      result += text.slice(at, end);
      at = end;
    } else {
      if (!/\s/.test(text[at] as string)) result += text[at];
      at += 1;
    }
  }
  return result;
}

/** Position of the quote that closes the string opened at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}
