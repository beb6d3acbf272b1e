/** Sizes and spans of time in docker's own words (those of go-units). */

const DECIMAL = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"] as const;

/** `133MB`: powers of 1000, so many significant digits (docker's listings have 3, its detailed ones 4). */
export function humanSize(bytes: number, digits: number = 3): string {
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < DECIMAL.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${general(size, digits)}${DECIMAL[unit]}`;
}

/** A number as Go prints it with `%.*g`. */
export function general(value: number, digits: number): string {
  if (value === 0) return "0";
  const [mantissa = "", exponent = "0"] = value
    .toExponential(digits - 1)
    .split("e");
  const power = Number(exponent);
  if (power < -4 || power >= digits) {
    const sign = power < 0 ? "-" : "+";
    const two = String(Math.abs(power)).padStart(2, "0");
    return `${withoutZeros(mantissa)}e${sign}${two}`;
  }
  return withoutZeros(value.toFixed(Math.max(0, digits - 1 - power)));
}

function withoutZeros(decimal: string): string {
  return decimal.includes(".") ? decimal.replace(/\.?0+$/, "") : decimal;
}

const HOUR_MS = 3_600_000;

/** `5 weeks`, `About an hour`: how docker says how long something took or is ago. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(milliseconds / 60_000);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.trunc(milliseconds / HOUR_MS + 0.5);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(Math.trunc(milliseconds / HOUR_MS) / 24 / 365)} years`;
}

/** What Go's durations can hold: 292 years, and docker says no more. */
const LONGEST_MS = 2 ** 63 / 1e6;

/** `5 weeks ago`. Both in milliseconds since 1970. */
export function humanAge(created: number, now: number): string {
  return `${humanDuration(Math.min(now - created, LONGEST_MS))} ago`;
}
