/** The words, signs and literals inside of `{{ }}`. */
import { quoted, unicodeName } from "./quote.js";

export type TokenKind =
  | "text"
  | "open"
  | "close"
  | "space"
  | "field"
  | "variable"
  | "identifier"
  | "keyword"
  | "dot"
  | "nil"
  | "bool"
  | "number"
  | "character"
  | "string"
  | "("
  | ")"
  | "|"
  | "="
  | ":="
  /** Other printable ASCII. */
  | "sign"
  | "end of text"
  /** The text says what is wrong. */
  | "error";

const KEYWORDS: ReadonlySet<string> = new Set([
  "block",
  "break",
  "continue",
  "define",
  "else",
  "end",
  "if",
  "range",
  "template",
  "with",
]);

/** Closing braces, with the marker that trims what follows. */
const CLOSING = /(?:[ \t\r\n]-)?\}\}/y;
const SPACE = /[ \t\r\n]+/y;
const WORD = /[\p{L}\p{Nd}_]+/uy;
const NUMBER =
  /[+-]?(?:0[xX][\da-fA-F_]*\.?[\da-fA-F_]*(?:[pP][+-]?[\d_]*)?|0[oO][0-7_]*\.?[0-7_]*|0[bB][01_]*\.?[01_]*|[\d_]*\.?[\d_]*(?:[eE][+-]?[\d_]*)?)i?/y;
const STRING = /"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"/y;
const RAW_STRING = /`[^`]*`/y;
const CHARACTER = /'[^'\\\n]*(?:\\[^\n][^'\\\n]*)*'/y;

/** One word or sign, or why there is none. */
type Read =
  | { readonly kind: TokenKind; readonly end: number; readonly fault?: never }
  | { readonly fault: string };

/** What begins at a place inside of an action. */
export function readWord(source: string, at: number): Read {
  const first = characterAt(source, at);
  switch (first) {
    case undefined:
      return { fault: "unclosed action" };
    case " ":
    case "\t":
    case "\r":
    case "\n":
      return { kind: "space", end: spaceEnd(source, at) };
    case "=":
    case "|":
    case "(":
    case ")":
      return { kind: first, end: at + 1 };
    case ":":
      return source[at + 1] === "="
        ? { kind: ":=", end: at + 2 }
        : { fault: "expected :=" };
    case '"':
      return delimited(source, at, STRING, "string", "quoted string");
    case "`":
      return delimited(source, at, RAW_STRING, "string", "raw quoted string");
    case "'":
      return delimited(
        source,
        at,
        CHARACTER,
        "character",
        "character constant",
      );
    case "$":
      return word(source, at, "variable", "variable");
    case ".":
      if (/\d/.test(source[at + 1] ?? "")) return number(source, at);
      return word(source, at, "field", "dot");
    default:
      break;
  }
  if (/[+\-\d]/.test(first)) return number(source, at);
  if (matchEnd(WORD, source, at) !== undefined) {
    return word(source, at, "identifier", "identifier");
  }
  if (/[!-~]/.test(first)) return { kind: "sign", end: at + 1 };
  return {
    fault: `unrecognized character in action: ${unicodeName(first)}`,
  };
}

/** A run of spaces, but for one that belongs to a trimming `-}}`. */
function spaceEnd(source: string, at: number): number {
  const end = matchEnd(SPACE, source, at) ?? at;
  return closingAt(source, end - 1) === undefined ? end : end - 1;
}

/** A word, or `.` or `$` with a word behind it (`bare` where there is none). */
function word(
  source: string,
  at: number,
  kind: TokenKind,
  bare: TokenKind,
): Read {
  const start = kind === "identifier" ? at : at + 1;
  const end = matchEnd(WORD, source, start) ?? start;
  if (!endsWord(source, end)) {
    return { fault: `bad character ${unicodeName(characterAt(source, end))}` };
  }
  if (end === start) return { kind: bare, end };
  if (kind !== "identifier") return { kind, end };
  const text = source.slice(at, end);
  if (KEYWORDS.has(text)) return { kind: "keyword", end };
  if (text === "nil") return { kind: "nil", end };
  if (text === "true" || text === "false") return { kind: "bool", end };
  return { kind, end };
}

function endsWord(source: string, at: number): boolean {
  const next = source[at];
  return (
    next === undefined ||
    " \t\r\n.,|:)(".includes(next) ||
    source.startsWith("}}", at)
  );
}

function number(source: string, at: number): Read {
  let end = matchEnd(NUMBER, source, at) ?? at;
  // A complex number is written as a sum.
  if (/[+-]/.test(source[end] ?? "")) {
    end = matchEnd(NUMBER, source, end) ?? end;
  }
  const next = matchEnd(WORD, source, end);
  if (next === undefined) return { kind: "number", end };
  const wrong = end + (characterAt(source, end)?.length ?? 0);
  return { fault: `bad number syntax: ${quoted(source.slice(at, wrong))}` };
}

function delimited(
  source: string,
  at: number,
  shape: RegExp,
  kind: TokenKind,
  what: string,
): Read {
  const end = matchEnd(shape, source, at);
  return end === undefined ? { fault: `unterminated ${what}` } : { kind, end };
}

function characterAt(source: string, at: number): string | undefined {
  const code = source.codePointAt(at);
  return code === undefined ? undefined : String.fromCodePoint(code);
}

/** Where a sticky pattern's match at a place ends; an empty match is none. */
function matchEnd(
  pattern: RegExp,
  source: string,
  at: number,
): number | undefined {
  pattern.lastIndex = at;
  const match = pattern.exec(source)?.[0];
  return match === undefined || match === "" ? undefined : at + match.length;
}

/** The length of the closing braces that begin here, trim marker included. */
export function closingAt(source: string, at: number): number | undefined {
  const end = at < 0 ? undefined : matchEnd(CLOSING, source, at);
  return end === undefined ? undefined : end - at;
}

export function isSpace(character: string | undefined): boolean {
  return character !== undefined && " \t\r\n".includes(character);
}
