/** The literals of a template: Go's strings, characters and numbers. */
import type { NumberNode } from "./nodes.js";
import { quoted } from "./quote.js";

/** Why a literal is none; the reader of the template says where. */
export class LiteralProblem extends Error {}

const BAD_SYNTAX = "invalid syntax";

const ESCAPES: ReadonlyMap<string, number> = new Map([
  ["a", 7],
  ["b", 8],
  ["f", 12],
  ["n", 10],
  ["r", 13],
  ["t", 9],
  ["v", 11],
  ["\\", 92],
]);
const HEX_DIGITS: ReadonlyMap<string, number> = new Map([
  ["x", 2],
  ["u", 4],
  ["U", 8],
]);

/**
 * The text that a string literal with its quotes stands for. Escapes may spell
 * UTF-8 byte by byte; bytes that are none become U+FFFD.
 * @throws LiteralProblem
 */
export function unquote(source: string): string {
  const inside = source.slice(1, -1);
  if (source.startsWith("`")) return inside.replaceAll("\r", "");
  const parts: Buffer[] = [];
  let rest = inside;
  while (rest !== "") {
    const plain = /^[^\\"\n]+/.exec(rest)?.[0];
    if (plain !== undefined) {
      parts.push(Buffer.from(plain));
      rest = rest.slice(plain.length);
      continue;
    }
    const { code, isByte, length } = readEscape(rest, '"');
    parts.push(
      isByte ? Buffer.from([code]) : Buffer.from(String.fromCodePoint(code)),
    );
    rest = rest.slice(length);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** One escape sequence at the beginning of `text`. */
function readEscape(
  text: string,
  quote: string,
): { code: number; isByte: boolean; length: number } {
  const letter = text[0] === "\\" ? (text[1] ?? "") : "";
  const simple = letter === quote ? quote.charCodeAt(0) : ESCAPES.get(letter);
  if (simple !== undefined) return { code: simple, isByte: false, length: 2 };
  const digits = HEX_DIGITS.get(letter);
  if (digits !== undefined) {
    const match = text.slice(2, 2 + digits);
    const code = Number.parseInt(match, 16);
    const valid =
      match.length === digits &&
      /^[0-9a-fA-F]+$/.test(match) &&
      code <= 0x10ffff &&
      !(code >= 0xd800 && code <= 0xdfff);
    if (!valid) throw new LiteralProblem(BAD_SYNTAX);
    return { code, isByte: letter === "x", length: 2 + digits };
  }
  const octal = /^\\([0-7]{3})/.exec(text)?.[1];
  const code = Number.parseInt(octal ?? "", 8);
  if (!(code <= 255)) throw new LiteralProblem(BAD_SYNTAX);
  return { code, isByte: true, length: 4 };
}

/**
 * The number that a character constant with its quotes stands for.
 * @throws LiteralProblem
 */
export function characterNode(source: string, at: number): NumberNode {
  const inside = source.slice(1);
  const first = String.fromCodePoint(inside.codePointAt(0) ?? 0);
  if (first === "'") throw new LiteralProblem(BAD_SYNTAX);
  const { code, length } =
    first === "\\"
      ? readEscape(inside, "'")
      : { code: first.codePointAt(0) ?? 0, length: first.length };
  if (inside.slice(length) !== "'") {
    throw new LiteralProblem(`malformed character constant: ${source}`);
  }
  const value = BigInt(code);
  return {
    kind: "number",
    at,
    text: source,
    int: value,
    uint: value,
    float: code,
    looksFloat: false,
  };
}

const SMALLEST_INT = -(2n ** 63n);
const LARGEST_INT = 2n ** 63n - 1n;
const LARGEST_UINT = 2n ** 64n - 1n;

/**
 * A number as Go reads it: decimal, `0x`, `0o` or `0b`, with `_` between digits.
 * @throws LiteralProblem
 */
export function numberNode(text: string, at: number): NumberNode {
  if (text.endsWith("i")) {
    throw new LiteralProblem(`complex numbers are not supported: ${text}`);
  }
  const whole = wholeNumber(text);
  const looksFloat = !/^0[xX][^pP]*$/.test(text) && /[.eEpP]/.test(text);
  if (whole !== undefined) {
    const int = inRange(whole, SMALLEST_INT, LARGEST_INT);
    const unsigned = /^[+-]/.test(text) ? undefined : whole;
    const uint =
      whole === 0n ? 0n : unsigned && inRange(unsigned, 0n, LARGEST_UINT);
    if (int === undefined && uint === undefined) {
      throw new LiteralProblem(`integer overflow: ${quoted(text)}`);
    }
    const float = Number(whole);
    return { kind: "number", at, text, int, uint, float, looksFloat };
  }
  const float = floatNumber(text);
  if (float === undefined) {
    throw new LiteralProblem(`illegal number syntax: ${quoted(text)}`);
  }
  if (!/[.eEpP]/.test(text)) {
    throw new LiteralProblem(`integer overflow: ${quoted(text)}`);
  }
  const exact = Number.isInteger(float) ? BigInt(float) : undefined;
  return {
    kind: "number",
    at,
    text,
    int: exact && inRange(exact, SMALLEST_INT, LARGEST_INT),
    uint: exact && inRange(exact, 0n, LARGEST_UINT),
    float,
    looksFloat,
  };
}

function inRange(
  value: bigint,
  least: bigint,
  most: bigint,
): bigint | undefined {
  return value >= least && value <= most ? value : undefined;
}

function wholeNumber(text: string): bigint | undefined {
  const [, sign = "", digits = ""] = /^([+-]?)(\w+)$/.exec(text) ?? [];
  if (!underscoresFit(digits)) return undefined;
  const bare = digits.replaceAll("_", "").toLowerCase();
  const octal = /^0[0-7]+$/.test(bare) ? `0o${bare.slice(1)}` : bare;
  if (!/^(?:0x[\da-f]+|0o[0-7]+|0b[01]+|0|[1-9]\d*)$/.test(octal)) {
    return undefined;
  }
  return sign === "-" ? -BigInt(octal) : BigInt(octal);
}

/** `_` only between digits, or between a prefix and a digit. */
function underscoresFit(digits: string): boolean {
  if (!digits.includes("_")) return digits !== "";
  const rest = digits.replace(/^0[xXoObB]/, "0");
  return rest.startsWith("0") && !/^(?:_|.*__|.*_$)/.test(rest)
    ? true
    : /^\d+(?:_\d+)*$/.test(rest);
}

function floatNumber(text: string): number | undefined {
  if (/^[+-]?0[xX]/.test(text)) return hexFloat(text);
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) {
    return undefined;
  }
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

function hexFloat(text: string): number | undefined {
  const match =
    /^([+-]?)0[xX]([\da-fA-F]*)\.?([\da-fA-F]*)[pP]([+-]?\d{1,6})$/.exec(text);
  const [, sign = "", whole = "", fraction = "", exponent = ""] = match ?? [];
  const digits = whole + fraction;
  if (match === null || digits === "" || digits.length > 250) return undefined;
  const power = Number(exponent) - 4 * fraction.length;
  const value = Number(BigInt(`0x${digits}`)) * 2 ** power;
  if (!Number.isFinite(value)) return undefined;
  return sign === "-" ? -value : value;
}
