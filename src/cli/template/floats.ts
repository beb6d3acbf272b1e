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

/** `%x`: hexadecimal digits and a power of two; as many behind the point as are needed, or so many. */
export function hexadecimal(value: number, digits?: number): string {
  let { mantissa, exponent } = binary(value);
  const kept = digits ?? 13;
  if (kept < 13) {
    const unit = 16n ** BigInt(13 - kept);
    mantissa = roundedQuotient(mantissa, unit) * unit;
    if (mantissa >> 53n !== 0n) exponent += 1;
    if (mantissa >> 53n !== 0n) mantissa >>= 1n;
  }
  const all = (mantissa & (2n ** 52n - 1n)).toString(16).padStart(13, "0");
  const behind =
    digits === undefined
      ? all.replace(/0+$/, "")
      : all.slice(0, digits).padEnd(digits, "0");
  const power = value === 0 ? 0 : exponent + 52;
  const size = String(Math.abs(power)).padStart(2, "0");
  const fraction = behind === "" ? "" : `.${behind}`;
  return `${signOf(value)}0x${mantissa >> 52n}${fraction}p${power < 0 ? "-" : "+"}${size}`;
}

/** `%b`: a whole number and a power of two, as the value is stored. */
export function stored(value: number): string {
  const size = Math.abs(value);
  const { mantissa, exponent } = binary(value);
  // Numbers next to zero are stored with fewer digits.
  const shift = size === 0 ? 0 : Math.max(0, -1074 - exponent);
  const power = size === 0 ? -1074 : exponent + shift;
  return `${signOf(value)}${mantissa >> BigInt(shift)}p${power < 0 ? "" : "+"}${power}`;
}

/** The size of a value as 53 binary digits, the first of which is 1, and a power of two. */
function binary(value: number): { mantissa: bigint; exponent: number } {
  if (value === 0) return { mantissa: 0n, exponent: 0 };
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, Math.abs(value));
  const bits = view.getBigUint64(0);
  const field = Number(bits >> 52n);
  let mantissa = bits & (2n ** 52n - 1n);
  if (field > 0)
    return { mantissa: mantissa | (1n << 52n), exponent: field - 1075 };
  let exponent = -1074;
  while (mantissa >> 52n === 0n) {
    mantissa <<= 1n;
    exponent -= 1;
  }
  return { mantissa, exponent };
}

/**
 * `#`: with a point even where no digit follows it, and for `%g` with the zeros
 * at the end.
 * @param digits significant digits to show at least
 */
export function withPoint(text: string, digits: number): string {
  const [, number = "", tail = ""] =
    /^(.*?)((?:[eE][+-]|[pP]).*)?$/.exec(text) ?? [];
  const significant = number
    .replace(/^-/, "")
    .replace(".", "")
    .replace(/^0+/, "");
  const isZero = /^-?0$/.test(number);
  const missing = digits - significant.length - (isZero ? 1 : 0);
  const point = number.includes(".") ? "" : ".";
  return `${number}${point}${"0".repeat(Math.max(0, missing))}${tail}`;
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
