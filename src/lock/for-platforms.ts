/** Whom the names of a lock, or of a list, are for. */
import { ANY_PLATFORM, type Lock } from "./format.js";

/**
 * The platforms that each name of a lock was written for, by canonical name:
 * sorted, {@link ANY_PLATFORM} first where it is for whoever comes. A name may
 * have two entries: one for platforms, and one for whoever comes.
 */
export function lockedPlatforms({ images }: Lock): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { reference, wanted } of images) {
    found.set(reference, [
      ...(found.get(reference) ?? []),
      ...(wanted ?? [ANY_PLATFORM]),
    ]);
  }
  for (const [name, platforms] of found) {
    found.set(name, inOrder(platforms));
  }
  return found;
}

/** Each once, {@link ANY_PLATFORM} first. */
export function inOrder(platforms: readonly string[]): string[] {
  const named = new Set(platforms);
  const isForAnyone = named.delete(ANY_PLATFORM);
  return [...(isForAnyone ? [ANY_PLATFORM] : []), ...[...named].sort()];
}

/** Whether two of {@link lockedPlatforms} are the same. */
export function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, at) => one === b[at]);
}
