/** The layers of one image, under all the names that each of them has. */
import type { CacheId, ChainId, DiffId, Digest, ImageId } from "../digest.js";
import { shortId } from "../digest.js";
import { parseV2Metadata } from "../distribution.js";
import type { LayerRecord } from "../layers.js";
import type { Layout } from "../layout.js";
import { type ManifestHint, readManifestHint } from "../manifests.js";
import { readLinkId } from "../place.js";
import { readText } from "../read.js";
import type { Store } from "../store.js";
import type { Damage } from "./damage.js";
import { findImage } from "./find-image.js";
import { layerSteps, type LayerStep } from "./layer-steps.js";
import { type StoredImage, type Survey, surveyed } from "./survey.js";

/** A blob that a layer was fetched as, now or for another image. A hint. */
export interface LayerOrigin {
  readonly digest: Digest;
  /** Canonical: `docker.io/library/nginx`. */
  readonly repository: string;
}

/** An image, and what to call it. */
export interface ImageName {
  readonly imageId: ImageId;
  /** Its first tag, or else `name@digest`, or the beginning of its ID. */
  readonly name: string;
}

/** A layer of an image. */
export interface ImageLayer {
  /** The blob in the image's manifest, or else the newest of {@link origins}. A hint; undefined for layers that were built or loaded. */
  readonly digest: Digest | undefined;
  /** Bytes of that blob; undefined where no manifest was kept that tells. */
  readonly compressedSize: number | undefined;
  /** All blobs it is known as, the newest first. */
  readonly origins: readonly LayerOrigin[];
  readonly diffId: DiffId;
  readonly chainId: ChainId;
  readonly cacheId: CacheId;
  /** Name of its short link in `overlay2/l`; undefined where it has none. */
  readonly linkId: string | undefined;
  /** Bytes of its files, as docker counts them. */
  readonly size: number;
  /** What made it; undefined where the history says nothing. */
  readonly step: LayerStep | undefined;
  /** The other images that have it, by name. */
  readonly sharedWith: readonly ImageName[];
  /** Absolute path of its files. */
  readonly directory: string;
}

export interface ImageLayers {
  /** Absolute path of the data root. */
  readonly root: string;
  readonly imageId: ImageId;
  /** Familiar references. */
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  /** Digest of the manifest it was pulled by, where that was kept. */
  readonly manifest: Digest | undefined;
  /** Bytes of all layers, as docker counts them. */
  readonly size: number;
  /** Bytes of all blobs; undefined when that of one is not known. */
  readonly compressedSize: number | undefined;
  /** Base first. */
  readonly layers: readonly ImageLayer[];
  readonly damage: readonly Damage[];
}

/**
 * Says of each layer of an image where it came from, what it is called in each
 * part of the store, what made it, who else has it, and where its files are.
 * @param name a reference, an image ID, or the beginning of one
 * @throws TpullError `IMAGE_NOT_FOUND`, `IMAGE_ID_AMBIGUOUS`, `IMAGE_DAMAGED`,
 *   `ROOT_NOT_READABLE`, `STORE_IO_FAILED`
 */
export async function imageLayers(
  store: Store,
  name: string,
): Promise<ImageLayers> {
  const { result, damage } = await surveyed(store, (survey) =>
    layersOf(survey, name),
  );
  return { root: store.root, ...result, damage };
}

function layersOf(
  survey: Survey,
  name: string,
): Omit<ImageLayers, "root" | "damage"> {
  const { layout } = survey;
  const { image } = findImage(survey, name);
  const hint = readManifestHint(layout, image.id);
  const sharing = sharers(survey, image);
  const sizes = new BlobSizes(layout, hint);
  const steps = layerSteps(image.config);
  const layers = image.layers.map((record, at): ImageLayer => {
    const origins = originsOf(layout, record);
    const others = sharing
      .filter(({ depth }) => depth > at)
      .map(({ imageId }) => imageId);
    const digest = hint?.layers[at]?.digest ?? origins[0]?.digest;
    return {
      digest,
      compressedSize: digest && sizes.of(digest, others),
      origins,
      diffId: record.diffId,
      chainId: record.chainId,
      cacheId: record.cacheId,
      linkId: readLinkId(layout.cache(record.cacheId)),
      size: record.size,
      step: steps[at],
      sharedWith: namesOf(survey, others),
      directory: layout.cacheFile(record.cacheId, "diff"),
    };
  });
  return {
    imageId: image.id,
    tags: image.tags,
    digests: image.digests,
    manifest: hint?.digest,
    size: image.size,
    compressedSize: layers.reduce<number | undefined>(
      (sum, { compressedSize }) =>
        sum === undefined || compressedSize === undefined
          ? undefined
          : sum + compressedSize,
      0,
    ),
    layers,
  };
}

/** The blobs that a layer's tar was seen as. */
function originsOf(layout: Layout, { diffId }: LayerRecord): LayerOrigin[] {
  const text = readText(layout.v2MetadataOf(diffId)) ?? "";
  return parseV2Metadata(text)
    .map(({ Digest, SourceRepository }) => ({
      digest: Digest as Digest,
      repository: SourceRepository,
    }))
    .toReversed();
}

/**
 * The images that begin with the same layers, and how many. Equal diff IDs from
 * the base up are equal chain IDs, which need not be computed.
 */
function sharers(
  survey: Survey,
  { id, config: { diffIds } }: StoredImage,
): { imageId: ImageId; depth: number }[] {
  return survey.imageIds.flatMap((imageId) => {
    if (imageId === id) return [];
    const other = survey.config(imageId)?.diffIds ?? [];
    let depth = 0;
    while (depth < diffIds.length && other[depth] === diffIds[depth]) {
      depth += 1;
    }
    return depth === 0 ? [] : [{ imageId, depth }];
  });
}

function namesOf(survey: Survey, ids: readonly ImageId[]): ImageName[] {
  return ids
    .map((imageId) => ({ imageId, name: nameOf(survey, imageId) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What an image is called where there is room for one name. */
export function nameOf(survey: Survey, id: ImageId): string {
  const { tags, digests } = survey.namesOf(id);
  return tags[0] ?? digests[0] ?? shortId(id);
}

/** How large blobs are, as far as a manifest that was kept tells: the image's own, or one that shares the layer. */
class BlobSizes {
  readonly #layout: Layout;
  readonly #known = new Map<Digest, number>();
  readonly #asked = new Set<ImageId>();

  constructor(layout: Layout, own: ManifestHint | undefined) {
    this.#layout = layout;
    this.#learn(own);
  }

  of(digest: Digest, others: readonly ImageId[]): number | undefined {
    for (const imageId of others) {
      if (this.#known.has(digest)) break;
      if (this.#asked.has(imageId)) continue;
      this.#asked.add(imageId);
      this.#learn(readManifestHint(this.#layout, imageId));
    }
    return this.#known.get(digest);
  }

  #learn(hint: ManifestHint | undefined): void {
    for (const { digest, size } of hint?.layers ?? []) {
      this.#known.set(digest, size);
    }
  }
}
