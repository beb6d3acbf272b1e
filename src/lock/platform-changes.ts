/** What became of a locked image's platforms when its name moved. */
import { type Digest, isTpullError } from "../../store/index.js";
import type { Reference } from "../../store/reference/reference.js";
import type { IndexContext } from "../index-images.js";
import type { Top } from "../resolve-image.js";
import type { LockedImage } from "./format.js";
import { chosen } from "./locked.js";

export interface PlatformChange {
  /** os/arch[/variant]; absent where nobody says. */
  platform?: string;
  /** `added`: only of a lock for no platforms in particular. */
  status: "unchanged" | "moved" | "gone" | "added";
  /** Of the manifest, as the lock has it. */
  digest?: Digest;
  now?: Digest;
}

/** One image of a platform; an index may have several for the same one. */
interface One {
  readonly platform?: string;
  readonly digest: Digest;
}

/**
 * @param top what the name stands for now
 * @returns those of the lock in its order, then new ones
 */
export async function platformChanges(
  { platforms, wanted }: LockedImage,
  reference: Reference,
  top: Top,
  context: IndexContext,
): Promise<PlatformChange[]> {
  const rest: One[] = await found(reference, top, wanted, context);
  const take = (fits: (one: One) => boolean): One | undefined => {
    const at = rest.findIndex(fits);
    return at === -1 ? undefined : rest.splice(at, 1)[0];
  };
  // The same bytes first, so that what only changed its place is no change.
  const same = platforms.map(({ platform, digest }) =>
    take((one) => one.digest === digest && one.platform === platform),
  );
  const changes = platforms.map(({ platform, digest }, at): PlatformChange => {
    const name = platform === undefined ? {} : { platform };
    if (same[at] !== undefined) return { ...name, status: "unchanged", digest };
    const other = take((one) => one.platform === platform);
    return other === undefined
      ? { ...name, status: "gone", digest }
      : { ...name, status: "moved", digest, now: other.digest };
  });
  return [
    ...changes,
    ...rest.map(({ platform, digest }): PlatformChange => ({
      ...(platform === undefined ? {} : { platform }),
      status: "added",
      now: digest,
    })),
  ];
}

/** Wanted ones one by one: that one of them is gone says nothing of the others. */
async function found(
  reference: Reference,
  top: Top,
  wanted: readonly string[] | undefined,
  context: IndexContext,
): Promise<One[]> {
  const images = new Map<Digest, One>();
  for (const platform of wanted ?? [undefined]) {
    const asked = platform === undefined ? [] : [platform];
    try {
      for (const one of await chosen(reference, top, asked, context)) {
        images.set(one.digest, one);
      }
    } catch (error) {
      if (!isTpullError(error) || error.code !== "PLATFORM_NOT_FOUND") {
        throw error;
      }
    }
  }
  return [...images.values()];
}
