/** Where the storage driver overlay2 has the files of an image, as dockerd says it. */
import { readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, isAbsent } from "../io-error.js";
import type { LayerRecord } from "../layers.js";
import { Layout } from "../layout.js";
import { readText } from "../read.js";

/** Absolute paths. */
export interface OverlayDirectories {
  /** The layers below the top one, nearest first, with `:` between. Not where there is only one layer. */
  readonly LowerDir?: string;
  /** Where the driver mounts them all. Exists while it does. */
  readonly MergedDir: string;
  /** The top layer. */
  readonly UpperDir: string;
  readonly WorkDir: string;
}

/** Where dockerd mounts a layer, and where overlayfs works; see {@link OverlayDirectories}. */
const MERGED = "merged";
const WORK = "work";

/**
 * The directories of an image whose top layer this is.
 * @param root the data root without symbolic links on the way, as dockerd resolves it
 * @returns undefined where dockerd could not say: a directory or a short link is missing
 */
export function overlayDirectories(
  root: string,
  top: LayerRecord,
): OverlayDirectories | undefined {
  const layout = new Layout(root);
  const own = layout.cache(top.cacheId);
  try {
    statSync(own);
    const lower = readText(layout.cacheFile(top.cacheId, "lower"));
    const below = lower?.split(":").map((path) => {
      const target = readlinkSync(join(layout.overlay, path));
      return join(layout.links, target);
    });
    return {
      ...(below === undefined ? {} : { LowerDir: below.join(":") }),
      MergedDir: join(own, MERGED),
      UpperDir: layout.cacheFile(top.cacheId, "diff"),
      WorkDir: join(own, WORK),
    };
  } catch (error) {
    // EINVAL: there is something else than a link.
    if (isAbsent(error) || errnoOf(error) === "EINVAL") return undefined;
    throw error;
  }
}
