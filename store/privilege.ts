import { readFileSync } from "node:fs";

/**
 * `native`: owners, devices, `trusted.*` attributes and file capabilities can be
 * written as dockerd writes them. `unprivileged`: files belong to the user, and
 * what needs those rights takes its unprivileged form.
 */
export type Privilege = "native" | "unprivileged";

// Numbers of capabilities(7): CHOWN, DAC_OVERRIDE, FOWNER, SYS_ADMIN, MKNOD, SETFCAP.
const NEEDED = [0n, 1n, 3n, 21n, 27n, 31n];

/** The decision, from the text of `/proc/self/status` and `/proc/self/uid_map`. */
export function privilegeOf(status: string, uidMap: string): Privilege {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (effective === undefined) return "unprivileged";
  const bits = BigInt(`0x${effective}`);
  const all = NEEDED.every((bit) => (bits >> bit) % 2n === 1n);
  // In any other user namespace the kernel refuses devices and trusted.*.
  return all && INITIAL_IDS.test(uidMap) ? "native" : "unprivileged";
}

const INITIAL_IDS = /^\s*0\s+0\s+4294967295\s*$/;

/** Whether user IDs mean something else here than on the machine itself. */
export function hasOwnIds(): boolean {
  return !INITIAL_IDS.test(read("/proc/self/uid_map"));
}

let known: Privilege | undefined;

/** What this process may do. */
export function privilege(): Privilege {
  known ??= privilegeOf(read("/proc/self/status"), read("/proc/self/uid_map"));
  return known;
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
