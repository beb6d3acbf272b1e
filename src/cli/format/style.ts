/** Bold and dim text, and lines between it, where somebody looks at it and can see them. */
import type { Environment } from "../settings.js";

/** Marks up a piece of a line; the mark-up takes no columns. */
export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly warn: (text: string) => string;
}

/** Characters that draw a tree, and an arrow. */
export interface Strokes {
  readonly fork: string;
  readonly last: string;
  readonly bar: string;
  readonly gap: string;
  readonly arrow: string;
  readonly more: string;
}

const SGR = (code: number) => (text: string) =>
  text === "" ? text : `\x1b[${code}m${text}\x1b[0m`;
const PLAIN = (text: string): string => text;

const MARKED: Style = { bold: SGR(1), dim: SGR(2), warn: SGR(33) };
const UNMARKED: Style = { bold: PLAIN, dim: PLAIN, warn: PLAIN };

/**
 * How text is marked up: on a terminal only, and neither where `NO_COLOR` is set
 * (no-color.org) nor on one that cannot do it.
 */
export function styleFor(isTTY: boolean, env: Environment): Style {
  const refused = (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb";
  return isTTY && !refused ? MARKED : UNMARKED;
}

const BOXES: Strokes = {
  fork: "├─ ",
  last: "└─ ",
  bar: "│  ",
  gap: "   ",
  arrow: "─▶",
  more: "…",
};
const ASCII: Strokes = {
  fork: "|- ",
  last: "`- ",
  bar: "|  ",
  gap: "   ",
  arrow: "->",
  more: "~",
};

/** Box characters where the locale has them (locale(7): the first of these that is set counts), ASCII elsewhere. */
export function strokesFor(env: Environment): Strokes {
  const locale =
    [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find(
      (value) => value !== undefined && value !== "",
    ) ?? "";
  return /utf-?8/i.test(locale) ? BOXES : ASCII;
}
