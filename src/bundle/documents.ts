/**
 * The files of a bundle beside its blobs: an OCI image layout that is docker's
 * own archive, too. They depend on nothing but the images, so that the same
 * images give the same bytes.
 */
import { type Digest, hexOf } from "../../store/index.js";
import {
  type Reference,
  canonicalName,
  familiarName,
  familiarRepository,
} from "../../store/reference/reference.js";
import type { ImageManifest } from "../registry/manifest.js";
import { OCI_INDEX } from "../registry/media-types.js";
import type { Documents } from "./recorded.js";

/** Says that tpull made the layout, and may remove from it what is no longer in its list. */
export const BUNDLE_MARK = "io.tpull.bundle";
/** Has the whole name of an image. */
export const NAME_ANNOTATION = "io.containerd.image.name";
/** The files of a bundle beside its blobs. */
export const DOCUMENTS: readonly string[] = [
  "oci-layout",
  "manifest.json",
  "repositories",
  "index.json",
];

/** One image of one platform. */
export interface BundledImage {
  /** What was asked for. */
  readonly reference: Reference;
  /** Digest of what the reference stands for. */
  readonly top: Digest;
  readonly manifestDigest: Digest;
  readonly manifest: ImageManifest;
  /** Whether the name goes to this one of several platforms. */
  readonly isKeeper: boolean;
}

/** Name and content of each file, the one last that makes the others count. */
export function bundleDocuments(
  images: readonly BundledImage[],
  documents: Documents,
): { name: string; bytes: Buffer }[] {
  const sorted = images.toSorted((a, b) => order(nameOf(a), nameOf(b)));
  const repositories: Record<string, Record<string, string>> = {};
  const listed = new Map<Digest, { image: BundledImage; tags: string[] }>();
  const entries = new Map<string, object>();
  for (const image of sorted) {
    const { reference, top, manifestDigest, manifest, isKeeper } = image;
    const one = listed.get(manifestDigest) ?? { image, tags: [] };
    listed.set(manifestDigest, one);
    if (!isKeeper) continue;
    entries.set(canonicalName(reference), entryOf(reference, top, documents));
    const { tag, digest } = reference;
    if (digest !== undefined || tag === undefined) continue;
    if (!one.tags.includes(familiarName(reference))) {
      one.tags.push(familiarName(reference));
    }
    const last = manifest.layers.at(-1);
    if (last === undefined) continue;
    const own = (repositories[familiarRepository(reference)] ??= {});
    own[tag] = hexOf(last.digest);
  }
  const path = (digest: Digest): string => `blobs/sha256/${hexOf(digest)}`;
  const files = {
    "oci-layout": { imageLayoutVersion: "1.0.0" },
    "manifest.json": [...listed.values()].map(({ image, tags }) => ({
      Config: path(image.manifest.config.digest),
      RepoTags: tags.length === 0 ? null : tags,
      Layers: image.manifest.layers.map(({ digest }) => path(digest)),
    })),
    ...(Object.keys(repositories).length === 0 ? {} : { repositories }),
    "index.json": {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [...entries.values()],
      annotations: { [BUNDLE_MARK]: "1" },
    },
  };
  return Object.entries(files).map(([name, value]) => ({
    name,
    bytes: Buffer.from(JSON.stringify(value)),
  }));
}

function nameOf({ reference, manifestDigest, isKeeper }: BundledImage): string {
  return `${canonicalName(reference)} ${isKeeper ? "" : manifestDigest}`;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What the index calls an image. */
export function nameInIndex(reference: Reference): string {
  const { registry, repository, digest } = reference;
  return digest === undefined
    ? canonicalName(reference)
    : `${registry}/${repository}@${digest}`;
}

/** With what containerd writes there: the whole name, the tag, and whose digests these are. */
function entryOf(
  reference: Reference,
  top: Digest,
  documents: Documents,
): object {
  const { bytes, mediaType } = documents.get(top)!;
  const { registry, repository, tag, digest } = reference;
  return {
    mediaType,
    digest: top,
    size: bytes.length,
    annotations: {
      [`containerd.io/distribution.source.${registry}`]: repository,
      [NAME_ANNOTATION]: nameInIndex(reference),
      ...(digest === undefined && tag !== undefined
        ? { "org.opencontainers.image.ref.name": tag }
        : {}),
    },
  };
}
