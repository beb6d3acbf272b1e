/** Cuts a template into tokens: text outside of `{{ }}`, words and signs inside. */
import { closingAt, isSpace, readWord, type TokenKind } from "./words.js";

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Where it begins, in UTF-16 units. */
  readonly at: number;
  /** Line of its beginning, from 1. */
  readonly line: number;
}

/** The tokens of a template; the last one is an error or the end of the text. */
export function* tokensOf(source: string): Generator<Token, void> {
  const lines = lineCounter(source);
  const token = (kind: TokenKind, at: number, end: number): Token => ({
    kind,
    text: source.slice(at, end),
    at,
    line: lines(at),
  });
  let at = 0;
  for (;;) {
    const open = source.indexOf("{{", at);
    if (open === -1) break;
    const trims = /^-[ \t\r\n]/.test(source.slice(open + 2, open + 4));
    const before = source.slice(at, open);
    const kept = trims ? trimmedEnd(before) : before;
    if (kept !== "") yield token("text", at, at + kept.length);
    const inside = open + (trims ? 4 : 2);
    if (source.startsWith("/*", inside)) {
      const closing = source.indexOf("*/", inside + 2);
      const fault =
        closing === -1
          ? "unclosed comment"
          : closingAt(source, closing + 2) === undefined
            ? "comment ends before closing delimiter"
            : undefined;
      if (fault !== undefined) {
        yield { ...token("error", inside, inside), text: fault };
        return;
      }
      at = afterClosing(source, closing + 2);
      continue;
    }
    yield token("open", open, open + 2);
    at = yield* actionTokens(source, inside, token);
    if (at === -1) return;
  }
  if (at < source.length) yield token("text", at, source.length);
  yield token("end of text", source.length, source.length);
}

/** The tokens up to the closing braces; returns where text goes on, or -1 behind an error. */
function* actionTokens(
  source: string,
  start: number,
  token: (kind: TokenKind, at: number, end: number) => Token,
): Generator<Token, number> {
  let at = start;
  let depth = 0;
  for (;;) {
    const closing = closingAt(source, at);
    if (closing !== undefined) {
      if (depth > 0) {
        yield { ...token("error", at, at), text: "unclosed left paren" };
        return -1;
      }
      yield token("close", at + closing - 2, at + closing);
      return afterClosing(source, at);
    }
    const read = readWord(source, at);
    if (read.fault !== undefined) {
      yield { ...token("error", at, at), text: read.fault };
      return -1;
    }
    if (read.kind === "(") depth += 1;
    if (read.kind === ")") depth -= 1;
    if (depth < 0) {
      yield { ...token("error", at, at), text: "unexpected right paren" };
      return -1;
    }
    yield token(read.kind, at, read.end);
    at = read.end;
  }
}

/** Where text begins behind the closing braces, which trim it or do not. */
function afterClosing(source: string, at: number): number {
  const length = closingAt(source, at) ?? 0;
  const end = at + length;
  if (length === 2) return end;
  let next = end;
  while (isSpace(source[next])) next += 1;
  return next;
}

function trimmedEnd(text: string): string {
  let end = text.length;
  while (isSpace(text[end - 1])) end -= 1;
  return text.slice(0, end);
}

/** Counts lines as places go up, each line break once. */
function lineCounter(source: string): (at: number) => number {
  let line = 1;
  let counted = 0;
  return (at) => {
    for (; counted < at; counted++) if (source[counted] === "\n") line += 1;
    return line;
  };
}
