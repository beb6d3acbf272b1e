/** Dates as Go prints them: by a layout, which is an example of how January 2 2006, 15:04:05 looks. */
import type { LocalTimeType, Zone } from "./local-zone.js";

/** A point in time and what clocks show then. */
export interface Moment {
  /** Since 1970 in UTC. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** The name is empty where only the offset is known. */
  readonly clock: Pick<LocalTimeType, "offset" | "name">;
}

/** A moment on the clocks of a zone. */
export function momentIn(zone: Zone, seconds: number, nanoseconds = 0): Moment {
  return { seconds, nanoseconds, clock: zone.at(seconds) };
}

/** What Go's `String()` makes of a time: `2024-05-06 09:08:09.12 +0200 CEST`. */
export const PLAIN_LAYOUT = "2006-01-02 15:04:05.999999999 -0700 MST";
/** `2024-05-06T09:08:09+02:00`, and `Z` for no offset. */
export const RFC_3339_LAYOUT = "2006-01-02T15:04:05Z07:00";

const ELEMENT =
  /January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|0[1-6]|002|15|2006|__2|_2(?!006)|[1-5]|PM|pm|[-Z]07(?::00(?::00)?|00(?:00)?)?|[.,](?:0+|9+)(?!\d)/g;

/** Go's `Format`. */
export function formatDate(moment: Moment, layout: string): string {
  const { seconds, clock } = moment;
  const date = new Date((seconds + clock.offset) * 1000);
  return layout.replaceAll(ELEMENT, (element) =>
    element.length > 1 && /^[.,]/.test(element)
      ? fraction(element, moment.nanoseconds)
      : /^[-Z]0/.test(element)
        ? offsetText(element, clock.offset)
        : element === "MST"
          ? clock.name || offsetText("-0700", clock.offset)
          : dateElement(element, date),
  );
}

function dateElement(element: string, date: Date): string {
  const year = date.getUTCFullYear();
  const month = date.getUTCMonth();
  const day = date.getUTCDate();
  const hour = date.getUTCHours();
  const hourOf12 = hour % 12 || 12;
  switch (element) {
    case "2006":
      return `${year < 0 ? "-" : ""}${String(Math.abs(year)).padStart(4, "0")}`;
    case "06":
      return two(Math.abs(year) % 100);
    case "January":
      return MONTHS[month]!;
    case "Jan":
      return MONTHS[month]!.slice(0, 3);
    case "1":
      return String(month + 1);
    case "01":
      return two(month + 1);
    case "Monday":
      return DAYS[date.getUTCDay()]!;
    case "Mon":
      return DAYS[date.getUTCDay()]!.slice(0, 3);
    case "2":
      return String(day);
    case "_2":
      return String(day).padStart(2);
    case "02":
      return two(day);
    case "__2":
      return String(dayOfYear(date)).padStart(3);
    case "002":
      return String(dayOfYear(date)).padStart(3, "0");
    case "15":
      return two(hour);
    case "3":
      return String(hourOf12);
    case "03":
      return two(hourOf12);
    case "4":
      return String(date.getUTCMinutes());
    case "04":
      return two(date.getUTCMinutes());
    case "5":
      return String(date.getUTCSeconds());
    case "05":
      return two(date.getUTCSeconds());
    case "PM":
      return hour >= 12 ? "PM" : "AM";
    case "pm":
      return hour >= 12 ? "pm" : "am";
    default:
      return element;
  }
}

const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
] as const;

const DAYS = [
  "Sunday",
  "Monday",
  "Tuesday",
  "Wednesday",
  "Thursday",
  "Friday",
  "Saturday",
] as const;

function dayOfYear(date: Date): number {
  const start = new Date(date);
  start.setUTCMonth(0, 1);
  return Math.round((date.getTime() - start.getTime()) / 86_400_000) + 1;
}

/** `.000` has so many digits, `.999` at most so many. */
function fraction(element: string, nanoseconds: number): string {
  const digits = String(nanoseconds)
    .padStart(9, "0")
    .slice(0, element.length - 1)
    .padEnd(element.length - 1, "0");
  const point = element.charAt(0);
  if (element.charAt(1) === "0") return point + digits;
  const significant = digits.replace(/0+$/, "");
  return significant === "" ? "" : point + significant;
}

/** `-0700`, `Z07:00` and the like. Seconds, which only old clocks differ by, are left out unless asked for. */
function offsetText(element: string, offset: number): string {
  if (element.startsWith("Z") && offset === 0) return "Z";
  const form = element.slice(1);
  const colon = form.includes(":") ? ":" : "";
  const minutes = Math.trunc(Math.abs(offset) / 60);
  const parts = [minutes / 60, minutes % 60, Math.abs(offset) % 60];
  const asked = form.replaceAll(":", "").length / 2;
  const sign = offset < 0 && minutes > 0 ? "-" : "+";
  return sign + parts.slice(0, asked).map(Math.trunc).map(two).join(colon);
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}
