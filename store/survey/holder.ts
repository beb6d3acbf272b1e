/** Whether a dockerd runs on a data root, seen without taking any lock. */
import { readFileSync, statSync } from "node:fs";
import { isAbsent } from "../io-error.js";
import type { Layout } from "../layout.js";

/** A process that holds the lock of a root for itself. */
export interface Holder {
  /** Undefined where it runs in another namespace. */
  readonly pid: number | undefined;
  /** Its program, where that can be seen. */
  readonly name: string | undefined;
}

/**
 * The process that holds `volumes/metadata.db` exclusively, as a dockerd does
 * for life. Read from `/proc/locks`, so that nobody's lock is in the way and
 * ours in nobody's.
 */
export function holderOfRoot({ lockFile }: Layout): Holder | undefined {
  let inode: bigint;
  let device: bigint;
  try {
    ({ ino: inode, dev: device } = statSync(lockFile, { bigint: true }));
  } catch (error) {
    if (isAbsent(error) || (error as { code?: string }).code === "EACCES") {
      return undefined;
    }
    throw error;
  }
  const place = `${deviceInHex(device)}:${inode}`;
  for (const line of lines("/proc/locks")) {
    const found =
      /^\d+: FLOCK\s+ADVISORY\s+WRITE\s+(-?\d+) ([0-9a-f]+:[0-9a-f]+:\d+) /.exec(
        line,
      );
    if (found?.[2] !== place) continue;
    const pid = Number(found[1]);
    if (pid <= 0) return { pid: undefined, name: undefined };
    return { pid, name: lines(`/proc/${pid}/comm`)[0] };
  }
  return undefined;
}

/** Major and minor number as the kernel prints them in `/proc/locks`. */
export function deviceInHex(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn & 0xffffffffn);
  const hex = (number: bigint): string => number.toString(16).padStart(2, "0");
  return `${hex(major)}:${hex(minor)}`;
}

function lines(path: string): string[] {
  try {
    return readFileSync(path, "latin1").split("\n");
  } catch {
    return [];
  }
}
