/**
 * What an archive of stored images holds, in the form of `docker save` since
 * version 25: an OCI image layout (image-spec, "Image Layout") that is at the
 * same time docker's own archive (`manifest.json`, `repositories`).
 */
import type { KeptDocument } from "../blobs/documents.js";
import { type OriginalImage, wayToImage } from "../blobs/original.js";
import {
  type DiffId,
  type Digest,
  digestOf,
  hexOf,
  type ImageId,
} from "../digest.js";
import { TpullError, isTpullError } from "../errors.js";
import { readImageConfig } from "../images.js";
import type { LayerRecord } from "../layers.js";
import type { LayerHint } from "../manifests.js";
import type { Compression } from "../ingest/compress.js";
import { printable } from "../reference/printable.js";
import {
  canonicalName,
  familiarRepository,
  parseReference,
} from "../reference/reference.js";
import { findImage } from "../survey/find-image.js";
import type { StoredImage, Survey } from "../survey/survey.js";

/** An image on its way into an archive. */
export interface SavedImage {
  readonly image: StoredImage;
  readonly config: Buffer;
  /** Familiar `name:tag`, in the order in which they were asked for. */
  readonly tags: readonly string[];
  /** What is to be saved as its registry has it. */
  readonly original?: OriginalImage | undefined;
}

/** A layer as the archive holds it. */
export interface SavedLayer {
  readonly digest: Digest;
  readonly size: number;
}

/** A file of the archive that is known before the layers are written. */
export interface Document {
  readonly name: string;
  readonly bytes: Buffer;
}

/**
 * The images that `names` stand for, each once. As with docker, a repository
 * without a tag stands for all its tags, and an image that is named by its ID
 * or by a digest comes without a name.
 * @throws TpullError `IMAGE_NOT_FOUND`, `IMAGE_ID_AMBIGUOUS`, `IMAGE_DAMAGED`
 */
export function imagesToSave(
  survey: Survey,
  names: readonly string[],
): SavedImage[] {
  const found = new Map<string, SavedImage & { tags: string[] }>();
  const add = (name: string): void => {
    const { id, image, reference } = findImage(survey, name);
    let saved = found.get(id);
    if (saved === undefined) {
      const config = readImageConfig(survey.layout, id);
      if (config === undefined) throw vanished(name);
      found.set(id, (saved = { image, config, tags: [] }));
    }
    if (reference === undefined || reference.includes("@")) return;
    if (!saved.tags.includes(reference)) saved.tags.push(reference);
  };
  for (const name of names) {
    const tags = tagsOf(survey, name);
    for (const one of tags.length === 0 ? [name] : tags) add(one);
  }
  return [...found.values()];
}

/** The tags of the repository that `name` is; none for what names one image. */
function tagsOf(survey: Survey, name: string): string[] {
  try {
    const reference = parseReference(name);
    const { tag, digest } = reference;
    if (digest !== undefined || name.endsWith(`:${tag}`)) return [];
    const names = survey.references.get(familiarRepository(reference));
    return [...(names?.keys() ?? [])].filter((one) => !one.includes("@"));
  } catch (error) {
    if (isTpullError(error)) return [];
    throw error;
  }
}

function vanished(name: string): TpullError {
  return new TpullError(
    "IMAGE_NOT_FOUND",
    `the image ${printable(name)} was removed just now`,
  );
}

/**
 * Each layer that is to be put together once, in the order of the images. The
 * same tar on another parent is the same layer here.
 */
export function layersToSave(images: readonly SavedImage[]): LayerRecord[] {
  const found = new Map<DiffId, LayerRecord>();
  for (const { image, original } of images) {
    if (original !== undefined) continue;
    for (const layer of image.layers) {
      if (!found.has(layer.diffId)) found.set(layer.diffId, layer);
    }
  }
  return [...found.values()];
}

/** Each kept blob that is to be saved once, in the order of the images. */
export function blobsToSave(images: readonly SavedImage[]): LayerHint[] {
  const found = new Map<Digest, LayerHint>();
  for (const { original } of images) {
    for (const layer of original?.layers ?? []) found.set(layer.digest, layer);
  }
  return [...found.values()];
}

const LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar";
const SUFFIX = { none: "", gzip: "+gzip", zstd: "+zstd" } as const;

/** Where a blob lies in an image layout. */
export function blobName(digest: string): string {
  return `blobs/sha256/${hexOf(digest as Digest)}`;
}

/** All files of the archive but the layers: what leads to the rest first. */
export function documentsOf(
  images: readonly SavedImage[],
  layers: ReadonlyMap<DiffId, SavedLayer>,
  compression: Compression,
): { documents: Document[]; manifests: Map<ImageId, Digest> } {
  const manifests = new Map<ImageId, Digest>();
  const blobs = new Map<string, Buffer>();
  const index: object[] = [];
  const listed: object[] = [];
  const repositories: Record<string, Record<string, string>> = {};
  const saved = new Set(images.map(({ image }) => image.id));
  for (const one of images) {
    const { image, config, tags, original } = one;
    const sources = sourcesOf(one, layers, compression);
    const manifest =
      original?.manifest ?? manifestOf(one, sources.map(descriptorOf));
    manifests.set(image.id, manifest.digest);
    blobs.set(manifest.digest, manifest.bytes).set(image.id, config);
    for (const tag of tags.length === 0 ? [undefined] : tags) {
      const way = wayOf(one, tag);
      for (const { digest, bytes } of way) blobs.set(digest, bytes);
      index.push(indexEntry(way[0] ?? manifest, tag, image.digests));
    }
    const parent =
      image.parent !== undefined && saved.has(image.parent)
        ? { Parent: image.parent }
        : {};
    listed.push({
      Config: blobName(image.id),
      RepoTags: tags.length === 0 ? null : tags,
      Layers: sources.map(({ descriptor }) => blobName(descriptor.digest)),
      ...parent,
      LayerSources: Object.fromEntries(
        sources.map(({ diffId, descriptor }) => [diffId, descriptor]),
      ),
    });
    const top = sources.at(-1)?.descriptor.digest;
    if (top !== undefined) {
      for (const tag of tags) {
        const at = tag.lastIndexOf(":");
        const own = (repositories[tag.slice(0, at)] ??= {});
        own[tag.slice(at + 1)] = hexOf(top);
      }
    }
  }
  const documents = [
    document("oci-layout", { imageLayoutVersion: "1.0.0" }),
    document("index.json", {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: index,
    }),
    document("manifest.json", listed),
    ...(Object.keys(repositories).length === 0
      ? []
      : [document("repositories", repositories)]),
    ...[...blobs].map(([digest, bytes]) => ({ name: blobName(digest), bytes })),
  ];
  return { documents, manifests };
}

/** A layer of an image, and what the archive has it as. */
interface Source {
  readonly diffId: DiffId;
  readonly descriptor: object & { readonly digest: Digest };
}

function descriptorOf({ descriptor }: Source): object {
  return descriptor;
}

function sourcesOf(
  { image, original }: SavedImage,
  layers: ReadonlyMap<DiffId, SavedLayer>,
  compression: Compression,
): Source[] {
  return image.layers.map(({ diffId }, at) => {
    const kept = original?.layers[at];
    if (kept !== undefined) {
      const { mediaType, size, digest } = kept;
      return { diffId, descriptor: { mediaType, size, digest } };
    }
    const { digest, size } = layers.get(diffId) as SavedLayer;
    const mediaType = LAYER_TYPE + SUFFIX[compression];
    return { diffId, descriptor: { mediaType, size, digest } };
  });
}

function manifestOf(
  { image, config }: SavedImage,
  layers: readonly object[],
): KeptDocument {
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: {
        mediaType: "application/vnd.oci.image.config.v1+json",
        digest: image.id,
        size: config.length,
      },
      layers,
    }),
  );
  return { digest: digestOf(bytes), mediaType, bytes };
}

/** The indexes by which a registry leads from a tag to the image, outermost first. */
function wayOf(
  { image, original }: SavedImage,
  tag: string | undefined,
): readonly KeptDocument[] {
  if (original === undefined || tag === undefined) return [];
  const repository = `${tag.slice(0, tag.lastIndexOf(":"))}@`;
  return wayToImage(
    original,
    image.digests.filter((name) => name.startsWith(repository)),
  );
}

/**
 * One for each tag, since an annotation holds one; one without for an image that
 * has none. Where the digest is that of a registry, it says whose it is, as
 * containerd does.
 */
function indexEntry(
  { digest, mediaType, bytes }: KeptDocument,
  tag: string | undefined,
  digests: readonly string[],
): object {
  const descriptor = { mediaType, digest, size: bytes.length };
  if (tag === undefined) return descriptor;
  const reference = parseReference(tag);
  const { registry, repository } = reference;
  const isRegistrys = digests.includes(
    `${familiarRepository(reference)}@${digest}`,
  );
  return {
    ...descriptor,
    annotations: {
      ...(isRegistrys
        ? { [`containerd.io/distribution.source.${registry}`]: repository }
        : {}),
      "io.containerd.image.name": canonicalName(reference),
      "org.opencontainers.image.ref.name": tag.slice(tag.lastIndexOf(":") + 1),
    },
  };
}

function document(name: string, value: unknown): Document {
  return { name, bytes: Buffer.from(JSON.stringify(value)) };
}
