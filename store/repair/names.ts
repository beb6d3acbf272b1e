/** Names of images that are filed wrongly, or lead nowhere. */
import { replaceFile } from "../atomic.js";
import type { ImageId } from "../digest.js";
import { readText } from "../read.js";
import { formatRepositories, type Repositories } from "../repositories.js";
import type { Finding } from "../verify/finding.js";
import { isWhole, NAMES_MODE, type NamesRepair } from "./names-file.js";
import { sortedNames } from "./sorted-names.js";

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
  const { idle } = sortedNames(layout, lost);
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
    const now = sortedNames(layout, lost);
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
      await replaceFile(path, better, NAMES_MODE);
    });
  };
  await steps.part("write the names of images", findings, async () => {
    if (session === undefined) await write();
    else await session.section(write, session.signal);
  });
}
