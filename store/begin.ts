/** The beginning of everything that writes: whose root it is, its lock, and what interrupted processes left in it. */
import { basename } from "node:path";
import { sweepIncoming } from "./blobs/incoming-file.js";
import type { Layout } from "./layout.js";
import { readNames } from "./read.js";
import { Session, type SessionOptions } from "./session.js";
import { sweepStaging, sweepTemporaries } from "./staging.js";

/**
 * Checks whose root it is, locks out dockerd, and removes what interrupted
 * processes left.
 * @param oldest what was left before this is swept, too; milliseconds since 1970
 * @throws TpullError see {@link Session.begin}
 */
export async function beginSession(
  layout: Layout,
  options: SessionOptions,
  oldest: number,
): Promise<Session> {
  const session = await Session.begin(layout, options);
  try {
    if (hasState(layout)) {
      await sweepStaging(layout, oldest);
      await session.section(async () => {
        await sweepTemporaries(layout);
        sweepIncoming(layout);
      }, options.signal);
    }
    return session;
  } catch (error) {
    session.end(false);
    throw error;
  }
}

/** Whether tpull has ever written here. */
function hasState(layout: Layout): boolean {
  return readNames(layout.root).includes(basename(layout.tpull));
}
