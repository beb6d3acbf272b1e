/** `overlay2`: the directories of layers and containers, and what they are mounted with. */
import { join } from "node:path";
import type { CacheId } from "../../digest.js";
import { OVERLAY_FILE } from "../../layout.js";
import type { About, Report } from "../report.js";
import type { Modes } from "./modes.js";
import { checkMounting } from "./mounting.js";
import type { OverlayFacts } from "./overlay-facts.js";
import { checkOrphans, checkStrayLinks } from "./overlay-strays.js";
import type { OverlayPlace } from "./places.js";
import { namesIn, typeOf } from "./small-file.js";

const MERGED = "merged";
const KNOWN: ReadonlySet<string> = new Set([
  ...Object.values(OVERLAY_FILE),
  MERGED,
]);

export function checkOverlay(
  facts: OverlayFacts,
  modes: Modes,
  report: Report,
): void {
  const { places } = facts;
  const below = new Set([...places.all.values()].map((place) => place.below));
  for (const place of places.all.values()) {
    checkPlace(facts, place, below.has(place.name), modes, report);
  }
  checkMisled(facts, report);
  checkOrphans(facts, report);
  checkStrayLinks(facts, report);
}

function checkMisled(
  { structure, places }: OverlayFacts,
  report: Report,
): void {
  for (const [chainId, { message, cacheId }] of places.misled) {
    const path = structure.layout.layerFile(chainId, "cacheId");
    report.add("LAYER_FILE_DAMAGED", path, message, {
      chainId,
      cacheId,
      images: structure.usersOf(chainId),
    });
  }
}

function checkPlace(
  facts: OverlayFacts,
  place: OverlayPlace,
  hasAbove: boolean,
  modes: Modes,
  report: Report,
): void {
  const { layout } = facts.structure;
  const { name, use, chainId } = place;
  const directory = join(layout.overlay, name);
  const about: About = {
    chainId,
    cacheId: name as CacheId,
    images: use === "layer" ? facts.structure.usersOf(chainId) : [],
  };
  const lost = use === "layer" ? "OVERLAY_MISSING" : "CONTAINER_DAMAGED";
  const names = new Set(namesIn(directory));
  if (typeOf(directory) !== "directory") {
    report.add(lost, directory, "it is missing", about);
    return;
  }
  const diff = join(directory, OVERLAY_FILE.diff);
  const type = typeOf(diff);
  if (type === undefined) report.add(lost, diff, "it is missing", about);
  else if (type !== "directory") {
    report.add(lost, diff, "it is not a directory", about);
  }
  const mounting = { place, directory, names, hasAbove, about };
  checkMounting(facts, mounting, report);
  const merged = join(directory, MERGED);
  if (names.has(MERGED) && use === "layer" && !facts.isMounted(merged)) {
    const message = "it is there although nothing is mounted on it";
    report.add("OVERLAY_LEFTOVER", merged, message, about);
  }
  for (const one of names) {
    if (!KNOWN.has(one)) report.stray(join(directory, one), about);
  }
  checkModes(directory, use, modes, about);
}

/** What daemons have given a layer's directory over the years. */
const DIRECTORY_MODES = [0o710, 0o700, 0o701, 0o711];

function checkModes(
  directory: string,
  use: OverlayPlace["use"],
  modes: Modes,
  about: About,
): void {
  const check = (path: string, allowed: readonly number[]): void =>
    modes.check("OVERLAY_MODE", path, allowed, about);
  check(directory, DIRECTORY_MODES);
  check(join(directory, OVERLAY_FILE.link), [0o644]);
  check(join(directory, OVERLAY_FILE.lower), [0o644]);
  check(join(directory, OVERLAY_FILE.committed), [0o600]);
  if (use === "layer") check(join(directory, OVERLAY_FILE.work), [0o700]);
}
