/** Floats as decimal text, as Go's strconv writes them. */

/** Beyond this many digits behind the point a float64 has only zeros. */
const MOST_DIGITS = 1100;

/** `%f`: exactly so many digits behind the point, the last one rounded half to even. */
export function fixedDecimal(value: number, digits: number): string {
  const kept = Math.min(digits, MOST_DIGITS);
  const { numerator, denominator } = fraction(Math.abs(value));
  const scaled = roundedQuotient(numerator * 10n ** BigInt(kept), denominator);
  const text = scaled.toString().padStart(kept + 1, "0");
  const whole = text.slice(0, text.length - kept);
  const behind = text.slice(text.length - kept).padEnd(digits, "0");
  return signOf(value) + (digits === 0 ? whole : `${whole}.${behind}`);
}

/** `%e`: one digit before the point and so many behind it. */
export function scientific(value: number, digits: number): string {
  const { digits: text, exponent } = roundedDigits(value, digits + 1);
  return signOf(value) + withExponent(text.padEnd(digits + 1, "0"), exponent);
}

/** `%e` with as many digits as tell the value from its neighbours. */
export function shortestScientific(value: number): string {
  const { digits, exponent } = shortestDigits(value);
  return signOf(value) + withExponent(digits, exponent);
}

/** `%f` with as many digits as tell the value from its neighbours. */
export function shortestFixed(value: number): string {
  const { digits, exponent } = shortestDigits(value);
  return signOf(value) + placed(digits, exponent);
}

/**
 * `%g`: like `%e` for large and small exponents, else like `%f`.
 * @param precision significant digits; undefined for the shortest text
 * @param largest the exponent from which on the shortest text is written like `%e`
 */
export function general(
  value: number,
  precision: number | undefined,
  largest: number = 6,
): string {
  const wanted = precision === undefined ? undefined : Math.max(1, precision);
  const { digits, exponent } =
    wanted === undefined ? shortestDigits(value) : roundedDigits(value, wanted);
  const significant = digits.replace(/0+$/, "") || "0";
  const enough =
    wanted === undefined ? largest : limitOf(wanted, significant, exponent);
  const text =
    exponent < -4 || exponent >= enough
      ? withExponent(significant, exponent)
      : placed(significant, exponent);
  return signOf(value) + text;
}

/** Whole numbers that need all their digits are not written with an exponent. */
function limitOf(wanted: number, digits: string, exponent: number): number {
  return wanted > digits.length && digits.length >= exponent + 1
    ? digits.length
    : wanted;
}

function signOf(value: number): string {
  return value < 0 || Object.is(value, -0) ? "-" : "";
}

function withExponent(digits: string, exponent: number): string {
  const behind = digits.slice(1);
  const sign = exponent < 0 ? "-" : "+";
  const size = String(Math.abs(exponent)).padStart(2, "0");
  return `${digits[0]}${behind === "" ? "" : `.${behind}`}e${sign}${size}`;
}

/** The digits with the point where the exponent says. */
function placed(digits: string, exponent: number): string {
  const before = exponent + 1;
  if (before <= 0) return `0.${"0".repeat(-before)}${digits}`;
  if (digits.length <= before) return digits.padEnd(before, "0");
  return `${digits.slice(0, before)}.${digits.slice(before)}`;
}

function shortestDigits(value: number): { digits: string; exponent: number } {
  // JavaScript writes the shortest text, too.
  const [mantissa = "", exponent = "0"] = Math.abs(value)
    .toExponential()
    .split("e");
  return { digits: mantissa.replace(".", ""), exponent: Number(exponent) };
}

function roundedDigits(
  value: number,
  count: number,
): { digits: string; exponent: number } {
  if (value === 0) return { digits: "0", exponent: 0 };
  const kept = Math.min(count, MOST_DIGITS);
  const { numerator, denominator } = fraction(Math.abs(value));
  let exponent = shortestDigits(value).exponent;
  // Rounding may carry into one digit more.
  for (;;) {
    const shift = kept - 1 - exponent;
    const scaled =
      shift >= 0
        ? roundedQuotient(numerator * 10n ** BigInt(shift), denominator)
        : roundedQuotient(numerator, denominator * 10n ** BigInt(-shift));
    const digits = scaled.toString();
    if (digits.length <= kept) return { digits, exponent };
    exponent += 1;
  }
}

/** The value as a fraction, exactly. */
function fraction(value: number): { numerator: bigint; denominator: bigint } {
  let denominator = 1n;
  let rest = value;
  let shift = 0;
  while (!Number.isInteger(rest) && shift < 1100) {
    rest *= 2;
    shift += 1;
  }
  denominator <<= BigInt(shift);
  return { numerator: BigInt(rest), denominator };
}

function roundedQuotient(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator;
  const twice = (numerator % denominator) * 2n;
  const isUp =
    twice > denominator || (twice === denominator && quotient % 2n === 1n);
  return isUp ? quotient + 1n : quotient;
}
