/**
 * The rule by which clocks change year after year: `CET-1CEST,M3.5.0,M10.5.0/3`
 * (POSIX's form of TZ, with RFC 8536's wider range of hours).
 */
import type { LocalTimeType } from "./tzif.js";

const NAME = String.raw`([A-Za-z]{3,}|<[A-Za-z0-9+-]+>)`;
const OFFSET = String.raw`([+-]?\d{1,3}(?::\d{1,2}){0,2})`;
const RULE = new RegExp(
  `^${NAME}${OFFSET}(?:${NAME}${OFFSET}?(?:,([^,]+),([^,]+))?)?$`,
);
const DATE = new RegExp(
  String.raw`^(?:J(\d{1,3})|(\d{1,3})|M(\d{1,2})\.([1-5])\.([0-6]))(?:/${OFFSET})?$`,
);
const DAY_SECONDS = 86_400;
const HOUR_SECONDS = 3600;
/** What Go takes where a rule does not say when: the days of the United States. */
const DEFAULT_DATES = ["M3.2.0", "M11.1.0"] as const;

/** What clocks show at a second since 1970 under the rule; undefined for a rule that cannot be read. */
export function timeTypeByRule(
  rule: string,
  seconds: number,
): LocalTimeType | undefined {
  const parts = RULE.exec(rule);
  if (parts === null) return undefined;
  const [, name = "", west = "", summerName, summerWest, from, to] = parts;
  const standard: LocalTimeType = {
    name: bareName(name),
    offset: 0 - secondsOf(west),
    isSummer: false,
  };
  if (summerName === undefined) return standard;
  const summer: LocalTimeType = {
    name: bareName(summerName),
    offset:
      summerWest === undefined
        ? standard.offset + HOUR_SECONDS
        : 0 - secondsOf(summerWest),
    isSummer: true,
  };
  const year = new Date(seconds * 1000).getUTCFullYear();
  const begin = change(from ?? DEFAULT_DATES[0], year);
  const end = change(to ?? DEFAULT_DATES[1], year);
  if (begin === undefined || end === undefined) return undefined;
  const begins = begin - standard.offset;
  const ends = end - summer.offset;
  const isSummer =
    begins < ends
      ? seconds >= begins && seconds < ends
      : seconds >= begins || seconds < ends;
  return isSummer ? summer : standard;
}

function bareName(name: string): string {
  return name.startsWith("<") ? name.slice(1, -1) : name;
}

/** `-1:30` → seconds. */
function secondsOf(text: string): number {
  const sign = text.startsWith("-") ? -1 : 1;
  const [hours = 0, minutes = 0, seconds = 0] = text
    .replace(/^[+-]/, "")
    .split(":")
    .map(Number);
  return sign * (hours * HOUR_SECONDS + minutes * 60 + seconds);
}

/** When the clocks of that year change, as seconds since 1970 if the clock before the change were UTC. */
function change(text: string, year: number): number | undefined {
  const parts = DATE.exec(text);
  if (parts === null) return undefined;
  const [, julian, day, month, week, weekday, time] = parts;
  const at = time === undefined ? 2 * HOUR_SECONDS : secondsOf(time);
  const newYear = startOf(year, 0);
  if (julian !== undefined) {
    // Counted as if there were no leap years: day 60 is March 1.
    const leap = startOf(year, 2) - startOf(year, 1) === 29 * DAY_SECONDS;
    const days = Number(julian) - 1 + (leap && Number(julian) > 59 ? 1 : 0);
    return newYear + days * DAY_SECONDS + at;
  }
  if (day !== undefined) return newYear + Number(day) * DAY_SECONDS + at;
  const first = startOf(year, Number(month) - 1);
  const next = startOf(year, Number(month));
  const firstWeekday = new Date(first * 1000).getUTCDay();
  let days =
    ((Number(weekday) - firstWeekday + 7) % 7) + 7 * (Number(week) - 1);
  // The fifth one means the last one.
  while (first + days * DAY_SECONDS >= next) days -= 7;
  return first + days * DAY_SECONDS + at;
}

/** The first second of a month. */
function startOf(year: number, month: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month, 1);
  return date.getTime() / 1000;
}
