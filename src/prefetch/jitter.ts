/**
 * When a host of a fleet begins, so that timers that go off at the same moment
 * do not all ask the registry then.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";

/** Where machine-id(5) is, and where D-Bus had it before. */
const PLACES = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
const RANGE = 2 ** 48;

/**
 * How long to wait, in milliseconds from 0 to below `mostMs`. A host keeps its
 * place from run to run, as with systemd's `RandomizedDelaySec=` and
 * `FixedRandomDelay=true`: what runs once a day does so every 24 hours. Where
 * the machine has no ID the place is drawn anew each time.
 * @param root the data root: several on one machine do not begin at once either
 */
export async function slotOf(mostMs: number, root: string): Promise<number> {
  const machine = await machineId();
  return machine === undefined
    ? Math.random() * mostMs
    : placeOf(mostMs, machine, root);
}

/** The place of a machine. It cannot be told from it which machine that is. */
export function placeOf(mostMs: number, machine: string, root: string): number {
  const hash = createHash("sha256").update(
    `tpull prefetch\0${machine}\0${root}`,
  );
  return (hash.digest().readUIntBE(0, 6) / RANGE) * mostMs;
}

/** @returns undefined where there is none (yet): images of machines have an empty file, or `uninitialized` */
async function machineId(): Promise<string | undefined> {
  for (const place of PLACES) {
    const text = await readFile(place, "utf8").catch(() => "");
    const id = text.trim();
    if (/^[0-9a-f]{32}$/.test(id) && !/^0+$/.test(id)) return id;
  }
  return undefined;
}
