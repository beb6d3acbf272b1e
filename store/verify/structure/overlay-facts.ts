/** What is known of `overlay2` before it is judged. */
import type { Layout } from "../../layout.js";
import type { Links } from "./links.js";
import type { Live } from "./live.js";
import type { Places } from "./places.js";
import { namesIn } from "./small-file.js";
import type { Structure } from "./structure.js";

/** In `overlay2`, and no layers: the links, what tpull stages there, and a device of dockerd's for quotas. */
const NOT_LAYERS: ReadonlySet<string> = new Set([
  "l",
  ".tpull-staging",
  "backingFsBlockDev",
  "lost+found",
]);

/** The names in `overlay2` that may be layers. */
export function overlayNames(layout: Layout): Set<string> {
  const names = namesIn(layout.overlay) ?? [];
  return new Set(names.filter((name) => !NOT_LAYERS.has(name)));
}

export interface OverlayFacts {
  readonly structure: Structure;
  readonly places: Places;
  readonly links: Links;
  readonly names: ReadonlySet<string>;
  /** Directories that a layer in the making has already, by name. */
  readonly staged: ReadonlySet<string>;
  readonly live: Live;
  readonly isMounted: (path: string) => boolean;
}
