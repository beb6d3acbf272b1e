/** Mending a data root: what a check has found, in an order in which each step builds on the ones before. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { attempt } from "../io-error.js";
import type { Layout } from "../layout.js";
import {
  LAYER_POLL_MS,
  type LockedFile,
  pause,
  tryLockDirectory,
} from "../lock.js";
import { LOCK_EX } from "../native/libc.js";
import { Session } from "../session.js";
import type { Store } from "../store.js";
import { type Finding, isDamage } from "../verify/finding.js";
import { RepairRun } from "./repair-run.js";
import type { Repaired, RepairOptions } from "./repair-types.js";
import { Steps } from "./steps.js";

/**
 * Mends what a check has found. Under the root's lock; each step is durable, and
 * a process that is killed between or within them leaves a root that is no
 * worse than before, and that the next repair finishes. What a finding is about
 * is looked at once more before anything is done. Content that has to be
 * fetched is verified before the old is touched, and where it cannot be had,
 * the old stays.
 * @param report what a check of the same root found; other damage is left alone
 *   unless it is in the way
 * @throws TpullError `ABORTED`; what beginning to write may throw:
 *   `ROOT_IN_USE_BY_DOCKERD`, `ROOT_NOT_WRITABLE`, …; `DISK_FULL` and the like
 *   where a failure of one step would be that of all
 */
export async function repairStore(
  store: Store,
  report: { readonly findings: readonly Finding[] },
  options: RepairOptions = {},
): Promise<Repaired> {
  const { layout, root } = store;
  const findings = report.findings.filter(isDamage);
  const steps = new Steps(layout, options.dryRun ?? false, options.onStep);
  if (findings.length === 0) {
    return { steps: [], unrepaired: [], bytesFetched: 0 };
  }
  const missing = findings
    .filter(({ code }) => code === "STORE_DIRECTORY_MISSING")
    .map(({ path }) => join(layout.root, path))
    .filter((path) => !existsSync(path));
  if (steps.dryRun) {
    await tellMade(steps, missing);
    return await new RepairRun(layout, undefined, steps, options).run(findings);
  }
  return await attempt(`repair ${root}`, async () => {
    const { signal, onWarning } = options;
    const session = await Session.begin(layout, {
      signal,
      onWarning,
      names: "any",
    });
    try {
      await session.staging();
      const turn = await takeTurn(layout, options);
      try {
        await tellMade(steps, missing.filter(existsSync));
        return await new RepairRun(layout, session, steps, options).run(
          findings,
        );
      } finally {
        turn.close();
      }
    } finally {
      session.end(steps.changed);
    }
  });
}

/** Directories of the store are made when a session begins to write. */
async function tellMade(steps: Steps, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await steps.take({ action: "rebuilt", path }, () => undefined);
  }
}

/** Two repairs of one root would be in each other's way. Whoever has the lock of all staging directories repairs. */
async function takeTurn(
  layout: Layout,
  { signal, onWait }: RepairOptions,
): Promise<LockedFile> {
  for (let waited = false; ;) {
    const lock = tryLockDirectory(layout.staging, LOCK_EX);
    if (typeof lock !== "string") return lock;
    if (!waited) onWait?.("another tpull repairs the same root");
    waited = true;
    await pause(LAYER_POLL_MS, signal);
  }
}
