/**
 * The terminal as cli-progress drives it, but drawing whole pictures: one write
 * for each, only when something changed, never more lines than fit. The picture
 * is found again by moving up from the line below it, where the cursor rests.
 * Nothing about the terminal is switched (no hidden cursor, no wrapping mode),
 * so there is nothing to restore, whatever ends the process.
 */
import type { CliStream } from "../output.js";

const ESC = "\x1b[";
const ERASE_TO_END_OF_LINE = `${ESC}K`;
const ERASE_BELOW = `${ESC}J`;
/** What is assumed of a terminal that does not tell its size. */
const USUAL_COLUMNS = 80;
const USUAL_ROWS = 24;

export class Frame {
  readonly #stream: CliStream;
  /** Lines for above the picture: they scroll away and stay. */
  #above: string[] = [];
  #lines: string[] = [""];
  #drawn: string[] = [];
  #drawnColumns = 0;

  constructor(stream: CliStream) {
    this.#stream = stream;
  }

  /** Layers that can be shown beside the total, a note and the cursor's line. */
  get capacity(): number {
    return Math.max(0, this.#rows - 3);
  }

  get #rows(): number {
    return this.#stream.rows || USUAL_ROWS;
  }

  get #columns(): number {
    return this.#stream.columns || USUAL_COLUMNS;
  }

  /**
   * Brings what cli-progress has rendered to the screen.
   * @param always also when it is there already: a typed `^C` may stand below it
   */
  flush(always = false): void {
    const columns = this.#columns;
    const fitting = this.#lines
      .filter((line) => line !== "")
      .slice(-Math.max(1, this.#rows - 1));
    if (!always && !this.#differs(fitting, columns)) return;
    const up = this.#height(columns);
    const text = [...this.#above, ...fitting]
      .map((line) => `${line}${ERASE_TO_END_OF_LINE}\n`)
      .join("");
    const toTop = up === 0 ? "\r" : `\r${ESC}${up}A`;
    this.#stream.write(toTop + text + ERASE_BELOW);
    this.#above = [];
    this.#drawn = fitting;
    this.#drawnColumns = columns;
  }

  #differs(lines: readonly string[], columns: number): boolean {
    return (
      this.#above.length > 0 ||
      (columns !== this.#drawnColumns && this.#drawn.length > 0) ||
      lines.length !== this.#drawn.length ||
      lines.some((line, index) => line !== this.#drawn[index])
    );
  }

  /** Rows that the last picture takes now: a terminal made narrower breaks its lines. */
  #height(columns: number): number {
    return this.#drawn.reduce(
      (rows, line) => rows + Math.max(1, Math.ceil(line.length / columns)),
      0,
    );
  }

  // What follows is the interface of cli-progress' own Terminal.

  isTTY(): boolean {
    return true;
  }

  /** One less than there is: a full line would make some terminals wrap. */
  getWidth(): number {
    return this.#columns - 1;
  }

  cursorRelativeReset(): void {
    this.#lines = [""];
  }

  newline(): void {
    this.#lines.push("");
  }

  /** @param raw whether the text is for above the picture */
  write(text: string, raw = false): void {
    if (raw) this.#above.push(text);
    else this.#lines[this.#lines.length - 1] = text;
  }

  clearLine(): void {}
  clearRight(): void {}
  clearBottom(): void {}
  cursor(): void {}
  cursorTo(): void {}
  cursorRelative(): void {}
  cursorSave(): void {}
  cursorRestore(): void {}
  lineWrapping(): void {}
}
