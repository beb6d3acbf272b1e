/** Points in time as docker's filters take them (moby, `api/types/time/timestamp.go`). */

/** Nanoseconds of the units of Go's durations. */
const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // U+00B5, the micro sign
  μs: 1e-3, // U+03BC, the Greek letter
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const DURATION =
  /^([+-]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;
const DATE =
  /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?)?(Z|[+-]\d\d:\d\d)?$/;
const UNIX = /^([+-]?\d+)(?:\.(\d+))?$/;

/**
 * Reads a span of time before now (`24h`, `1h30m`), a date with or without time
 * and zone (`2026-01-31`, `2026-01-31T12:00`, `2026-01-31T12:00:00.5+02:00`;
 * the local zone without one), or seconds since 1970.
 * @param now milliseconds since 1970
 * @returns milliseconds since 1970; undefined for anything else
 */
export function readTimestamp(text: string, now: number): number | undefined {
  const ago = duration(text);
  // Go counts back to a whole second.
  if (ago !== undefined) return Math.floor((now - ago) / 1000) * 1000;
  const date = DATE.exec(text);
  if (date !== null) return dateTime(date);
  const [, seconds, fraction = "0"] = UNIX.exec(text) ?? [];
  if (seconds === undefined) return undefined;
  return Number(seconds) * 1000 + Number(`0.${fraction}`) * 1000;
}

/** Milliseconds. */
function duration(text: string): number | undefined {
  const [, sign, parts] = DURATION.exec(text) ?? [];
  if (parts === undefined) return undefined;
  let milliseconds = 0;
  for (const [, number, unit = ""] of parts.matchAll(PART)) {
    milliseconds += Number(number) * (UNITS[unit] ?? 0);
  }
  return sign === "-" ? -milliseconds : milliseconds;
}

function dateTime(match: RegExpExecArray): number | undefined {
  const [, ...texts] = match;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = texts
    .slice(0, 6)
    .map((text) => Number(text ?? 0));
  const [fraction = "0", zone] = texts.slice(6);
  // A month has not always 31 days.
  const days = new Date(Date.UTC(year, month, 0)).getUTCDate();
  const fits =
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= days &&
    hour < 24 &&
    minute < 60 &&
    second < 60;
  if (!fits) return undefined;
  const whole =
    zone === undefined
      ? new Date(year, month - 1, day, hour, minute, second).getTime()
      : Date.UTC(year, month - 1, day, hour, minute, second) - offsetOf(zone);
  return whole + Number(`0.${fraction}`) * 1000;
}

/** Milliseconds east of Greenwich. */
function offsetOf(zone: string): number {
  if (zone === "Z") return 0;
  const [hours = 0, minutes = 0] = zone.slice(1).split(":").map(Number);
  const offset = (hours * 60 + minutes) * 60_000;
  return zone.startsWith("-") ? -offset : offset;
}
