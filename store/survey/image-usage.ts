/** What images take, as dockerd counts it: a layer that several have is there once. */
import type { ChainId, ImageId } from "../digest.js";
import type { StoredContainer } from "./containers.js";
import { formatRfc3339Nano } from "./go-time.js";
import type { Survey } from "./survey.js";

/** An image in an account of the space. Sizes are bytes of unpacked files, as docker counts them. */
export interface ImageUsage {
  readonly id: ImageId;
  /** Familiar `name:tag` references, sorted. */
  readonly tags: readonly string[];
  /** Familiar `name@digest` references, sorted. */
  readonly digests: readonly string[];
  /** As the config has it, RFC 3339; undefined where it has none. */
  readonly created: string | undefined;
  /** Of all its layers. */
  readonly size: number;
  /** Of those that other images have, too. */
  readonly sharedSize: number;
  /** Of those that go with it. */
  readonly uniqueSize: number;
  /** How many containers were made from it. */
  readonly containers: number;
}

export interface ImagesUsage {
  /** The newest first. Images without a name that others were built from are left out, as docker leaves them out. */
  readonly images: readonly ImageUsage[];
  /** Bytes of all layers of these images, each counted once. */
  readonly layersSize: number;
}

/** See moby, daemon/images: `Images` with `SharedSize`, and `ImageDiskUsage`. */
export function imagesUsage(
  survey: Survey,
  containers: readonly StoredContainer[],
): ImagesUsage {
  const all = survey.images();
  const present = new Set(all.map(({ id }) => id));
  const parents = new Set(
    all.flatMap(({ parent }) =>
      parent !== undefined && present.has(parent) ? [parent] : [],
    ),
  );
  const listed = all.filter(
    ({ id, tags, digests }) =>
      tags.length + digests.length > 0 || !parents.has(id),
  );
  const references = new Map<ChainId, number>();
  for (const { layers } of all) {
    for (const { chainId } of layers) {
      references.set(chainId, (references.get(chainId) ?? 0) + 1);
    }
  }
  const counted = new Map<ChainId, number>();
  for (const { layers } of listed) {
    for (const { chainId, size } of layers) counted.set(chainId, size);
  }
  const images = listed.map((image): ImageUsage => {
    const sharedSize = image.layers.reduce(
      (sum, { chainId, size }) =>
        (references.get(chainId) ?? 0) > 1 ? sum + size : sum,
      0,
    );
    const { created } = image.config.image;
    return {
      id: image.id,
      tags: image.tags,
      digests: image.digests,
      created: created && formatRfc3339Nano(created),
      size: image.size,
      sharedSize,
      uniqueSize: image.size - sharedSize,
      containers: containers.filter(({ imageId }) => imageId === image.id)
        .length,
    };
  });
  return {
    images: newestFirst(images),
    layersSize: [...counted.values()].reduce((sum, size) => sum + size, 0),
  };
}

function newestFirst(images: ImageUsage[]): ImageUsage[] {
  const ages = new Map(
    images.map(({ id, created }) => [id, Date.parse(created ?? "") || 0]),
  );
  const age = ({ id }: ImageUsage): number => ages.get(id) ?? 0;
  return images.sort((a, b) => age(b) - age(a) || (a.id < b.id ? -1 : 1));
}
