/**
 * Who is at work in the root while it is looked at: seen in `/proc/locks`, so
 * that no lock is taken. What is in the making is no finding.
 */
import { readFileSync, statSync } from "node:fs";
import { isAbsent } from "../../io-error.js";
import type { Layout } from "../../layout.js";
import { type Holder, holderOfRoot } from "../../survey/holder.js";
import type { FindingCode } from "../finding.js";
import { addTo } from "../lists.js";

export interface Live {
  /** A dockerd that runs on the root. */
  readonly dockerd: Holder | undefined;
  /** Another tpull writes to the root. */
  readonly session: boolean;
  /** Whether another process holds a lock on this file or directory. */
  isLocked(path: string): boolean;
}

/** What looks like it while something is being made, or taken away. */
const PASSING: ReadonlySet<FindingCode> = new Set([
  "LAYER_ORPHAN",
  "OVERLAY_ORPHAN",
  "METADATA_ORPHAN",
  "LAYER_LEFTOVER",
  "OVERLAY_LEFTOVER",
  "OVERLAY_LINK_STRAY",
  "TEMPORARY_LEFTOVER",
  "STAGING_LEFTOVER",
]);

/** Whether a finding of this kind says nothing while others are at work. */
export function isPassing(
  code: FindingCode,
  { dockerd, session }: Live,
): boolean {
  if (code === "DOWNLOAD_LEFTOVER") return dockerd !== undefined;
  return (dockerd !== undefined || session) && PASSING.has(code);
}

export function lookForOthers(layout: Layout): Live {
  const held = heldLocks();
  const isLocked = (path: string): boolean => {
    try {
      const { dev, ino } = statSync(path, { bigint: true });
      return held.has(`${ino}`) && fits(held.get(`${ino}`) ?? [], dev);
    } catch (error) {
      if (isAbsent(error)) return false;
      throw error;
    }
  };
  const dockerd = holderOfRoot(layout);
  return {
    dockerd,
    session: dockerd === undefined && isLocked(layout.lockFile),
    isLocked,
  };
}

interface Device {
  readonly major: bigint;
  readonly minor: bigint;
}

/**
 * Locks of other processes by inode. Some filesystems (btrfs, overlayfs) show a
 * file's device otherwise here than to stat(2); all of those have the major
 * number 0, where the inode alone has to do.
 */
function heldLocks(): Map<string, Device[]> {
  const held = new Map<string, Device[]>();
  for (const line of text("/proc/locks").split("\n")) {
    const found =
      /^\d+: FLOCK\s+ADVISORY\s+(?:READ|WRITE)\s+(-?\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) /.exec(
        line,
      );
    const [, pid, major = "", minor = "", inode = ""] = found ?? [];
    if (found === null || Number(pid) === process.pid) continue;
    const device = {
      major: BigInt(`0x${major}`),
      minor: BigInt(`0x${minor}`),
    };
    addTo(held, inode, device);
  }
  return held;
}

function fits(devices: readonly Device[], device: bigint): boolean {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn & 0xffffffffn);
  return devices.some(
    (one) => one.major === 0n || (one.major === major && one.minor === minor),
  );
}

function text(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/** Whether something is mounted at that path. */
export function mountPoints(): (path: string) => boolean {
  const points = new Set(
    text("/proc/self/mountinfo")
      .split("\n")
      .map((line) => unescaped(line.split(" ")[4] ?? "")),
  );
  return (path) => points.has(path);
}

/** `\040` and the like stand for white space and backslashes. */
function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
