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
  const [year, month, day, hour, minute, second] = parts
    .slice(1, 7)
    .map(Number) as [number, number, number, number, number, number];
  const [sign, hours, minutes] = parts.slice(8);
  const east = Number(hours ?? 0) * 60 + Number(minutes ?? 0);
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  if (Number(hours ?? 0) > 24 || Number(minutes ?? 0) > 60) return undefined;
  const midnight = new Date(0);
  midnight.setUTCFullYear(year, month - 1, day);
  if (midnight.getUTCMonth() !== month - 1 || midnight.getUTCDate() !== day) {
    return undefined;
  }
  const offset = sign === "-" ? -east : east;
  return {
    seconds:
      midnight.getTime() / 1000 + hour * 3600 + (minute - offset) * 60 + second,
    nanoseconds: Number((parts[7] ?? "").slice(0, 9).padEnd(9, "0")),
    // Adding zero turns -0 into 0.
    offset: offset + 0,
  };
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
