/** The verbs of Go's printf for simple values: texts, numbers, truth. */
import {
  fixedDecimal,
  general,
  hexadecimal,
  scientific,
  stored,
  withPoint,
} from "./floats.js";
import { backquoted, quoted, quotedCharacter, unicodeName } from "./quote.js";

/** What stands between `%` and the verb. */
export interface Flags {
  readonly plus: boolean;
  readonly minus: boolean;
  readonly sharp: boolean;
  readonly space: boolean;
  readonly zero: boolean;
  readonly width: number | undefined;
  readonly precision: number | undefined;
  /** `%+v`: structs with the names of their fields. */
  readonly named: boolean;
  /** `%#v`: as Go source. */
  readonly source: boolean;
}

export const NO_FLAGS: Flags = {
  plus: false,
  minus: false,
  sharp: false,
  space: false,
  zero: false,
  width: undefined,
  precision: undefined,
  named: false,
  source: false,
};

/** Each returns undefined for a verb that its kind of value does not have. */
type Formatted = string | undefined;

export function padded(text: string, flags: Flags, zero: boolean): string {
  const { width = 0 } = flags;
  if (width === 0) return text;
  const missing = width - [...text].length;
  if (missing <= 0) return text;
  if (flags.minus) return text + " ".repeat(missing);
  return (zero ? "0" : " ").repeat(missing) + text;
}

export function formatBool(
  value: boolean,
  verb: string,
  flags: Flags,
): Formatted {
  if (verb !== "t" && verb !== "v") return undefined;
  return padded(String(value), flags, flags.zero);
}

export function formatString(
  value: string,
  verb: string,
  flags: Flags,
): Formatted {
  switch (verb) {
    case "v":
      return flags.source
        ? formatQuoted(value, flags)
        : padded(cutTo(value, flags.precision), flags, flags.zero);
    case "s":
      return padded(cutTo(value, flags.precision), flags, flags.zero);
    case "q":
      return formatQuoted(value, flags);
    case "x":
    case "X":
      return hexBytes(value, verb === "X", flags);
    default:
      return undefined;
  }
}

function cutTo(text: string, characters: number | undefined): string {
  return characters === undefined || text.length <= characters
    ? text
    : [...text].slice(0, characters).join("");
}

function formatQuoted(value: string, flags: Flags): string {
  const text = cutTo(value, flags.precision);
  const raw = flags.sharp ? backquoted(text) : undefined;
  return padded(raw ?? quoted(text, flags.plus), flags, flags.zero);
}

function hexBytes(value: string, upper: boolean, flags: Flags): string {
  const bytes = Buffer.from(value).subarray(0, flags.precision);
  const digits = bytes.toString("hex");
  const cased = upper ? digits.toUpperCase() : digits;
  const prefix = flags.sharp && cased !== "" ? (upper ? "0X" : "0x") : "";
  const text = flags.space
    ? (cased.match(/../g) ?? []).map((each) => prefix + each).join(" ")
    : prefix + cased;
  return padded(text, flags, flags.zero);
}

const BASES: ReadonlyMap<string, number> = new Map([
  ["b", 2],
  ["o", 8],
  ["O", 8],
  ["d", 10],
  ["v", 10],
  ["x", 16],
  ["X", 16],
]);

export function formatInteger(
  value: bigint,
  verb: string,
  flags: Flags,
  isSigned: boolean,
): Formatted {
  const base = BASES.get(verb);
  if (base !== undefined) {
    const asHex = verb === "v" && flags.source && !isSigned;
    return asHex
      ? digitsOf(value, 16, "x", { ...flags, sharp: true })
      : digitsOf(value, base, verb, flags);
  }
  const character = characterOf(value);
  switch (verb) {
    case "c":
      return padded(character, flags, flags.zero);
    case "q":
      return padded(quotedCharacter(character, flags.plus), flags, flags.zero);
    case "U":
      return padded(codePoint(value, flags), flags, false);
    default:
      return undefined;
  }
}

function characterOf(value: bigint): string {
  const isCode =
    value >= 0n && value <= 0x10ffffn && !(value >= 0xd800n && value < 0xe000n);
  return isCode ? String.fromCodePoint(Number(value)) : "\ufffd";
}

function codePoint(value: bigint, flags: Flags): string {
  const digits = BigInt.asUintN(64, value).toString(16).toUpperCase();
  const name = `U+${digits.padStart(Math.max(4, flags.precision ?? 0), "0")}`;
  const shows = flags.sharp && unicodeName(characterOf(value)).includes("'");
  return shows && value >= 0n && value <= 0x10ffffn
    ? `${name} '${characterOf(value)}'`
    : name;
}

function digitsOf(
  value: bigint,
  base: number,
  verb: string,
  flags: Flags,
): string {
  const { precision, width = 0 } = flags;
  if (precision === 0 && value === 0n) return " ".repeat(width);
  const sign = value < 0n ? "-" : flags.plus ? "+" : flags.space ? " " : "";
  const fillsWidth = flags.zero && precision === undefined;
  const least = precision ?? (fillsWidth ? width - sign.length : 0);
  const size = value < 0n ? -value : value;
  const lower = size.toString(base).padStart(least, "0");
  const digits = verb === "X" ? lower.toUpperCase() : lower;
  return padded(
    sign + basePrefix(digits, base, verb, flags) + digits,
    flags,
    false,
  );
}

function basePrefix(
  digits: string,
  base: number,
  verb: string,
  flags: Flags,
): string {
  const octal = flags.sharp && !digits.startsWith("0") ? "0" : "";
  if (verb === "O") return `0o${octal}`;
  if (!flags.sharp) return "";
  switch (base) {
    case 2:
      return "0b";
    case 8:
      return octal;
    case 16:
      return verb === "X" ? "0X" : "0x";
    default:
      return "";
  }
}

export function formatFloat(
  value: number,
  verb: string,
  flags: Flags,
): Formatted {
  const text = floatText(value, verb, flags);
  if (text === undefined) return undefined;
  const sign = text.startsWith("-")
    ? "-"
    : flags.plus
      ? "+"
      : flags.space
        ? " "
        : "";
  const digits = text.replace(/^-/, "");
  if (!flags.zero || flags.minus) return padded(sign + digits, flags, false);
  const width = Math.max(0, (flags.width ?? 0) - sign.length);
  return sign + digits.padStart(width, "0");
}

function floatText(value: number, verb: string, flags: Flags): Formatted {
  const text = floatDigits(value, verb, flags.precision);
  if (text === undefined || !flags.sharp || verb === "b") return text;
  const shown = "vgGx".includes(verb) ? (flags.precision ?? 6) : 0;
  return withPoint(text, shown);
}

function floatDigits(
  value: number,
  verb: string,
  precision: number | undefined,
): Formatted {
  switch (verb) {
    case "v":
    case "g":
      return general(value, precision);
    case "G":
      return general(value, precision).toUpperCase();
    case "e":
      return scientific(value, precision ?? 6);
    case "E":
      return scientific(value, precision ?? 6).toUpperCase();
    case "f":
    case "F":
      return fixedDecimal(value, precision ?? 6);
    case "x":
      return hexadecimal(value, precision);
    case "X":
      return hexadecimal(value, precision).toUpperCase();
    case "b":
      return stored(value);
    default:
      return undefined;
  }
}
