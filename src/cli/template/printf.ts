/** Go's printf: a format with verbs, and the values for them. */
import { formatValue, type Printed } from "./print.js";
import { fromInterface } from "./truth.js";
import { CallProblem, LONGEST_TEXT } from "./problem.js";
import { typeName } from "./types.js";
import { NO_FLAGS, type Flags } from "./verbs.js";

/** Larger widths and precisions are none to Go, but for one digit more in a format. */
const LARGEST_NUMBER = 1_000_000;

/** What `printf` makes of a format; a verb and a value that do not fit show in the text as in Go. */
export function sprintf(format: string, values: readonly Printed[]): string {
  return new Formatter(format, values).run();
}

class Formatter {
  readonly #format: string;
  readonly #values: readonly Printed[];
  #at = 0;
  #text = "";
  /** Which value comes next. */
  #next = 0;
  /** Whether the format ever chose a value by its number. */
  #reordered = false;
  /** Whether the verb that is being read chose one that exists. */
  #goodNumber = true;
  /** Whether `[n]` was the last thing read. */
  #afterNumber = false;

  constructor(format: string, values: readonly Printed[]) {
    this.#format = format;
    this.#values = values.map(fromInterface);
  }

  run(): string {
    const format = this.#format;
    while (this.#at < format.length) {
      const percent = format.indexOf("%", this.#at);
      const end = percent === -1 ? format.length : percent;
      this.#add(format.slice(this.#at, end));
      this.#at = end + 1;
      if (percent !== -1 && !this.#verb()) break;
    }
    if (!this.#reordered && this.#next < this.#values.length) {
      const extra = this.#values.slice(this.#next).map((value) => {
        const shown = formatValue(value, "v", NO_FLAGS);
        return value === undefined ? shown : `${nameOf(value)}=${shown}`;
      });
      this.#add(`%!(EXTRA ${extra.join(", ")})`);
    }
    return this.#text;
  }

  #add(text: string): void {
    this.#text += text;
    if (this.#text.length > LONGEST_TEXT) {
      throw new CallProblem("the text is too long");
    }
  }

  /** Flags, numbers and the verb behind a `%`; false where the format ends before a verb. */
  #verb(): boolean {
    this.#goodNumber = true;
    this.#afterNumber = false;
    const signs = this.#match(/[-+# 0]*/y);
    let minus = signs.includes("-");
    this.#number();
    const width = this.#size("%!(BADWIDTH)");
    if (width !== undefined && width < 0) minus = true;
    const precision = this.#precision();
    if (!this.#afterNumber) this.#number();
    const code = this.#format.codePointAt(this.#at);
    if (code === undefined) {
      this.#add("%!(NOVERB)");
      return false;
    }
    const verb = String.fromCodePoint(code);
    this.#at += verb.length;
    const isValue = verb === "v";
    const sharp = signs.includes("#");
    const plus = signs.includes("+");
    this.#add(
      this.#formatted(verb, {
        minus,
        plus: plus && !isValue,
        sharp: sharp && !isValue,
        space: signs.includes(" "),
        zero: signs.includes("0") && !minus,
        width: width === undefined ? undefined : Math.abs(width),
        precision,
        named: plus && isValue,
        source: sharp && isValue,
      }),
    );
    return true;
  }

  #formatted(verb: string, flags: Flags): string {
    if (verb === "%") return "%";
    if (!this.#goodNumber) return `%!${verb}(BADINDEX)`;
    if (this.#next >= this.#values.length) return `%!${verb}(MISSING)`;
    const value = this.#values[this.#next];
    this.#next += 1;
    return formatValue(value, verb, flags);
  }

  /** A width: digits, or `*` for the next value. */
  #size(complaint: string): number | undefined {
    if (this.#match(/\*/y) !== "") {
      this.#afterNumber = false;
      const value = this.#values[this.#next];
      this.#next = Math.min(this.#next + 1, this.#values.length);
      const number = typeof value?.data === "bigint" ? value.data : undefined;
      const fits =
        number !== undefined &&
        number <= LARGEST_NUMBER &&
        number >= -LARGEST_NUMBER;
      if (!fits) this.#add(complaint);
      return fits ? Number(number) : undefined;
    }
    const digits = this.#match(/\d+/y);
    if (digits === "") return undefined;
    if (this.#afterNumber) this.#goodNumber = false;
    const number = Number(digits);
    if (number / 10 < LARGEST_NUMBER + 1) return number;
    // Go gives up on the whole format then.
    this.#at = this.#format.length;
    return undefined;
  }

  #precision(): number | undefined {
    const hasMore = this.#at + 1 < this.#format.length;
    if (!hasMore || this.#match(/\./y) === "") return undefined;
    if (this.#afterNumber) this.#goodNumber = false;
    this.#number();
    const isStar = this.#format[this.#at] === "*";
    const size = this.#size("%!(BADPREC)");
    if (!isStar) return size ?? 0;
    if (size === undefined || size >= 0) return size;
    this.#add("%!(BADPREC)");
    return undefined;
  }

  /** `[3]`: the value that comes next, by its number from 1. */
  #number(): void {
    this.#afterNumber = false;
    if (this.#format[this.#at] !== "[") return;
    this.#reordered = true;
    const text = this.#match(/\[[^\]]*\]/y) || this.#match(/\[/y);
    const digits = /^\[(\d{1,7})\]$/.exec(text)?.[1];
    const index = Number(digits) - 1;
    if (digits !== undefined) this.#afterNumber = true;
    if (index >= 0 && index < this.#values.length) this.#next = index;
    else this.#goodNumber = false;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#format)?.[0] ?? "";
    this.#at += match.length;
    return match;
  }
}

function nameOf(value: NonNullable<Printed>): string {
  return typeName(value.type);
}
