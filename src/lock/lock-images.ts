/** Makes a lock: names in, the digests that they stand for now out. */
import type { FailedPull } from "../events.js";
import type { ListedImage } from "../lists/listed.js";
import { fetchTop } from "../resolve-image.js";
import type { RunOptions } from "../run-session.js";
import type { Lock, LockedImage } from "./format.js";
import { lockedImage } from "./locked.js";
import { type NameToLock, namesToLock } from "./names.js";
import { LockSession } from "./session.js";

export interface LockOptions extends RunOptions {
  /** os/arch[/variant], several, or `all`: who uses the lock takes these, instead of what suits, or of what a list names. */
  platform?: string | readonly string[];
}

export interface LockResult {
  /** Of what could be asked for; with a failure it is no lock of the list. */
  lock: Lock;
  failures: FailedPull[];
}

/**
 * Asks registries what each name stands for. Digests that the images have from
 * another lock are passed over. Stores nothing. Reads each index (or manifest),
 * which Docker Hub counts as a pull.
 * @throws TpullError `OPTION_INVALID`, `PLATFORM_INVALID`, `ABORTED`. What is
 *   wrong with a name is a failure of it
 */
export async function lockImages(
  images: readonly (string | ListedImage)[],
  options: LockOptions = {},
): Promise<LockResult> {
  const platforms = [options.platform ?? []].flat();
  const { names, failures } = namesToLock(images, platforms);
  await using session = new LockSession(options);
  const outcomes = await session.each(names, (name) => ask(name, session));
  return {
    lock: {
      images: outcomes.flatMap((one) => ("locked" in one ? one.locked : [])),
    },
    failures: [
      ...failures,
      ...outcomes.flatMap((one) => ("failure" in one ? one.failure : [])),
    ],
  };
}

async function ask(
  { name, reference, forAnyone, wanted }: NameToLock,
  session: LockSession,
): Promise<{ locked: LockedImage[] } | { failure: FailedPull }> {
  const context = session.context(name);
  try {
    const top = await fetchTop(reference, context);
    const locked: LockedImage[] = [];
    for (const platforms of [
      ...(forAnyone ? [undefined] : []),
      ...(wanted.length > 0 ? [wanted] : []),
    ]) {
      locked.push(await lockedImage(name, reference, top, platforms, context));
    }
    return { locked };
  } catch (error) {
    const failure = session.failure(error, name, reference);
    return { failure: { reference: name, error: failure.toJSON() } };
  }
}
