/** What is said of an image that is in a bundle. */
import type { DiffId, Digest, ImageId } from "../../store/index.js";
import {
  canonicalName,
  parseReference,
} from "../../store/reference/reference.js";
import { aboutOf } from "../items.js";
import { formatPlatform } from "../platform.js";
import type { Found } from "./find.js";
import type { BundleImageResult } from "./types.js";

/**
 * @param have layers that the other side has
 * @param fetched blobs that came from the network
 */
export function resultOf(
  { item, resolved, config }: Found,
  have: ReadonlySet<DiffId>,
  fetched: ReadonlySet<Digest>,
): BundleImageResult {
  return {
    reference: aboutOf(item).image,
    canonicalName: canonicalName(parseReference(item.text)),
    digest: resolved.digest,
    manifestDigest: resolved.manifestDigest,
    imageId: resolved.manifest.config.digest as string as ImageId,
    platform: formatPlatform(config),
    layers: resolved.manifest.layers.map(({ digest, size }, at) => {
      const diffId = config.diffIds[at] as DiffId;
      const source = have.has(diffId)
        ? "left-out"
        : fetched.has(digest)
          ? "fetched"
          : "present";
      return { digest, diffId, size, source };
    }),
  };
}
