/** Layers whose removal a dockerd began: it renames the entry first, and finishes only at its own end. */
import { join } from "node:path";
import type { ChainId } from "../digest.js";
import type { Layout } from "../layout.js";
import { readNames } from "../read.js";
import { settle, takeOut } from "../retract.js";
import type { Session } from "../session.js";
import { type StagedClaim, tryClaim } from "../staging.js";

/** What dockerd calls the entry of a layer while it removes its files. */
const REMOVING = /^([0-9a-f]{64})-.*-removing$/;

/** The entries of layers whose removal a dockerd did not finish, by their names in `layerdb`. */
export function unfinishedRemovals(
  layout: Layout,
): { name: string; chainId: ChainId }[] {
  return readNames(layout.layers).flatMap((name) => {
    const hex = REMOVING.exec(name)?.[1];
    if (hex === undefined) return [];
    return [{ name, chainId: `sha256:${hex}` as string as ChainId }];
  });
}

/**
 * Takes over the removals that a dockerd did not finish: they become removals of
 * tpull's. Runs in the section; what was collected in
 * `outgoing` is to be discarded afterwards.
 */
export async function hideUnfinished(
  session: Session,
  outgoing: StagedClaim[],
): Promise<void> {
  const { layout } = session;
  const staging = await session.staging();
  let taken = false;
  for (const { name, chainId } of unfinishedRemovals(layout)) {
    // Who writes the layer anew, or removes another one of it, goes first.
    const claim = tryClaim(layout, staging, chainId);
    if (typeof claim === "string") continue;
    outgoing.push(claim);
    await takeOut(layout, staging, claim, join(layout.layers, name));
    taken = true;
  }
  if (taken) await settle(layout, staging, outgoing);
}
