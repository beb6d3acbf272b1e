/** A writing session that removes or renames, and what all such sessions do. */
import { statSync } from "node:fs";
import { beginSession } from "../begin.js";
import { attempt, ioFailure, isAbsent } from "../io-error.js";
import type { Layout } from "../layout.js";
import { DEFAULT_MAX_AGE_MS } from "../partials.js";
import type { StoreWarning } from "../root.js";
import type { Session } from "../session.js";
import { discardAll, type StagedClaim } from "../staging.js";
import { notedUnused } from "../unused.js";

export interface ManageOptions {
  /** Interrupts waiting for others, never a change that has begun. */
  readonly signal?: AbortSignal | undefined;
  /** Told what is doubtful about the root but no reason to refuse. */
  readonly onWarning?: ((warning: StoreWarning) => void) | undefined;
}

/** What the work of a session came to. */
export interface Outcome<Result> {
  readonly result: Result;
  /** Whether anything in the root is different now. */
  readonly changed: boolean;
}

/**
 * Runs `work` in the section of a writing session, and afterwards removes the
 * files of the layers that it took out of the store.
 * @param doing what is done, to follow "could not"
 * @param work gets a list to collect those layers in
 * @param oldest what interrupted pulls left before this is swept first; milliseconds since 1970
 */
export async function managing<Result>(
  layout: Layout,
  { signal, onWarning }: ManageOptions,
  doing: string,
  work: (session: Session, outgoing: StagedClaim[]) => Promise<Outcome<Result>>,
  oldest: number = Date.now() - DEFAULT_MAX_AGE_MS,
): Promise<Result> {
  return await attempt(doing, async () => {
    const session = await beginSession(layout, { signal, onWarning }, oldest);
    const outgoing: StagedClaim[] = [];
    let changed = false;
    try {
      const outcome = await session.section(
        () => work(session, outgoing),
        signal,
      );
      changed = outcome.changed;
      return outcome.result;
    } finally {
      try {
        if (outgoing.length > 0) changed = true;
        // Files can be many: other sessions need not wait until they are gone.
        await discardAll(layout, outgoing);
      } finally {
        session.end(changed || notedUnused(layout).length > 0);
      }
    }
  });
}

/**
 * Whether there is anything to work on: a root that does not exist is not made.
 * @throws TpullError `ROOT_NOT_READABLE` where nobody may look
 */
export function isThere({ root }: Layout): boolean {
  try {
    statSync(root);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw ioFailure(error, `look at the data root ${root}`, "read");
  }
}
