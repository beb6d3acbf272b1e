/** An image as its registry has it: manifest and blobs with the registry's own digests, where all of them are here. */
import type { Digest, ImageId } from "../digest.js";
import type { Layout } from "../layout.js";
import { type LayerHint, wholeManifest } from "../manifests.js";
import { type KeptDocument, type KeptIndex, wayTo } from "./documents.js";
import { isKept } from "./kept-blobs.js";

export interface OriginalImage {
  readonly manifest: KeptDocument;
  /** Blobs of all layers, base first. */
  readonly layers: readonly LayerHint[];
  /** Indexes that lead to it from the names that it has, by the digest in such a name. */
  readonly indexes: ReadonlyMap<Digest, readonly KeptIndex[]>;
}

const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/**
 * The image as it was pulled. Nothing is read of its layers: whether they are
 * what they are called has to be seen by whoever reads them.
 * @param names its names; those with a digest say what its registries call it
 * @returns undefined unless its manifest, its config and all blobs of its layers are kept
 */
export function originalImage(
  layout: Layout,
  imageId: ImageId,
  names: readonly string[],
): OriginalImage | undefined {
  const whole = wholeManifest(layout, imageId);
  if (whole === undefined) return undefined;
  const { hint, bytes, config } = whole;
  if (config.length !== hint.configSize) return undefined;
  const isWhole = hint.layers.every(({ digest, size }) =>
    isKept(layout, digest, size),
  );
  if (!isWhole) return undefined;
  const { digest, mediaType } = hint;
  const manifest = { digest, mediaType: mediaType || OCI_MANIFEST, bytes };
  const indexes = new Map<Digest, KeptIndex[]>();
  for (const top of digestsIn(names)) {
    const way = wayTo(layout, top, digest);
    if (way !== undefined) indexes.set(top, way);
  }
  return { manifest, layers: hint.layers, indexes };
}

/** The digests by which a registry knows an image under these names. */
function digestsIn(names: readonly string[]): Digest[] {
  return names
    .filter((name) => name.includes("@"))
    .map((name) => name.slice(name.indexOf("@") + 1) as Digest);
}

/**
 * The way from what a tag of an image stands for in its registry to its
 * manifest, as far as that goes through indexes, outermost first. Where several
 * were pulled that have the image, the one that was used last.
 * @param names those of the tag's repository, with digests
 */
export function wayToImage(
  { indexes }: OriginalImage,
  names: readonly string[],
): readonly KeptIndex[] {
  const ways = digestsIn(names).flatMap((digest) => {
    const way = indexes.get(digest);
    return way === undefined ? [] : [way];
  });
  const usedAt = ([top]: readonly KeptIndex[]): number => top?.used ?? 0;
  return ways.sort((a, b) => usedAt(b) - usedAt(a))[0] ?? [];
}
