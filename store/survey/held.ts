/** What somebody holds a lock on, seen without taking any. */
import { readFileSync, statSync } from "node:fs";
import { isAbsent } from "../io-error.js";
import { deviceInHex } from "./holder.js";

const LOCK = /^\d+: FLOCK\s+ADVISORY\s+\w+\s+-?\d+ ([0-9a-f]+:[0-9a-f]+:\d+) /;

/**
 * Looks once for all locks of this machine, and tells of a file or directory
 * whether it is free. What cannot be seen counts as free, so that the answer is
 * fit for a forecast and not for a decision.
 */
export function lockWatch(): (path: string) => boolean {
  const held = new Set<string>();
  for (const line of locks()) {
    const place = LOCK.exec(line)?.[1];
    if (place !== undefined) held.add(place);
  }
  return (path) => {
    try {
      const { ino, dev } = statSync(path, { bigint: true });
      return !held.has(`${deviceInHex(dev)}:${ino}`);
    } catch (error) {
      if (!isAbsent(error)) throw error;
      return true;
    }
  };
}

function locks(): string[] {
  try {
    return readFileSync("/proc/locks", "latin1").split("\n");
  } catch {
    return [];
  }
}
