/**
 * `repositories.json`. What cannot be read is never overwritten unasked, and
 * never without keeping it as it was.
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
import {
  familiarName,
  familiarRepository,
  parseReference,
} from "../reference/reference.js";
import {
  formatRepositories,
  parseRepositories,
  type Repositories,
} from "../repositories.js";
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

const MODE = 0o600;

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
          await writeFlushed(kept, damaged, MODE);
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
      await replaceFile(path, text, MODE);
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

function isWhole(layout: Layout): boolean {
  try {
    const text = readText(layout.repositories);
    if (text === undefined) return false;
    parseRepositories(text);
    return true;
  } catch {
    return false;
  }
}

interface Sorted {
  readonly repositories: Repositories;
  /** Names whose images are not there, or that are none. */
  readonly idle: { name: string; what: string; imageId: string }[];
}

/**
 * Files names under what docker looks for, and removes those that lead to no
 * image if that is agreed to.
 * @param lost images of which it is certain that they are nowhere to be had
 */
export async function repairNames(
  { layout, session, steps, consent }: NamesRepair,
  findings: readonly Finding[],
  lost: ReadonlySet<ImageId>,
): Promise<void> {
  if (findings.length === 0 || !isWhole(layout)) return;
  const { idle } = sort(layout, lost);
  const agreed =
    idle.length === 0
      ? "yes"
      : await consent.to({
          about: "names",
          items: idle.map(({ name, what }) => ({ path: name, what })),
        });
  if (agreed !== "yes") {
    for (const finding of findings) {
      const isIdle = idle.some(
        ({ name, imageId }) =>
          imageId === finding.imageId || finding.message.includes(name),
      );
      if (isIdle) steps.leave(finding, agreed);
    }
  }
  const removed = agreed === "yes" ? idle : [];
  const write = async (): Promise<void> => {
    const text = readText(layout.repositories) ?? "";
    const now = sort(layout, lost);
    const gone = new Set(removed.map(({ name }) => name));
    const repositories: Repositories = new Map(
      [...now.repositories].map(([repository, names]) => [
        repository,
        new Map([...names].filter(([name]) => !gone.has(name))),
      ]),
    );
    const better = formatRepositories(repositories);
    if (better === text) return;
    const { repositories: path } = layout;
    for (const { name, what } of removed) {
      const note = `${name}: ${what}`;
      await steps.take({ action: "removed", path, note }, () => undefined);
    }
    await steps.take({ action: "rebuilt", path }, async () => {
      await replaceFile(path, better, MODE);
    });
  };
  await steps.part("write the names of images", findings, async () => {
    if (session === undefined) await write();
    else await session.section(write, session.signal);
  });
}

/** All names as docker would have filed them. */
function sort(layout: Layout, lost: ReadonlySet<ImageId>): Sorted {
  const repositories: Repositories = new Map();
  const idle: Sorted["idle"] = [];
  const put = (repository: string, name: string, id: string): boolean => {
    const names = repositories.get(repository) ?? new Map<string, string>();
    repositories.set(repository, names);
    if (names.has(name)) return names.get(name) === id;
    names.set(name, id);
    return true;
  };
  const entries = [...parseRepositories(readText(layout.repositories) ?? "")]
    .flatMap(([repository, names]) =>
      [...names].map(([name, id]) => ({ repository, name, id })),
    )
    .map((entry) => ({ ...entry, right: rightPlace(entry.name) }));
  const isRight = ({ repository, name, right }: (typeof entries)[number]) =>
    right?.repository === repository && right.name === name;
  for (const entry of entries.filter(isRight)) {
    put(entry.repository, entry.name, entry.id);
  }
  for (const entry of entries) {
    const { repository, name, id, right } = entry;
    if (right === undefined) {
      put(repository, name, id);
      idle.push({ name, what: "not a name that docker knows", imageId: id });
    } else if (!isRight(entry) && !put(right.repository, right.name, id)) {
      put(repository, name, id);
      const what = `docker would call it ${right.name}, and that is another image`;
      idle.push({ name, what, imageId: id });
    }
  }
  for (const names of repositories.values()) {
    for (const [name, id] of names) {
      if (!isDigest(id)) {
        idle.push({ name, what: "leads to no image ID", imageId: id });
      } else if (
        lost.has(id as string as ImageId) &&
        readImageConfig(layout, id as string as ImageId) === undefined
      ) {
        idle.push({ name, what: "its image is not there", imageId: id });
      }
    }
  }
  return { repositories, idle };
}

function rightPlace(
  text: string,
): { repository: string; name: string } | undefined {
  try {
    const reference = parseReference(text);
    return {
      repository: familiarRepository(reference),
      name: familiarName(reference),
    };
  } catch {
    return undefined;
  }
}
