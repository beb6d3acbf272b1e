/** Whether a dockerd, or another tpull, is at work in a data root, seen without taking any lock. */
import type { Layout } from "../layout.js";
import { HeldLocks, type Holder } from "./locks.js";

export type { Holder };

/**
 * The process that holds `volumes/metadata.db` exclusively, as a dockerd does
 * for life. Read from `/proc/locks`, so that nobody's lock is in the way and
 * ours in nobody's.
 */
export function holderOfRoot({ lockFile }: Layout): Holder | undefined {
  return new HeldLocks().holders(lockFile, "exclusive")[0];
}

/** The processes that share the lock of the root: every tpull that writes in it. */
export function writersOfRoot({ lockFile }: Layout): Holder[] {
  return new HeldLocks().holders(lockFile, "shared");
}
