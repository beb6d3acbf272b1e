/** What somebody holds a lock on, seen without taking any. */
import { HeldLocks } from "./locks.js";

/**
 * Looks once for all locks of this machine, and tells of a file or directory
 * whether it is free. What cannot be seen counts as free, so that the answer is
 * fit for a forecast and not for a decision.
 */
export function lockWatch(): (path: string) => boolean {
  const locks = new HeldLocks();
  return (path) => !locks.isHeld(path);
}
