/** One lock beside the one before it. */
import type { Digest } from "../../store/index.js";
import type { Lock, LockedImage } from "./format.js";

export interface LockChange {
  /** Canonical name. */
  reference: string;
  /** `moved`: the digest is another one, or the platforms that it is for. */
  status: "added" | "moved" | "unchanged" | "removed";
  /** Absent for what was removed. */
  digest?: Digest;
  /** What it was before, where that was something else. */
  before?: Digest;
}

/** In the order of the names. */
export function lockChanges(before: Lock, after: Lock): LockChange[] {
  const old = byName(before);
  const now = byName(after);
  const names = new Set([...old.keys(), ...now.keys()]);
  return [...names].sort().map((reference): LockChange => {
    const [was, is] = [old.get(reference), now.get(reference)];
    if (is === undefined) {
      return { reference, status: "removed", before: was!.digest };
    }
    const { digest } = is;
    if (was === undefined) return { reference, status: "added", digest };
    if (was.digest !== digest) {
      return { reference, status: "moved", digest, before: was.digest };
    }
    const status = was.platforms === is.platforms ? "unchanged" : "moved";
    return { reference, status, digest };
  });
}

/** A name may have two entries, which have the same digest. */
function byName({
  images,
}: Lock): Map<string, { digest: Digest; platforms: string }> {
  const found = new Map<string, { digest: Digest; platforms: string }>();
  for (const image of images) {
    const { reference, digest } = image;
    const platforms = (found.get(reference)?.platforms ?? "") + keyOf(image);
    found.set(reference, { digest, platforms });
  }
  return found;
}

function keyOf({ wanted }: LockedImage): string {
  return JSON.stringify(wanted?.toSorted() ?? null);
}
