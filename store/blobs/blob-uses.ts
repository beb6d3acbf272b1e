/** Which images kept blobs are for. */
import { type Digest, type ImageId, isDigest } from "../digest.js";
import type { Layout } from "../layout.js";
import { readManifestHint } from "../manifests.js";
import { indexesFrom } from "./documents.js";

/**
 * The images that use a blob, by its digest: those whose manifest, as it was
 * kept, names it, and of an index those with a name of its digest.
 * @param images the images that count, each with its names
 */
export function blobUses(
  layout: Layout,
  images: ReadonlyMap<ImageId, readonly string[]>,
): Map<Digest, ImageId[]> {
  const uses = new Map<Digest, ImageId[]>();
  const note = (digest: Digest, imageId: ImageId): void => {
    const users = uses.get(digest) ?? [];
    if (!users.includes(imageId)) users.push(imageId);
    uses.set(digest, users);
  };
  for (const [imageId, names] of images) {
    for (const { digest } of readManifestHint(layout, imageId)?.layers ?? []) {
      note(digest, imageId);
    }
    for (const name of names) {
      const digest = name.slice(name.indexOf("@") + 1);
      if (!name.includes("@") || !isDigest(digest)) continue;
      for (const index of indexesFrom(layout, digest)) {
        note(index.digest, imageId);
      }
    }
  }
  return uses;
}
