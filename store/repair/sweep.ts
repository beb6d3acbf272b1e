/** What all removals of a repair have in common: how they are told, and agreed to. */
import { lstatSync } from "node:fs";
import type { Layout } from "../layout.js";
import type { Session } from "../session.js";
import type { Finding } from "../verify/finding.js";
import type { Consent } from "./consent.js";
import type { KnownLayers } from "./known-layers.js";
import { sizeOfTree } from "./proof.js";
import type { RemovalQuestion } from "./repair-types.js";
import type { Steps } from "./steps.js";
import { isThere } from "./uses.js";

export interface Sweep {
  readonly layout: Layout;
  /** Undefined in a dry run. */
  readonly session: Session | undefined;
  readonly steps: Steps;
  readonly consent: Consent;
  /** As it is after everything else. */
  readonly known: KnownLayers;
  /** Why what no image needs may still be needed; undefined where all is known. */
  readonly doubt: string | undefined;
}

/** Something that may go: what it is to people, and bytes of its files. */
export interface Removable {
  readonly finding: Finding;
  readonly path: string;
  readonly what: string;
  readonly bytes: number;
}

/** Whether all of it may go; what may not is left as a finding. */
export async function agreed(
  { consent, steps }: Sweep,
  about: RemovalQuestion["about"],
  removable: readonly Removable[],
): Promise<boolean> {
  if (removable.length === 0) return false;
  const answer = await consent.to({
    about,
    items: removable.map(({ path, what, bytes }) => ({
      path: steps.shown(path),
      what,
      ...(bytes === 0 ? {} : { bytes }),
    })),
  });
  if (answer === "yes") return true;
  for (const { finding } of removable) steps.leave(finding, answer);
  return false;
}

/** Bytes of files at a path or below it; none where there is nothing. */
export async function sizeOf(path: string): Promise<number> {
  if (!isThere(path)) return 0;
  const found = lstatSync(path);
  return found.isDirectory() ? await sizeOfTree(path) : found.size;
}

/** Removes one thing and tells of it. */
export async function takeOut(
  { steps }: Sweep,
  { path, what, bytes }: Removable,
  work: () => void | Promise<void>,
): Promise<void> {
  const size = bytes === 0 ? {} : { bytes };
  await steps.take({ action: "removed", path, note: what, ...size }, work);
}
