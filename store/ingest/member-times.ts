/** The times a member's file gets: dockerd's rules, down to its clock's limits. */
import type { TarHeader, Time } from "./tar-header.js";

export interface Times {
  readonly atime: Time;
  readonly mtime: Time;
}

/** 2^63 - 1 nanoseconds: the last moment dockerd's clock arithmetic can hold. */
const LAST_SECOND = 9_223_372_036;
const LAST_NANOSECOND = 854_775_807;
const EPOCH: Time = { seconds: 0, nanoseconds: 0 };

/** Times outside what dockerd can hold become 1970. */
function bounded(time: Time): Time {
  const { seconds, nanoseconds } = time;
  if (seconds < 0 || seconds > LAST_SECOND) return EPOCH;
  return seconds === LAST_SECOND && nanoseconds > LAST_NANOSECOND
    ? EPOCH
    : time;
}

/** Access time is never before modification time. */
function later(atime: Time | undefined, mtime: Time): Time {
  if (atime === undefined || atime.seconds < mtime.seconds) return mtime;
  if (
    atime.seconds === mtime.seconds &&
    atime.nanoseconds < mtime.nanoseconds
  ) {
    return mtime;
  }
  return atime;
}

/** Of anything but a symbolic link. */
export function fileTimes(header: TarHeader): Times {
  const mtime = bounded(header.mtime);
  if (header.atime === undefined) return { atime: mtime, mtime };
  return { atime: bounded(later(header.atime, header.mtime)), mtime };
}

/** Of a symbolic link: not bounded, so what 64 bits of nanoseconds cannot hold comes out wrapped. */
export function linkTimes(header: TarHeader): Times {
  const atime = later(header.atime, header.mtime);
  return { atime: wrapped(atime), mtime: wrapped(header.mtime) };
}

function wrapped(time: Time): Time {
  if (Math.abs(time.seconds) < LAST_SECOND) return time;
  const total = BigInt.asIntN(
    64,
    BigInt(time.seconds) * 1_000_000_000n + BigInt(time.nanoseconds),
  );
  const seconds = Math.floor(Number(total / 1_000_000n) / 1000);
  return {
    seconds,
    nanoseconds: Number(total - BigInt(seconds) * 1_000_000_000n),
  };
}
