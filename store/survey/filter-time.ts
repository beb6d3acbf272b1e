/** The points in time that docker's `until` filters take. */
import { TpullError } from "../errors.js";
import { quoted } from "../reference/printable.js";
import { type GoTime, parseRfc3339 } from "./go-time.js";

const UNIT_NANOSECONDS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};
const UNIT = Object.keys(UNIT_NANOSECONDS)
  .sort((a, b) => b.length - a.length)
  .join("|");
const NUMBER = String.raw`(\d+\.?\d*|\.\d+)`;
const DURATION = new RegExp(`^[+-]?(?:${NUMBER}(?:${UNIT}))+$`);
const DATE =
  /^(\d{4}-\d\d-\d\d)(?:T(\d{1,2})(?::(\d\d)(?::(\d\d)([.,]\d+)?)?)?)?(Z|[+-]\d\d:\d\d)?$/;
const UNIX = /^(\d{1,12})(?:\.(\d{1,9}))?$/;

/**
 * Reads a time as docker does: `24h` or `1h30m` ago, a date (`2024-05-06`,
 * `2024-05-06T07:08`, with `Z` or `+02:00` behind it or else in this system's
 * zone as it is today), or seconds since 1970.
 * @param now milliseconds since 1970
 * @throws TpullError `FILTER_INVALID`
 */
export function filterTime(value: string, now: number): GoTime {
  const time =
    timeAgo(value, now) ?? timeOfDate(value, now) ?? timeOfNumber(value);
  if (time !== undefined) return time;
  throw new TpullError("FILTER_INVALID", `${quoted(value)} is not a time`, {
    hint: "A time is how long ago it was (24h, 1h30m), a date (2024-05-06, 2024-05-06T07:08:09Z), or seconds since 1970.",
  });
}

function timeAgo(value: string, now: number): GoTime | undefined {
  if (!DURATION.test(value)) return undefined;
  const parts = value.matchAll(new RegExp(`${NUMBER}(${UNIT})`, "g"));
  let nanoseconds = 0;
  for (const [, number, unit = ""] of parts) {
    nanoseconds += Number(number) * (UNIT_NANOSECONDS[unit] ?? 0);
  }
  const ago = (value.startsWith("-") ? -nanoseconds : nanoseconds) / 1e9;
  return inUtc(Math.floor(now / 1000 - ago), 0);
}

function timeOfDate(value: string, now: number): GoTime | undefined {
  const parts = DATE.exec(value);
  if (parts === null) return undefined;
  const [, day, hour = "0", minute = "00", second = "00", fraction = "", zone] =
    parts;
  const text = `${day}T${hour}:${minute}:${second}${fraction}`;
  if (zone !== undefined) return parseRfc3339(text + zone);
  const read = parseRfc3339(`${text}Z`);
  if (read === undefined) return undefined;
  const west = new Date(now).getTimezoneOffset();
  return { ...read, seconds: read.seconds + west * 60, offset: -west };
}

function timeOfNumber(value: string): GoTime | undefined {
  const parts = UNIX.exec(value);
  if (parts === null) return undefined;
  const [, seconds, fraction = ""] = parts;
  return inUtc(Number(seconds), Number(fraction.padEnd(9, "0")));
}

function inUtc(seconds: number, nanoseconds: number): GoTime {
  return { seconds, nanoseconds, offset: 0 };
}
