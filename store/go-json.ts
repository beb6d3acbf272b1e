/**
 * JSON text as Go's encoder writes it, byte for byte: docker's files are
 * compared and sometimes hashed as text.
 */

const SHORT: Record<string, string> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

// Go also escapes what could end a script element or a line of JavaScript.
// oxlint-disable-next-line no-control-regex
const ESCAPED = /["\\\u0000-\u001f<>&\u2028\u2029]/g;

/** A string literal. Half a surrogate pair becomes U+FFFD, as in Go. */
export function goString(text: string): string {
  const escaped = text.replace(
    ESCAPED,
    (c) => SHORT[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${wellFormed(escaped)}"`;
}

function wellFormed(text: string): string {
  return /[\ud800-\udfff]/.test(text) ? Buffer.from(text).toString() : text;
}

/** An object whose keys are sorted by their UTF-8 bytes; `value` writes each member. */
export function goMap<T>(
  map: ReadonlyMap<string, T>,
  value: (member: T) => string,
): string {
  const sorted = [...map].sort(([a], [b]) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
  const members = sorted.map(
    ([key, item]) => `${goString(key)}:${value(item)}`,
  );
  return `{${members.join(",")}}`;
}
