/** Dates as Go prints them. */
import type { Zone } from "./zone/local-zone.js";

/** `2024-05-06 09:08:09 +0200 CEST`: what `String()` makes of a time, here one without fractions of a second. */
export function dateString(seconds: number, zone: Zone): string {
  const { offset, name } = zone.at(seconds);
  const { date, time } = clock(seconds + offset);
  return `${date} ${time} ${offsetText(offset, "")} ${name}`;
}

/** `2024-05-06T09:08:09+02:00`, and `Z` for no offset: the layout RFC3339. */
export function rfc3339(seconds: number, zone: Zone): string {
  const { offset } = zone.at(seconds);
  const { date, time } = clock(seconds + offset);
  const east = offset === 0 ? "Z" : offsetText(offset, ":");
  return `${date}T${time}${east}`;
}

function clock(seconds: number): {
  readonly date: string;
  readonly time: string;
} {
  const date = new Date(seconds * 1000);
  const two = (number: number): string => String(number).padStart(2, "0");
  const year = date.getUTCFullYear();
  const digits = String(Math.abs(year)).padStart(4, "0");
  return {
    date: `${year < 0 ? "-" : ""}${digits}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`,
    time: `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`,
  };
}

/** Seconds of an offset, which clocks had before there were time zones, are left out. */
function offsetText(offset: number, colon: string): string {
  const minutes = Math.trunc(Math.abs(offset) / 60);
  const hours = String(Math.trunc(minutes / 60)).padStart(2, "0");
  const rest = String(minutes % 60).padStart(2, "0");
  return `${offset < 0 && minutes > 0 ? "-" : "+"}${hours}${colon}${rest}`;
}
