/** What has moved since a lock was written. */
import {
  type Digest,
  type TpullError,
  isTpullError,
} from "../../store/index.js";
import {
  parseReference,
  type Reference,
} from "../../store/reference/reference.js";
import type { FailedPull } from "../events.js";
import type { ListedImage } from "../lists/listed.js";
import { fetchTop } from "../resolve-image.js";
import type { RunOptions } from "../run-session.js";
import { againstList, type ListDifference } from "./against-list.js";
import type { Lock, LockedImage } from "./format.js";
import { type PlatformChange, platformChanges } from "./platform-changes.js";
import { LockSession } from "./session.js";

export interface CheckLockOptions extends RunOptions {
  /** The list that the lock was made from: what is in one and not in the other is said, too. */
  list?: readonly ListedImage[];
  /** The platforms that the lock was written for, if it was told any: as for {@link lockImages}. Counts with a list only. */
  platform?: string | readonly string[];
}

export interface CheckedImage {
  /** As the lock has it. */
  reference: string;
  /** Platforms that the lock was written for; absent where it was for none in particular. */
  wanted?: readonly string[];
  /** `gone`: the registry has no such name any more. */
  status: "unchanged" | "moved" | "gone" | "failed";
  /** As the lock has it. */
  digest: Digest;
  /** What the name stands for now, where it has moved. */
  now?: Digest;
  /** Of one that has moved: what became of each image that the lock has, and which are new. */
  platforms?: PlatformChange[];
  /** Of one that has moved or gone: whether what the lock has can still be had by its digest; absent where that could not be told. */
  available?: boolean;
  /** Why it could not be asked. */
  error?: FailedPull["error"];
}

export interface LockCheck {
  /** In the order of the lock. */
  images: CheckedImage[];
  /** Only with a list. */
  list?: ListDifference;
}

/**
 * Asks registries whether each name of a lock still stands for what it did: one
 * `HEAD` each, which no registry counts as a pull, and a closer look at those
 * that have moved. Changes nothing.
 * @throws TpullError `OPTION_INVALID`, `ABORTED`; `REFERENCE_INVALID`,
 *   `PLATFORM_INVALID` for a wrong list
 */
export async function checkLock(
  lock: Lock,
  options: CheckLockOptions = {},
): Promise<LockCheck> {
  const list =
    options.list === undefined
      ? undefined
      : againstList(lock, options.list, [options.platform ?? []].flat());
  await using session = new LockSession(options);
  const images = await session.each(lock.images, (image) =>
    check(image, session),
  );
  return { images, ...(list === undefined ? {} : { list }) };
}

async function check(
  image: LockedImage,
  session: LockSession,
): Promise<CheckedImage> {
  const { reference: name, digest, wanted } = image;
  const reference = parseReference(name);
  const known = {
    reference: name,
    ...(wanted === undefined ? {} : { wanted }),
  };
  try {
    const asked = reference.digest ?? reference.tag ?? "latest";
    const now = await session.digest(reference, asked, name);
    if (now === digest) return { ...known, status: "unchanged", digest };
    return {
      ...known,
      status: "moved",
      digest,
      now,
      platforms: await changes(image, reference, now, session),
      ...(await availability(image, reference, session)),
    };
  } catch (error) {
    const failure = session.failure(error, name, reference);
    if (!isGone(failure)) {
      const error = failure.toJSON();
      return { ...known, status: "failed", digest, error };
    }
    const rest = await availability(image, reference, session);
    return { ...known, status: "gone", digest, ...rest };
  }
}

/** What is behind the name now is asked for by its digest: it may move again meanwhile. */
async function changes(
  image: LockedImage,
  reference: Reference,
  now: Digest,
  session: LockSession,
): Promise<PlatformChange[]> {
  const context = session.context(image.reference);
  const top = await fetchTop({ ...reference, digest: now }, context);
  return await platformChanges(image, reference, top, context);
}

async function availability(
  { digest, reference: name }: LockedImage,
  reference: Reference,
  session: LockSession,
): Promise<{ available?: boolean }> {
  if (reference.digest !== undefined) return { available: false };
  try {
    await session.digest(reference, digest, name);
    return { available: true };
  } catch (error) {
    // Whether it moved is answered already.
    if (isTpullError(error)) return isGone(error) ? { available: false } : {};
    throw error;
  }
}

function isGone({ code }: TpullError): boolean {
  return code === "MANIFEST_UNKNOWN" || code === "NAME_UNKNOWN";
}
