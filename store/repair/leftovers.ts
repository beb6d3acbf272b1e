/**
 * What nothing needs: looked at once more when everything else is mended, and
 * removed if somebody agrees. What may still be of use to an image, a
 * container or a build stays.
 */
import { lstatSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { syncDirectory } from "../atomic.js";
import { type CacheId, type ChainId, isDigest } from "../digest.js";
import { TpullError } from "../errors.js";
import { readCacheId } from "../layers.js";
import type { Layout } from "../layout.js";
import { tryLockDirectory } from "../lock.js";
import { LOCK_EX } from "../native/libc.js";
import { removeTree } from "../remove.js";
import type { Session } from "../session.js";
import { tryClaim } from "../staging.js";
import type { Finding } from "../verify/finding.js";
import { sweepLayers } from "./orphan-layers.js";
import { removeOverlay } from "./remove-overlay.js";
import {
  agreed,
  type Removable,
  sizeOf,
  type Sweep,
  takeOut,
} from "./sweep.js";
import { isThere, onlyUseIs, Uses } from "./uses.js";

/** Removes what the findings are about, as far as nothing needs it and it is agreed to. */
export async function sweepLeftovers(
  sweep: Sweep,
  findings: readonly Finding[],
): Promise<void> {
  const layers = findings.filter(({ code }) => code === "LAYER_ORPHAN");
  await sweepLayers(sweep, layers);
  const others = findings.filter(({ code }) => code !== "LAYER_ORPHAN");
  await sweepOthers(sweep, others);
}

async function sweepOthers(
  sweep: Sweep,
  findings: readonly Finding[],
): Promise<void> {
  const { layout, session, steps } = sweep;
  const removable: Removable[] = [];
  for (const finding of findings) {
    const path = join(layout.root, finding.path);
    if (!isThere(path)) continue;
    const reason = reasonToStay(sweep, finding, path);
    if (reason !== undefined) steps.leave(finding, reason);
    else {
      const bytes = await sizeOf(path);
      removable.push({ finding, path, what: phraseFor(finding), bytes });
    }
  }
  if (!(await agreed(sweep, "leftovers", removable))) return;
  for (const one of removable) {
    const { finding, path } = one;
    await steps.part("remove what is left over", [finding], async () => {
      // Files can be many, so only the look is taken in the section.
      const mayGo = async (): Promise<boolean> =>
        reasonToStay(sweep, finding, path) === undefined;
      if (session !== undefined && !(await session.section(mayGo))) {
        steps.leave(finding, "it came into use meanwhile");
        return;
      }
      await takeOut(sweep, one, () => remove(sweep, path));
    });
  }
}

function reasonToStay(
  { layout, known, doubt }: Sweep,
  finding: Finding,
  path: string,
): string | undefined {
  return new Uses(layout, known, doubt).reasonToStay(finding, path);
}

function phraseFor({ code }: Finding): string {
  switch (code) {
    case "OVERLAY_ORPHAN":
      return "files of no layer";
    case "OVERLAY_LINK_STRAY":
      return "a link that nothing uses";
    case "METADATA_ORPHAN":
      return "notes on an image that is not there";
    case "BLOB_DAMAGED":
      return "a damaged blob of a registry";
    case "HINT_DAMAGED":
      return "a damaged note of tpull";
    default:
      return "left by an interrupted write";
  }
}

/** Removes something with what belongs to it. What it takes to find the rest goes last. */
async function remove({ layout, session }: Sweep, path: string): Promise<void> {
  const above = dirname(path);
  if (above === layout.staging || above === layout.overlayStaging) {
    await removeStaged(layout, session!, path);
    return;
  }
  if (above === layout.overlay) {
    await removeOverlay(layout, basename(path) as CacheId);
    return;
  }
  if (above === layout.partial) {
    await removePartial(path);
    return;
  }
  if (above === layout.layers) {
    const cacheId = readCacheId(path);
    if (cacheId !== undefined && onlyUseIs(layout, path, cacheId)) {
      await removeOverlay(layout, cacheId);
    }
  }
  await removeTree(path);
  await syncDirectory(above);
}

/** Removes what is kept of a blob, unless somebody is fetching it. */
async function removePartial(path: string): Promise<void> {
  const lock = lstatSync(path).isDirectory()
    ? tryLockDirectory(path, LOCK_EX)
    : "gone";
  if (lock === "busy") {
    throw new TpullError("LAYER_IN_USE", "another tpull is fetching the blob");
  }
  try {
    await removeTree(path);
    await syncDirectory(dirname(path));
  } finally {
    if (lock !== "gone") lock.close();
  }
}

/** Undoes a layer that nobody writes any more; one that somebody writes stays. */
async function removeStaged(
  layout: Layout,
  session: Session,
  path: string,
): Promise<void> {
  const id = `sha256:${basename(path)}`;
  if (!isDigest(id)) {
    await removeTree(path);
    return;
  }
  const { era } = await session.staging();
  const staging = { base: dirname(path), era };
  const claim = tryClaim(layout, staging, id as string as ChainId);
  if (claim === "busy") {
    throw new TpullError("LAYER_IN_USE", "another tpull is writing the layer");
  }
  if (claim !== "gone") await claim.discard();
}
