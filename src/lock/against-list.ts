/** A lock beside the list that it was made from. */
import {
  canonicalName,
  parseReference,
} from "../../store/reference/reference.js";
import type { ListedImage } from "../lists/listed.js";
import { type Lock, normalizedPlatform } from "./format.js";

export interface ListDifference {
  /** In the list and not in the lock, or not for that platform. */
  missing: ListedImage[];
  /** Canonical names in the lock and not in the list. */
  extra: string[];
}

/** @throws TpullError `REFERENCE_INVALID`, `PLATFORM_INVALID` */
export function againstList(
  { images }: Lock,
  list: readonly ListedImage[],
): ListDifference {
  const locked = new Map<string, Set<string> | "anyone">();
  for (const { reference, wanted } of images) {
    const before = locked.get(reference);
    if (wanted === undefined || before === "anyone") {
      locked.set(reference, "anyone");
    } else {
      locked.set(reference, new Set([...(before ?? []), ...wanted]));
    }
  }
  const names = new Set<string>();
  const missing = list.filter(({ reference, platform }) => {
    const name = canonicalName(parseReference(reference));
    names.add(name);
    const platforms = locked.get(name);
    if (platforms === undefined) return true;
    // A lock for some platforms is one of a list that names none, too.
    if (platforms === "anyone" || platform === undefined) return false;
    return (
      !platforms.has("all") && !platforms.has(normalizedPlatform(platform))
    );
  });
  const extra = [...locked.keys()].filter((name) => !names.has(name));
  return { missing, extra };
}
