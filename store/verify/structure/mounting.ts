/** What a directory in `overlay2` is mounted with: its link, what is below it, and the marks for overlayfs and dockerd. */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { CacheId } from "../../digest.js";
import { linkTarget, OVERLAY_FILE } from "../../layout.js";
import type { About, Report } from "../report.js";
import type { OverlayFacts } from "./overlay-facts.js";
import type { OverlayPlace } from "./places.js";
import { bytesOf, namesIn, shown, typeOf } from "./small-file.js";

/** What a kernel leaves in `work` of what it had mounted. */
const KERNELS_OWN: ReadonlySet<string> = new Set(["work", "index"]);
/** Layers below one mount: 125 of an image, and what docker adds for a container. */
const MAX_LOWER = 128;

/** One directory as the checks of its parts see it. */
export interface Mounting {
  readonly place: OverlayPlace;
  readonly directory: string;
  /** What is in it. */
  readonly names: ReadonlySet<string>;
  /** Whether something lies on top of it. */
  readonly hasAbove: boolean;
  readonly about: About;
}

export function checkMounting(
  facts: OverlayFacts,
  { place, directory, names, hasAbove, about }: Mounting,
  report: Report,
): void {
  checkLink(facts, place.name, about, report);
  checkLower(directory, names, place, about, report);
  checkWork(directory, names, place, about, report);
  checkCommitted(directory, names, hasAbove, about, report);
}

function checkLink(
  { structure, links }: OverlayFacts,
  name: string,
  about: About,
  report: Report,
): void {
  const { layout } = structure;
  const code = "OVERLAY_LINK_DAMAGED";
  const path = join(layout.overlay, name, OVERLAY_FILE.link);
  const own = links.own(name);
  const link = links.of(name);
  if (own.problem !== undefined) report.add(code, path, own.problem, about);
  else if (own.value !== link) {
    const message =
      link === undefined
        ? `it holds ${own.value}, which leads to another layer`
        : `it holds ${own.value}, and ${link} leads here`;
    report.add(code, path, message, about);
  }
  if (link === undefined) return;
  const wanted = linkTarget(name as CacheId);
  const target = links.targets.get(link);
  if (target === wanted) return;
  const message =
    target === undefined
      ? links.targets.has(link)
        ? "it is not a symbolic link"
        : "it is missing"
      : `it leads to ${target} instead of ${wanted}`;
  report.add(code, layout.link(link), message, about);
}

function checkLower(
  directory: string,
  names: ReadonlySet<string>,
  { lower }: OverlayPlace,
  about: About,
  report: Report,
): void {
  const code = "OVERLAY_LOWER_DAMAGED";
  const path = join(directory, OVERLAY_FILE.lower);
  if (!names.has(OVERLAY_FILE.lower)) {
    if (lower !== undefined && lower !== "") {
      report.add(code, path, "it is missing", about);
    }
    return;
  }
  const file = bytesOf(path);
  if ("problem" in file) {
    report.add(code, path, file.problem, about);
    return;
  }
  const found = file.bytes.toString("latin1");
  const depth = found.split(":").length;
  if (lower === "") {
    report.add(code, path, "it is there, and nothing is below", about);
  } else if (lower !== undefined && found !== lower) {
    const message = `it holds ${shown(file.bytes)} instead of ${shown(Buffer.from(lower))}`;
    report.add(code, path, message, about);
  } else if (depth > MAX_LOWER) {
    const message = `it names ${depth} layers, and docker mounts ${MAX_LOWER}`;
    report.add(code, path, message, about);
  }
}

function checkWork(
  directory: string,
  names: ReadonlySet<string>,
  { lower, use }: OverlayPlace,
  about: About,
  report: Report,
): void {
  const path = join(directory, OVERLAY_FILE.work);
  if (lower === "") {
    if (use === "container" || !names.has(OVERLAY_FILE.work)) return;
    const message = "it is there, and nothing is below";
    report.add("OVERLAY_LEFTOVER", path, message, about);
    return;
  }
  const type = typeOf(path);
  if (type !== "directory") {
    const message =
      type === undefined ? "it is missing" : "it is not a directory";
    if (lower !== undefined || type !== undefined) {
      report.add("OVERLAY_WORK_DAMAGED", path, message, about);
    }
    return;
  }
  if (use === "container") return;
  for (const name of namesIn(path) ?? []) {
    if (KERNELS_OWN.has(name)) continue;
    const message = "what is mounted does not leave this";
    report.add("OVERLAY_LEFTOVER", join(path, name), message, about);
  }
}

function checkCommitted(
  directory: string,
  names: ReadonlySet<string>,
  hasAbove: boolean,
  about: About,
  report: Report,
): void {
  const code = "OVERLAY_COMMITTED_DAMAGED";
  const path = join(directory, OVERLAY_FILE.committed);
  if (!names.has(OVERLAY_FILE.committed)) {
    if (!hasAbove) return;
    const message = "it is missing, and something lies on top";
    report.add(code, path, message, about);
  } else if (typeOf(path) !== "file") {
    report.add(code, path, "it is not a file", about);
  } else if (lstatSync(path).size > 0) {
    report.add(code, path, "it is not empty", about);
  }
}
