/**
 * `repositories.json`, where it cannot be read. It is never overwritten unasked,
 * and never without keeping it as it was.
 */
import { join } from "node:path";
import {
  createDirectory,
  replaceFile,
  syncDirectory,
  writeFlushed,
} from "../atomic.js";
import { type ImageId, isDigest } from "../digest.js";
import { readImageConfig } from "../images.js";
import type { Layout } from "../layout.js";
import { readBytes, readNames, readText } from "../read.js";
import { formatRepositories, parseRepositories } from "../repositories.js";
import type { Session } from "../session.js";
import type { Finding } from "../verify/finding.js";
import type { Consent } from "./consent.js";
import { repositoriesWith, type Salvaged, salvageNames } from "./salvage.js";
import type { Steps } from "./steps.js";

export interface NamesRepair {
  readonly layout: Layout;
  /** Undefined in a dry run. */
  readonly session: Session | undefined;
  readonly steps: Steps;
  readonly consent: Consent;
}

export const NAMES_MODE = 0o600;

/** Writes the file anew where it is malformed or missing, with the names that are left. */
export async function repairFile(
  { layout, session, steps, consent }: NamesRepair,
  findings: readonly Finding[],
): Promise<void> {
  if (findings.length === 0) return;
  const salvaged = salvageNames(layout);
  const path = layout.repositories;
  const shown = steps.shown(path);
  const nameless = namelessImages(layout, salvaged);
  const agreed = await consent.to({
    about: "repositories",
    items: [
      ...salvaged.map(({ name, source }) => ({
        path: name,
        what: `found in ${source}`,
      })),
      ...nameless.map((imageId) => ({
        path: imageId,
        what: "an image whose names are lost",
      })),
    ],
  });
  if (agreed !== "yes") {
    const saved = `${counted(salvaged.length, "name")} could be saved`;
    for (const finding of findings) {
      steps.leave(finding, `${saved}, and ${agreed}`);
    }
    return;
  }
  const write = async (): Promise<void> => {
    if (isWhole(layout)) return; // mended by somebody else
    const damaged = readBytes(path);
    if (damaged !== undefined) {
      const kept = join(layout.kept, `repositories.json.${Date.now()}`);
      await steps.take(
        { action: "kept", path: kept, note: shown },
        async () => {
          createDirectory(layout.kept, 0o700);
          await writeFlushed(kept, damaged, NAMES_MODE);
          await syncDirectory(layout.kept);
        },
      );
    }
    const lost =
      nameless.length === 0
        ? ""
        : `; those of ${counted(nameless.length, "image")} are lost`;
    const note = `with ${counted(salvaged.length, "name")}${lost}`;
    await steps.take({ action: "rebuilt", path, note }, async () => {
      const text = formatRepositories(repositoriesWith(salvaged));
      await replaceFile(path, text, NAMES_MODE);
    });
  };
  await steps.part("write the names of images", findings, async () => {
    if (session === undefined) await write();
    else await session.section(write, session.signal);
  });
}

/** Images that are there and have none of these names. */
function namelessImages(
  layout: Layout,
  salvaged: readonly Salvaged[],
): ImageId[] {
  const named = new Set(salvaged.map(({ imageId }) => imageId));
  return readNames(layout.imagedbContent)
    .map((name) => `sha256:${name}`)
    .filter(isDigest)
    .map((id) => id as string as ImageId)
    .filter((imageId) => !named.has(imageId))
    .filter((imageId) => readImageConfig(layout, imageId) !== undefined);
}

function counted(count: number, noun: string): string {
  return count === 0
    ? `no ${noun}`
    : `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Whether the file is there and well-formed. */
export function isWhole(layout: Layout): boolean {
  try {
    const text = readText(layout.repositories);
    if (text === undefined) return false;
    parseRepositories(text);
    return true;
  } catch {
    return false;
  }
}
