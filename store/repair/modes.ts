/** Modes and owners of the store's own files and directories. */
import { lstatSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { setMode } from "../atomic.js";
import type { Layout } from "../layout.js";
import type { Session } from "../session.js";
import { blobDirectories, directories } from "../skeleton.js";
import type { Finding } from "../verify/finding.js";
import type { Steps } from "./steps.js";

/** Paths below the root in the terms of the format, `*` for an ID, and their modes. */
const MODES: readonly [pattern: string, mode: number][] = [
  ["volumes", 0o701],
  ["volumes/metadata.db", 0o600],
  ["overlay2/*", 0o710],
  ["overlay2/*/diff", 0o755],
  ["overlay2/*/link", 0o644],
  ["overlay2/*/lower", 0o644],
  ["overlay2/*/work", 0o700],
  ["overlay2/*/committed", 0o600],
  ["overlay2/*/merged", 0o700],
  ["image/overlay2/repositories.json", 0o600],
  ["image/overlay2/imagedb/content/sha256/*", 0o600],
  ["image/overlay2/imagedb/metadata/sha256/*", 0o700],
  ["image/overlay2/imagedb/metadata/sha256/*/*", 0o600],
  ["image/overlay2/layerdb/sha256/*", 0o700],
  ["image/overlay2/layerdb/sha256/*/*", 0o644],
  ["image/overlay2/layerdb/mounts", 0o755],
  ["image/overlay2/distribution/diffid-by-digest/sha256/*", 0o644],
  ["image/overlay2/distribution/v2metadata-by-diffid/sha256/*", 0o644],
];

/** The mode that something in a root must have; undefined for what is none of the store's. */
export function modeOf(layout: Layout, path: string): number | undefined {
  if (path === layout.root) return 0o710;
  for (const [directory, mode] of [
    ...directories(layout),
    ...blobDirectories(layout),
  ]) {
    if (directory === path) return mode;
  }
  const parts = relative(layout.root, path).split(sep);
  const found = MODES.find(([pattern]) => {
    const wanted = pattern.split("/");
    return (
      wanted.length === parts.length &&
      wanted.every((one, at) => one === "*" || one === parts[at])
    );
  });
  return found?.[1];
}

/** Gives what the findings are about its mode and owner. */
export async function repairModes(
  layout: Layout,
  session: Session | undefined,
  steps: Steps,
  findings: readonly Finding[],
): Promise<void> {
  for (const finding of findings) {
    const path = join(layout.root, finding.path);
    const mode = modeOf(layout, path);
    if (mode === undefined) {
      steps.leave(finding, "it is not known what mode this should have");
      continue;
    }
    const write = async (): Promise<void> => {
      if (lstatSync(path).isSymbolicLink()) {
        steps.leave(finding, "it is a symbolic link, which has no mode");
        return;
      }
      const note = `mode ${mode.toString(8).padStart(4, "0")}`;
      await steps.take({ action: "rebuilt", path, note }, async () => {
        await setMode(path, mode);
      });
    };
    await steps.part("set a mode", [finding], async () => {
      if (session === undefined) await write();
      else await session.section(write, session.signal);
    });
  }
}
