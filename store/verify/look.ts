/** One look at the structure of a root: everything but the content of layers. */
import { setTimeout as sleep } from "node:timers/promises";
import { throwIfAborted } from "../errors.js";
import type { Layout } from "../layout.js";
import { type RawFinding, Report } from "./report.js";
import { type BlobToCheck, checkBlobs } from "./structure/blobs.js";
import { checkDistribution } from "./structure/distribution.js";
import { checkImagedb } from "./structure/imagedb.js";
import { checkLayerdb } from "./structure/layerdb.js";
import { checkLeftovers, readStaged } from "./structure/leftovers.js";
import { readLinks } from "./structure/links.js";
import {
  isPassing,
  type Live,
  lookForOthers,
  mountPoints,
} from "./structure/live.js";
import { checkDirectories, Modes } from "./structure/modes.js";
import { checkNames } from "./structure/names-file.js";
import { checkOverlay } from "./structure/overlay.js";
import { overlayNames } from "./structure/overlay-facts.js";
import { Places } from "./structure/places.js";
import { checkReach } from "./structure/reach.js";
import { typeOf } from "./structure/small-file.js";
import { Structure } from "./structure/structure.js";

export interface Look {
  readonly structure: Structure;
  readonly places: Places;
  readonly live: Live;
  readonly findings: readonly RawFinding[];
  /** Kept blobs that can be read. */
  readonly blobs: readonly BlobToCheck[];
  /** Layers without an image that may be of one whose config is lost. */
  readonly unjudgedLayers: number;
}

/** Whether there is anything of the format at that place. */
function isStore(layout: Layout): boolean {
  return (
    typeOf(layout.driver) !== undefined || typeOf(layout.overlay) !== undefined
  );
}

/** @throws the failed system call where permission is missing */
export async function lookAt(layout: Layout): Promise<Look> {
  // First: what was begun before the look is then known to be in the making.
  const live = lookForOthers(layout);
  const staged = await readStaged(layout, live);
  const structure = new Structure(layout);
  const links = readLinks(layout);
  const names = overlayNames(layout);
  const places = new Places(structure, links, names);
  const report = new Report((path) => structure.relative(path));
  const modes = new Modes(layout, report);

  checkDirectories(layout, report);
  modes.checkDirectories();
  checkNames(structure, modes, report);
  checkImagedb(structure, modes, report);
  checkLayerdb(structure, modes, report);
  const unjudgedLayers = checkReach(structure, live, report);
  const moved = staged.flatMap(({ cacheId }) => cacheId ?? []);
  checkOverlay(
    {
      structure,
      places,
      links,
      names,
      staged: new Set(moved),
      live,
      isMounted: mountPoints(),
    },
    modes,
    report,
  );
  checkDistribution(structure, modes, report);
  checkLeftovers(layout, staged, report);
  const blobs = checkBlobs(structure, live, report);
  const findings = report.findings.filter(({ code }) => !isPassing(code, live));
  return { structure, places, live, findings, blobs, unjudgedLayers };
}

/** How often a root is looked at that is found damaged while others are at work in it. */
const LOOKS = 5;
const PAUSE_MS = 150;

/**
 * Looks until nothing is found, or what is found stays: what another process
 * was just about to write is there at the next look.
 * @returns undefined where there is no store
 */
export async function steadyLook(
  layout: Layout,
  signal: AbortSignal | undefined,
): Promise<Look | undefined> {
  if (!isStore(layout)) return undefined;
  let look = await lookAt(layout);
  for (let looks = 1; looks < LOOKS && look.findings.length > 0; looks += 1) {
    const isBusy = look.live.session || look.live.dockerd !== undefined;
    if (isBusy) await sleep(PAUSE_MS);
    throwIfAborted(signal);
    const again = await lookAt(layout);
    const known = new Set(look.findings.map(keyOf));
    const findings = again.findings.filter((one) => known.has(keyOf(one)));
    const isSteady = findings.length === look.findings.length;
    look = { ...again, findings };
    if (isSteady && !isBusy) break;
  }
  return look;
}

function keyOf({ code, path }: RawFinding): string {
  return `${code} ${path}`;
}
