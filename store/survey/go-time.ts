/** Points in time as docker's files have them, to the nanosecond and with their zone, which Date has not. */

export interface GoTime {
  /** Seconds since 1970 in UTC. */
  readonly seconds: number;
  /** Of the second, 0 to 999999999. */
  readonly nanoseconds: number;
  /** Of the zone it is written in, minutes east of UTC. */
  readonly offset: number;
}

/** Go's time without a value: the beginning of the year 1 in UTC. */
export const ZERO_TIME: GoTime = {
  seconds: -62_135_596_800,
  nanoseconds: 0,
  offset: 0,
};

const RFC_3339 =
  /^(\d{4})-(\d\d)-(\d\d)T(\d{1,2}):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Reads RFC 3339 as Go's `time.Parse` does; undefined for what it refuses. */
export function parseRfc3339(text: string): GoTime | undefined {
  const parts = RFC_3339.exec(text);
  if (parts === null) return undefined;
  const year = Number(parts[1]);
  const month = Number(parts[2]);
  const day = Number(parts[3]);
  const hour = Number(parts[4]);
  const minute = Number(parts[5]);
  const second = Number(parts[6]);
  const [, , , , , , , fraction = "", sign, hours = "0", minutes = "0"] = parts;
  if (month < 1 || month > 12 || day < 1 || day > daysOf(year, month)) {
    return undefined;
  }
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  if (Number(hours) > 24 || Number(minutes) > 60) return undefined;
  const east = Number(hours) * 60 + Number(minutes);
  const offset = sign === "-" ? 0 - east : east;
  const minuteOfDay = hour * 60 + minute - offset;
  return {
    seconds:
      daysSince1970(year, month, day) * 86_400 + minuteOfDay * 60 + second,
    nanoseconds:
      fraction === "" ? 0 : Number(fraction.slice(0, 9).padEnd(9, "0")),
    offset,
  };
}

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

function daysOf(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && isLeap ? 29 : MONTH_DAYS[month - 1]!;
}

/** Of a date in the Gregorian calendar, also before it was in use. */
function daysSince1970(year: number, month: number, day: number): number {
  // Counted from March 1 of the year 0, so that a leap day is the last of a year.
  const y = month > 2 ? year : year - 1;
  const leapDays =
    Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400);
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  return y * 365 + leapDays + dayOfYear - 719_468;
}

/** `2024-05-06T07:08:09.12+02:00`: Go's layout RFC3339Nano, which writes no zeros at the end of a fraction. */
export function formatRfc3339Nano({
  seconds,
  nanoseconds,
  offset,
}: GoTime): string {
  const local = new Date((seconds + offset * 60) * 1000);
  const date = [
    String(local.getUTCFullYear()).padStart(4, "0"),
    two(local.getUTCMonth() + 1),
    two(local.getUTCDate()),
  ].join("-");
  const time = [
    two(local.getUTCHours()),
    two(local.getUTCMinutes()),
    two(local.getUTCSeconds()),
  ].join(":");
  const digits = String(nanoseconds).padStart(9, "0").replace(/0+$/, "");
  const fraction = digits === "" ? "" : `.${digits}`;
  return `${date}T${time}${fraction}${zone(offset)}`;
}

function zone(offset: number): string {
  if (offset === 0) return "Z";
  const minutes = Math.abs(offset);
  const sign = offset < 0 ? "-" : "+";
  return `${sign}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}

/** Negative when `a` is before `b`, positive when it is after, 0 for the same instant. */
export function compareTimes(a: GoTime, b: GoTime): number {
  return a.seconds - b.seconds || a.nanoseconds - b.nanoseconds;
}
