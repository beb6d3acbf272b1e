/**
 * Columns set with tabs, as docker sets its tables: a column is as wide as the
 * widest of its cells in lines that follow each other, but at least 10, and 3
 * spaces apart from the next. (Go's text/tabwriter, in docker/cli's version,
 * which reckons with wide characters.)
 */
import { characterWidth } from "./width.js";

const LEAST_WIDTH = 10;
const PADDING = 3;

/** A line of cells; what stands behind the last tab belongs to no column. */
type Line = readonly string[];

/**
 * Replaces the tabs in a text by spaces, so that cells stand in columns. The
 * text ends with a line break, or gets one.
 */
export function setColumns(text: string): string {
  const ended = text.replace(/[\n\f]$/, "");
  const blocks = ended
    // A form feed ends all columns that were begun above it.
    .split("\f")
    .map((block) => block.split("\n").map((line) => line.split(/[\t\v]/)));
  return blocks.map((lines) => setLines(lines)).join("");
}

function setLines(lines: readonly Line[]): string {
  const widths = columnWidths(lines);
  return lines
    .map((line, at) => {
      const cells = line.map((cell, column) => {
        const width = widths[at]?.[column];
        return width === undefined
          ? cell
          : cell + " ".repeat(width - displayWidth(cell));
      });
      return `${cells.join("")}\n`;
    })
    .join("");
}

/** For each line the widths of its cells but the last. A line that lacks a column parts it into two. */
function columnWidths(lines: readonly Line[]): readonly number[][] {
  const widths = lines.map((): number[] => []);
  const columns = lines.reduce(
    (most, line) => Math.max(most, line.length - 1),
    0,
  );
  for (let column = 0; column < columns; column++) {
    let start = 0;
    while (start < lines.length) {
      let end = start;
      let width = LEAST_WIDTH;
      for (; column < (lines[end]?.length ?? 0) - 1; end++) {
        const cell = lines[end]?.[column] ?? "";
        width = Math.max(width, displayWidth(cell) + PADDING);
      }
      for (let at = start; at < end; at++) widths[at]?.push(width);
      start = end + 1;
    }
  }
  return widths;
}

const PLAIN = /^[\x20-\x7e]*$/;
/** What shows nothing itself: controls, marks that join, and invisible signs. */
const NO_WIDTH =
  // oxlint-disable-next-line no-control-regex -- controls are among them
  /^[\x00-\x1f\x7f-\x9f\u00ad\p{Mn}\p{Me}\u200b-\u200f\u2028-\u202e\u206a-\u206f\ufeff\ufff9-\ufffb]$/u;

let graphemes: Intl.Segmenter | undefined;

/** Columns of a text: a character with its marks takes those of the first part that shows. */
export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  graphemes ??= new Intl.Segmenter("en", { granularity: "grapheme" });
  let width = 0;
  for (const { segment } of graphemes.segment(text)) {
    const first = [...segment].find((each) => !NO_WIDTH.test(each));
    if (first !== undefined) width += characterWidth(first);
  }
  return width;
}
