/** The names that a lock is asked to hold: each once, with the platforms it is for. */
import { isTpullError } from "../../store/index.js";
import { withoutSecrets } from "../../store/reference/printable.js";
import {
  type Reference,
  canonicalName,
  parseReference,
} from "../../store/reference/reference.js";
import type { FailedPull } from "../events.js";
import type { ListedImage } from "../lists/listed.js";
import { normalizedPlatform } from "./format.js";

export interface NameToLock {
  readonly name: string;
  readonly reference: Reference;
  /** Whether it is for whoever comes, with the platform that suits them. */
  readonly forAnyone: boolean;
  /** Normalised, sorted; perhaps `all`. */
  readonly wanted: readonly string[];
}

/**
 * @param platforms for all of them, instead of what each one names itself
 * @returns sorted by name; and what cannot be asked for at all
 * @throws TpullError `PLATFORM_INVALID`
 */
export function namesToLock(
  images: readonly (string | ListedImage)[],
  platforms: readonly string[],
): { names: NameToLock[]; failures: FailedPull[] } {
  const found = new Map<
    string,
    { reference: Reference; forAnyone: boolean; wanted: Set<string> }
  >();
  const failures: FailedPull[] = [];
  for (const image of images) {
    const listed = typeof image === "string" ? { reference: image } : image;
    const { reference: text } = listed;
    const own = platformsOf(listed, platforms);
    try {
      const reference = parseReference(text);
      const name = canonicalName(reference);
      const one = found.get(name) ?? {
        reference,
        forAnyone: false,
        wanted: new Set<string>(),
      };
      found.set(name, one);
      if (own.length === 0) one.forAnyone = true;
      for (const each of own) one.wanted.add(each);
    } catch (error) {
      if (!isTpullError(error)) throw error;
      const reference = withoutSecrets(String(text));
      failures.push({ reference, error: error.toJSON() });
    }
  }
  const names = [...found].map(([name, { reference, forAnyone, wanted }]) => ({
    name,
    reference,
    forAnyone,
    wanted: [...wanted].sort(),
  }));
  return { names: names.sort((a, b) => (a.name < b.name ? -1 : 1)), failures };
}

/**
 * The platforms that an image is locked for, normalised; none for whoever comes.
 * @param forAll for all images, instead of what each one names itself
 * @throws TpullError `PLATFORM_INVALID`
 */
export function platformsOf(
  { platform, platformFixed }: ListedImage,
  forAll: readonly string[],
): readonly string[] {
  if (platform === undefined || (forAll.length > 0 && !platformFixed)) {
    return forAll.map(normalizedPlatform);
  }
  return [normalizedPlatform(platform)];
}
