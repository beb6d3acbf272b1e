/** `overlay2/l`: the short names by which overlayfs finds layers. */
import { readlinkSync } from "node:fs";
import { join } from "node:path";
import type { CacheId } from "../../digest.js";
import { type Layout, linkTarget, OVERLAY_FILE } from "../../layout.js";
import { type Exact, exactly, FORM, namesIn, typeOf } from "./small-file.js";

/** How `overlay2/l` leads to the directories. */
export interface Links {
  /** What each name in `l` leads to; undefined for what is no symbolic link. */
  readonly targets: ReadonlyMap<string, string | undefined>;
  /** The link ID by which a directory is, or should be, found; undefined where nothing tells. */
  of(directory: string): string | undefined;
  /** What the directory's own `link` says. */
  own(directory: string): Exact;
}

export function readLinks(layout: Layout): Links {
  const targets = new Map<string, string | undefined>();
  const leading = new Map<string, string>();
  for (const name of namesIn(layout.links) ?? []) {
    const path = layout.link(name);
    const target = typeOf(path) === "link" ? readlinkSync(path) : undefined;
    targets.set(name, target);
    const directory = directoryOf(target);
    if (directory === undefined || !FORM.linkId.test(name)) continue;
    // Of several, the one that is as it should be.
    const isExact = target === linkTarget(directory as CacheId);
    if (isExact || !leading.has(directory)) leading.set(directory, name);
  }
  const known = new Map<string, Exact>();
  const own = (directory: string): Exact => {
    const path = join(layout.overlay, directory, OVERLAY_FILE.link);
    const said = known.get(directory) ?? exactly(path, FORM.linkId);
    known.set(directory, said);
    return said;
  };
  const of = (directory: string): string | undefined => {
    const said = own(directory).value;
    if (said !== undefined && directoryOf(targets.get(said)) === directory) {
      return said;
    }
    const found = leading.get(directory);
    if (found !== undefined || said === undefined) return found;
    return targets.get(said) === undefined ? said : undefined;
  };
  return { targets, own, of };
}

/** The directory in `overlay2` that a link leads to, however it is written. */
export function directoryOf(target: string | undefined): string | undefined {
  return /(?:^|\/)([^/]+)\/diff$/.exec(target ?? "")?.[1];
}
