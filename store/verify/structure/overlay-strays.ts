/** What in `overlay2` belongs to no layer and no container. */
import { join } from "node:path";
import type { CacheId } from "../../digest.js";
import { OVERLAY_FILE } from "../../layout.js";
import { readBytes } from "../../read.js";
import type { Report } from "../report.js";
import { directoryOf } from "./links.js";
import type { OverlayFacts } from "./overlay-facts.js";
import { FORM, typeOf } from "./small-file.js";

export function checkOrphans(
  { structure, places, names, staged, live }: OverlayFacts,
  report: Report,
): void {
  const { layout } = structure;
  const unknown = [...names].filter(
    (name) => !places.all.has(name) && !staged.has(name),
  );
  if (unknown.length === 0) return;
  // What dockerd's builder has there it knows by name.
  const builds = readBytes(layout.buildSnapshots);
  for (const name of unknown) {
    const key = name.replace(/-init$/, "");
    if (builds?.includes(key)) continue;
    const path = join(layout.overlay, name);
    const isLayer =
      typeOf(path) === "directory" &&
      (FORM.cacheId.test(key) ||
        typeOf(join(path, OVERLAY_FILE.diff)) !== undefined);
    if (!isLayer) report.stray(path);
    else if (!live.isLocked(path)) {
      report.add("OVERLAY_ORPHAN", path, "no layer and no container uses it", {
        cacheId: name as CacheId,
      });
    }
  }
}

/** What in `l` leads to no layer, container or directory that is spoken of elsewhere. */
export function checkStrayLinks(
  { structure, places, links, names }: OverlayFacts,
  report: Report,
): void {
  const { layout } = structure;
  const used = new Set<string>();
  for (const name of places.all.keys()) {
    const link = links.of(name);
    if (link !== undefined) used.add(link);
  }
  for (const [link, target] of links.targets) {
    const path = layout.link(link);
    if (used.has(link)) continue;
    if (target === undefined || !FORM.linkId.test(link)) {
      report.stray(path);
      continue;
    }
    const directory = directoryOf(target);
    const isOfOther =
      directory !== undefined &&
      names.has(directory) &&
      !places.all.has(directory) &&
      links.of(directory) === link;
    if (isOfOther) continue;
    const message = `it leads to ${target}, and no layer has it`;
    report.add("OVERLAY_LINK_STRAY", path, message);
  }
}
