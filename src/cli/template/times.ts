/** Go's times and durations, as templates print them and call them. */
import {
  formatRfc3339Nano,
  parseRfc3339,
  ZERO_TIME,
} from "../../../store/survey/go-time.js";
import {
  formatDate,
  type Moment,
  momentIn,
  PLAIN_LAYOUT,
} from "../format/go-dates.js";
import type { Zone } from "../format/local-zone.js";
import {
  FLOAT64,
  INT64,
  type GoType,
  type Method,
  named,
  STRING,
  structOf,
} from "./types.js";
import { bool, type GoData, type GoValue, int, string } from "./values.js";

/** A method without arguments. */
function getter(call: (receiver: GoData) => GoValue): Method {
  return { parameters: [], call };
}

/**
 * `time.Time`, read from RFC 3339 and kept as that.
 * @param zone in which times with its offset are taken to be, and get its name
 */
export function timeType(zone: Zone): GoType {
  const read = (data: GoData): Moment => momentOf(data, zone);
  return {
    ...structOf("time.Time", []),
    fromJson: (json) => (typeof json === "string" ? json : ""),
    json: (data) => JSON.stringify(formatRfc3339Nano(timeOf(data))),
    text: (data) => formatDate(read(data), PLAIN_LAYOUT),
    methods: new Map<string, Method>([
      [
        "String",
        getter((data) => string(formatDate(read(data), PLAIN_LAYOUT))),
      ],
      ["Unix", getter((data) => int(read(data).seconds))],
      ["UnixNano", getter((data) => int(nanosecondsOf(read(data))))],
      [
        "UnixMilli",
        getter((data) => int(nanosecondsOf(read(data)) / 1_000_000n)),
      ],
      ["IsZero", getter((data) => bool(isZero(read(data))))],
      [
        "Format",
        {
          parameters: [STRING],
          call: (data, [layout]) =>
            string(formatDate(read(data), String(layout?.data ?? ""))),
        },
      ],
    ]),
  };
}

function timeOf(data: GoData): typeof ZERO_TIME {
  return (
    (typeof data === "string" ? parseRfc3339(data) : undefined) ?? ZERO_TIME
  );
}

function momentOf(data: GoData, zone: Zone): Moment {
  const { seconds, nanoseconds, offset } = timeOf(data);
  const local = momentIn(zone, seconds, nanoseconds);
  const isUtc = typeof data !== "string" || !/[+-]\d\d:\d\d$/.test(data);
  if (isUtc) return { ...local, clock: { offset: 0, name: "UTC" } };
  return local.clock.offset === offset * 60
    ? local
    : { ...local, clock: { offset: offset * 60, name: "" } };
}

function nanosecondsOf({ seconds, nanoseconds }: Moment): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
}

function isZero({ seconds, nanoseconds }: Moment): boolean {
  return seconds === ZERO_TIME.seconds && nanoseconds === 0;
}

function float(value: number): GoValue {
  return { type: FLOAT64, data: value };
}

/** `time.Duration`: nanoseconds. */
export const DURATION: GoType = {
  ...named("time.Duration", INT64),
  text: (data) => durationText(data as bigint),
  methods: new Map<string, Method>([
    ["String", getter((data) => string(durationText(data as bigint)))],
    ["Nanoseconds", getter((data) => int(data as bigint))],
    ["Microseconds", getter((data) => int((data as bigint) / 1000n))],
    ["Milliseconds", getter((data) => int((data as bigint) / 1_000_000n))],
    ["Seconds", getter((data) => float(Number(data) / 1e9))],
    ["Minutes", getter((data) => float(Number(data) / 60e9))],
    ["Hours", getter((data) => float(Number(data) / 3600e9))],
  ]),
};

/** `1h0m30s`, `1.5s`, `30ms`: Go's text of a duration. */
export function durationText(nanoseconds: bigint): string {
  if (nanoseconds === 0n) return "0s";
  const sign = nanoseconds < 0n ? "-" : "";
  const whole = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  if (whole < 1000n) return `${sign}${whole}ns`;
  if (whole < 1_000_000n) return `${sign}${decimal(whole, 3)}µs`;
  if (whole < 1_000_000_000n) return `${sign}${decimal(whole, 6)}ms`;
  const minutes = whole / 60_000_000_000n;
  const seconds = `${decimal(whole % 60_000_000_000n, 9)}s`;
  if (minutes === 0n) return sign + seconds;
  const hours = minutes / 60n;
  return `${sign}${hours === 0n ? "" : `${hours}h`}${minutes % 60n}m${seconds}`;
}

/** A whole number with the point so many digits from its end, and no zeros there. */
function decimal(number: bigint, places: number): string {
  const digits = String(number).padStart(places + 1, "0");
  const fraction = digits.slice(-places).replace(/0+$/, "");
  const whole = digits.slice(0, -places);
  return fraction === "" ? whole : `${whole}.${fraction}`;
}
