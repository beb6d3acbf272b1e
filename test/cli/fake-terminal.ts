// A terminal small enough to trust: it understands what the bars may use and
// throws at anything else.
import { EventEmitter } from "node:events";

interface Line {
  text: string;
  /** Goes on in the next line because the terminal broke it. */
  wrapped: boolean;
}

export class FakeTerminal extends EventEmitter {
  readonly isTTY = true;
  columns: number;
  rows: number;
  /** Everything that was written, as it came. */
  readonly writes: string[] = [];
  /** How often a line had to be broken because it was longer than the screen is wide. */
  wraps = 0;
  #lines: Line[] = [{ text: "", wrapped: false }];
  #row = 0;
  #column = 0;

  constructor(columns = 80, rows = 24) {
    super();
    this.columns = columns;
    this.rows = rows;
  }

  write(text: string): boolean {
    this.writes.push(text);
    const pieces = text.matchAll(
      // oxlint-disable-next-line no-control-regex -- a terminal reads these
      /\x1b\[(?<count>\d*)(?<command>[AJK])|(?<control>[\x00-\x1f\x7f])|(?<plain>[^\x00-\x1f\x7f]+)/g,
    );
    let read = 0;
    for (const { 0: whole, index, groups } of pieces) {
      if (index !== read) throw new Error(`unread: ${JSON.stringify(text)}`);
      read += whole.length;
      this.#obey(groups ?? {});
    }
    if (read !== text.length) throw new Error(`unread: ${text.slice(read)}`);
    return true;
  }

  /** As terminals do that break lines anew: those too long for the new width take more rows. */
  resize(columns: number, rows: number): void {
    const whole: string[] = [];
    let open = "";
    for (const { text, wrapped } of this.#lines) {
      open += text;
      if (wrapped) continue;
      whole.push(open);
      open = "";
    }
    this.#lines = whole.flatMap((text) => broken(text, columns));
    this.columns = columns;
    this.rows = rows;
    this.#row = this.#lines.length - 1;
    this.#column = 0;
    this.emit("resize");
  }

  /** All lines ever shown, the scrolled ones too, without empty ones at the end. */
  text(): string {
    return this.#lines
      .map(({ text }) => text.trimEnd())
      .join("\n")
      .trimEnd();
  }

  /** What is on the screen now. */
  screen(): string[] {
    return this.#lines.slice(this.#top).map(({ text }) => text.trimEnd());
  }

  get cursor(): { row: number; column: number } {
    return { row: this.#row - this.#top, column: this.#column };
  }

  get #top(): number {
    return Math.max(0, this.#lines.length - this.rows);
  }

  #obey(groups: Record<string, string | undefined>): void {
    const { command, count, control, plain } = groups;
    if (plain !== undefined) this.#print(plain);
    else if (control === "\r") this.#column = 0;
    else if (control === "\n") this.#feed(false);
    else if (command === "A") {
      this.#row = Math.max(this.#top, this.#row - Number(count || "1"));
    } else if (command === "K") this.#eraseLine();
    else if (command === "J") {
      this.#eraseLine();
      for (const line of this.#lines.slice(this.#row + 1)) line.text = "";
    } else throw new Error(`control character ${JSON.stringify(control)}`);
  }

  #print(text: string): void {
    for (const character of text) {
      if (this.#column === this.columns) {
        this.wraps++;
        this.#feed(true);
      }
      const line = this.#line();
      line.text =
        line.text.slice(0, this.#column).padEnd(this.#column) +
        character +
        line.text.slice(this.#column + 1);
      this.#column++;
    }
  }

  #feed(wrapped: boolean): void {
    this.#line().wrapped = wrapped;
    this.#row++;
    this.#column = 0;
    if (this.#row === this.#lines.length) {
      this.#lines.push({ text: "", wrapped: false });
    }
  }

  #eraseLine(): void {
    const line = this.#line();
    line.text = line.text.slice(0, this.#column);
  }

  #line(): Line {
    const line = this.#lines[this.#row];
    if (line === undefined) throw new Error("cursor outside the screen");
    return line;
  }
}

function broken(text: string, columns: number): Line[] {
  const lines: Line[] = [];
  for (let at = 0; at === 0 || at < text.length; at += columns) {
    const wrapped = at + columns < text.length;
    lines.push({ text: text.slice(at, at + columns), wrapped });
  }
  return lines;
}
