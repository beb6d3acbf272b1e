/** Times of files, to the nanosecond, against those in an archive. */
import type { Time } from "../../ingest/tar-header.js";

/** How fine the times in a layer can be. */
export interface TimeRules {
  /** The filesystem keeps nanoseconds. */
  readonly nanoseconds: boolean;
  /** The layer was not unpacked but made where it lies, by a build. */
  readonly inPlace: boolean;
}

const BILLION = 1_000_000_000n;

/**
 * Where filesystems end: the beginning and the end of 32-bit seconds, the end
 * of ext4's and of xfs' larger ones. What is beyond is moved there.
 */
const LIMITS = [
  -(2n ** 31n),
  0n,
  2n ** 31n - 1n,
  2n ** 34n - 2n ** 31n - 1n,
  16_299_260_424n,
];

/** Whether a file may have this time, in nanoseconds, where its archive says `time`. */
export function isTime(
  found: bigint,
  time: Time,
  { nanoseconds, inPlace }: TimeRules,
): boolean {
  const wanted = inNanoseconds(time);
  if (found === wanted) return true;
  const second = floorSecond(wanted);
  // What a build made has finer times than the archive that was made of it.
  if (inPlace && floorSecond(found) === second) return true;
  if (!nanoseconds && found === second * BILLION) return true;
  return LIMITS.some(
    (limit) =>
      floorSecond(found) === limit &&
      (limit <= 0n ? second < limit : second > limit),
  );
}

export function inNanoseconds({ seconds: whole, nanoseconds }: Time): bigint {
  return BigInt(whole) * BILLION + BigInt(nanoseconds);
}

/** Rounded down, as times before 1970 are kept. */
function floorSecond(time: bigint): bigint {
  const fraction = ((time % BILLION) + BILLION) % BILLION;
  return (time - fraction) / BILLION;
}

/** `2024-05-06T07:08:09.123456789Z`; seconds since 1970 where there is no such date. */
export function shownTime(time: bigint): string {
  const whole = floorSecond(time);
  const fraction = time - whole * BILLION;
  const date = new Date(Number(whole) * 1000);
  const digits =
    fraction === 0n ? "" : `.${fraction.toString().padStart(9, "0")}`;
  return Number.isNaN(date.getTime())
    ? `${whole}${digits} s`
    : `${date.toISOString().slice(0, -5)}${digits}Z`;
}
