/**
 * Who holds a lock on what, seen without taking any lock: the kernel lists all
 * flock(2) locks in `/proc/locks`. Those of another kernel (a network
 * filesystem) are not among them.
 */
import { readFileSync, statSync } from "node:fs";
import { errnoOf, isAbsent } from "../io-error.js";

/** A process that holds a lock. */
export interface Holder {
  /** Undefined where it runs in another namespace. */
  readonly pid: number | undefined;
  /** Its program, where that can be seen. */
  readonly name: string | undefined;
}

interface HeldLock {
  readonly exclusive: boolean;
  readonly pid: number;
}

const LINE =
  /^\d+: FLOCK\s+ADVISORY\s+(READ|WRITE)\s+(-?\d+) ([0-9a-f]+:[0-9a-f]+:\d+) /;

/** All locks that were held at one moment. */
export class HeldLocks {
  readonly #byPlace = new Map<string, HeldLock[]>();

  constructor() {
    for (const line of lines("/proc/locks")) {
      const [, kind, pid, place] = LINE.exec(line) ?? [];
      if (place === undefined) continue;
      const held = this.#byPlace.get(place) ?? [];
      held.push({ exclusive: kind === "WRITE", pid: Number(pid) });
      this.#byPlace.set(place, held);
    }
  }

  /** Those who hold a lock of this kind on a file or directory. */
  holders(path: string, kind: "exclusive" | "shared"): Holder[] {
    const place = placeOf(path);
    const held = place === undefined ? [] : (this.#byPlace.get(place) ?? []);
    return held
      .filter(({ exclusive }) => exclusive === (kind === "exclusive"))
      .map(({ pid }) =>
        pid <= 0
          ? { pid: undefined, name: undefined }
          : { pid, name: lines(`/proc/${pid}/comm`)[0] },
      );
  }

  /** Whether anybody holds any lock on it. */
  isHeld(path: string): boolean {
    const place = placeOf(path);
    return place !== undefined && this.#byPlace.has(place);
  }
}

/** Device and inode as `/proc/locks` prints them; undefined for what is not there, or may not be seen. */
function placeOf(path: string): string | undefined {
  try {
    const { ino, dev } = statSync(path, { bigint: true });
    return `${deviceInHex(dev)}:${ino}`;
  } catch (error) {
    if (isAbsent(error) || errnoOf(error) === "EACCES") return undefined;
    throw error;
  }
}

/** Major and minor number as the kernel prints them in `/proc/locks`. */
function deviceInHex(device: bigint): string {
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
