/** A lock beside the list that it was made from. */
import {
  canonicalName,
  parseReference,
} from "../../store/reference/reference.js";
import type { ListedImage } from "../lists/listed.js";
import { inOrder, isSame, lockedPlatforms } from "./for-platforms.js";
import { ANY_PLATFORM, type Lock } from "./format.js";
import { namesToLock, platformsOf } from "./names.js";

/** A name that is in both, and for other platforms in one than in the other. */
export interface PlatformsDifference {
  /** Canonical name. */
  reference: string;
  /** Those that the lock was written for, sorted; `any` for whichever suits who uses it. */
  locked: string[];
  /** Those that it would be written for now. */
  listed: string[];
}

export interface ListDifference {
  /** In the list and not in the lock, or not for that platform. */
  missing: ListedImage[];
  /** Canonical names in the lock and not in the list. */
  extra: string[];
  /** In the order of the lock. */
  platforms: PlatformsDifference[];
}

/**
 * What would be another if the lock were written again from the list, apart
 * from what registries say.
 * @param platforms those that writing it would be told; for all images, instead
 *   of what the list says
 * @throws TpullError `REFERENCE_INVALID`, `PLATFORM_INVALID`
 */
export function againstList(
  lock: Lock,
  list: readonly ListedImage[],
  platforms: readonly string[] = [],
): ListDifference {
  const locked = lockedPlatforms(lock);
  const { names } = namesToLock(list, platforms);
  const listed = new Map(
    names.map(({ name, forAnyone, wanted }) => [
      name,
      inOrder([...(forAnyone ? [ANY_PLATFORM] : []), ...wanted]),
    ]),
  );
  const missing = list.filter((image) => {
    const name = canonicalName(parseReference(image.reference));
    const own = platformsOf(image, platforms);
    const has = new Set(locked.get(name) ?? []);
    return (own.length === 0 ? [ANY_PLATFORM] : own).some(
      (platform) => !has.has(platform),
    );
  });
  return {
    missing,
    extra: [...locked.keys()].filter((name) => !listed.has(name)),
    platforms: [...locked].flatMap(([reference, before]) => {
      const now = listed.get(reference);
      if (now === undefined || isSame(before, now)) return [];
      return [{ reference, locked: before, listed: now }];
    }),
  };
}
