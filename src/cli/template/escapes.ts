/** Text made harmless where it goes: into HTML, JavaScript, the query of a URL. */
import { isPrintable } from "./quote.js";

const HTML: Readonly<Record<string, string>> = {
  '"': "&#34;",
  "'": "&#39;",
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "\0": "\ufffd",
};

/** For HTML. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/["'&<>\0]/g, (each) => HTML[each] ?? each);
}

const JS: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "'": "\\'",
  '"': '\\"',
};

/** For a string of JavaScript. */
export function escapeJs(text: string): string {
  return text.replaceAll(/[^\x20-\x7f]|["'\\<>&=]/gu, (each) => {
    const code = each.codePointAt(0) ?? 0;
    if (code > 0x7f && isPrintable(each)) return each;
    const hex = code.toString(16).toUpperCase().padStart(4, "0");
    return JS[each] ?? `\\u${hex}`;
  });
}

/** As in the query of a URL: a space is `+`. */
export function escapeQuery(text: string): string {
  const bytes = [...Buffer.from(text)];
  return bytes
    .map((byte) => {
      const character = String.fromCharCode(byte);
      if (/[\w.~-]/.test(character)) return character;
      const hex = byte.toString(16).toUpperCase().padStart(2, "0");
      return byte === 0x20 ? "+" : `%${hex}`;
    })
    .join("");
}
