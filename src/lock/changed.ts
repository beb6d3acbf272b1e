/** One lock beside the one before it. */
import type { Digest } from "../../store/index.js";
import { isSame, lockedPlatforms } from "./for-platforms.js";
import type { Lock } from "./format.js";

export interface LockChange {
  /** Canonical name. */
  reference: string;
  /** `moved`: the digest is another one, or the platforms that it is for. */
  status: "added" | "moved" | "unchanged" | "removed";
  /** Absent for what was removed. */
  digest?: Digest;
  /** What it was before, where that was something else. */
  before?: Digest;
  /** Those that it is for now, where they are others than before: sorted, `any` for whichever suits who uses the lock. */
  platforms?: string[];
  platformsBefore?: string[];
}

/** In the order of the names. */
export function lockChanges(before: Lock, after: Lock): LockChange[] {
  const [old, now] = [digests(before), digests(after)];
  const [oldFor, nowFor] = [lockedPlatforms(before), lockedPlatforms(after)];
  const names = new Set([...old.keys(), ...now.keys()]);
  return [...names].sort().map((reference): LockChange => {
    const [was, digest] = [old.get(reference), now.get(reference)];
    if (digest === undefined) {
      return { reference, status: "removed", before: was! };
    }
    if (was === undefined) return { reference, status: "added", digest };
    const platformsBefore = oldFor.get(reference) ?? [];
    const platforms = nowFor.get(reference) ?? [];
    const samePlatforms = isSame(platformsBefore, platforms);
    return {
      reference,
      status: was === digest && samePlatforms ? "unchanged" : "moved",
      digest,
      ...(was === digest ? {} : { before: was }),
      ...(samePlatforms ? {} : { platforms, platformsBefore }),
    };
  });
}

/** A name may have two entries, which have the same digest. */
function digests({ images }: Lock): Map<string, Digest> {
  return new Map(images.map(({ reference, digest }) => [reference, digest]));
}
