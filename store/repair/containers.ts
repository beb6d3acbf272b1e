/**
 * What it takes to mount the directories of containers, where that is lost: it
 * follows from their entries in `layerdb/mounts` and the image they run. Their
 * files are not looked at.
 */
import { join } from "node:path";
import type { CacheId } from "../digest.js";
import { OVERLAY_FILE } from "../layout.js";
import { isLinkId, isLinkOf, readLinkId } from "../place.js";
import { newLinkId } from "../plan.js";
import { readNames, readText } from "../read.js";
import type { Finding } from "../verify/finding.js";
import { type Derivation, deriveDirectory } from "./derive.js";
import type { Container } from "./known-layers.js";
import { isThere } from "./uses.js";

/** Rebuilds the files of the containers that the findings are about. */
export async function deriveContainers(
  derivation: Derivation,
  findings: readonly Finding[],
): Promise<void> {
  const { known, steps } = derivation;
  for (const container of known.containers) {
    const { mountId, initId } = container;
    const concerned = findings.filter(
      ({ cacheId }) =>
        cacheId !== undefined && [mountId, initId].includes(cacheId),
    );
    if (concerned.length === 0) continue;
    await steps.part("rebuild a container's files", concerned, () =>
      deriveContainer(derivation, container),
    );
  }
}

async function deriveContainer(
  derivation: Derivation,
  { mountId, initId, parent }: Container,
): Promise<void> {
  const { layout, known, map } = derivation;
  // Of a container whose image is not known, nothing follows.
  if (parent !== undefined && known.get(parent) === undefined) return;
  const isDirectory = (name: string | undefined): name is string =>
    name !== undefined && isThere(layout.cacheFile(name as CacheId, "diff"));
  let lower = parent === undefined ? undefined : map.lowerOf(parent);
  if (isDirectory(initId)) {
    const said = LOWER.exec(textIn(derivation, mountId, "lower"))?.[1];
    const link = linkOf(derivation, initId, said);
    const hasAbove = mountId !== undefined;
    await deriveDirectory(derivation, { name: initId, link, lower, hasAbove });
    lower = lower === undefined ? `l/${link}` : `l/${link}:${lower}`;
  }
  if (!isDirectory(mountId)) return;
  const link = linkOf(derivation, mountId, undefined);
  await deriveDirectory(derivation, {
    name: mountId,
    link,
    lower,
    hasAbove: false,
  });
}

/** The first link of a container's `lower`: that of its init layer. */
const LOWER = /^l\/([A-Z2-7]{26})(?::|$)/;

function textIn(
  { layout }: Derivation,
  name: string | undefined,
  file: keyof typeof OVERLAY_FILE,
): string {
  if (name === undefined) return "";
  return readText(join(layout.overlay, name, OVERLAY_FILE[file])) ?? "";
}

/** The link by which a directory is known, or is to be. @param said by what is on top of it */
function linkOf(
  { layout }: Derivation,
  name: string,
  said: string | undefined,
): string {
  const cacheId = name as CacheId;
  const written = readLinkId(layout.cache(cacheId));
  const leading = (): string | undefined =>
    readNames(layout.links).find(
      (link) => isLinkId(link) && isLinkOf(layout, link, cacheId),
    );
  const isFree = (link: string): boolean =>
    isLinkOf(layout, link, cacheId) || !isThere(layout.link(link));
  if (written !== undefined && isLinkOf(layout, written, cacheId)) {
    return written;
  }
  const candidates = [said, leading(), written].filter(
    (link) => link !== undefined,
  );
  return candidates.find(isFree) ?? newLinkId();
}
