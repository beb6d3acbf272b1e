/** The images that an index lists, by platform, those of nested indexes included. */
import { type Digest, TpullError } from "../store/index.js";
import { throwIfAborted } from "../store/errors.js";
import {
  type PlatformEntry,
  type WirePlatform,
  listPlatforms,
  platformName,
} from "./platform.js";
import type { Reference } from "../store/reference/reference.js";
import type { CallOptions, RegistryClient } from "./registry/client.js";
import {
  type Descriptor,
  type Index,
  parseManifest,
} from "./registry/manifest.js";
import {
  isGenericType,
  isImageConfigType,
  isImageManifestType,
  isIndexType,
  isSchema1Type,
} from "./registry/media-types.js";

/** Deeper nesting of indexes is nothing that anybody builds on purpose. */
export const MAX_INDEX_DEPTH = 4;
/** So many indexes inside one: a build for every platform that there is needs a few dozen. */
export const MAX_INNER_INDEXES = 1000;

/** An entry of an index that may be an image, or an index of images. */
export interface ImageEntry extends PlatformEntry {
  readonly descriptor: Descriptor;
  readonly platform: WirePlatform | undefined;
}

/** An image of an index. */
export interface IndexImage extends ImageEntry {
  /** Its platform as the index spells it, safe to show; undefined where the index names none. */
  readonly name: string | undefined;
}

export interface IndexContext {
  /** The image's name in messages. */
  readonly image: string;
  readonly client: RegistryClient;
  /** How requests are sent. */
  readonly call: CallOptions;
}

/** Indexes list other things beside images: signatures, attestations, bills of materials. */
export function imageEntries(index: Index): ImageEntry[] {
  return index.manifests.filter(mayBeImage).map((descriptor) => ({
    descriptor,
    platform: wirePlatform(descriptor),
  }));
}

/**
 * Every image of an index once, in its order, without what is filed under the
 * platform `unknown` (attestations). Indexes inside it are fetched, each once
 * however often it is named, and stand for their images.
 * @throws TpullError `INDEX_TOO_DEEP`, `INDEX_TOO_LARGE`, `ABORTED`, and as `RegistryClient.manifest` and `parseManifest`
 */
export async function listImages(
  index: Index,
  reference: Reference,
  context: IndexContext,
): Promise<IndexImage[]> {
  const found = new Map<Digest, IndexImage>();
  const opened = new Set<Digest>();
  const collect = async (inner: Index, depth: number): Promise<void> => {
    if (depth > MAX_INDEX_DEPTH) throw tooDeep(context.image);
    for (const entry of imageEntries(inner)) {
      const { descriptor, platform } = entry;
      const name = platformName(platform);
      if (platform !== undefined && name === undefined) continue;
      if (isIndexType(descriptor.mediaType)) {
        if (opened.has(descriptor.digest)) continue;
        opened.add(descriptor.digest);
        if (opened.size > MAX_INNER_INDEXES) throw tooMany(context.image);
        throwIfAborted(context.call.signal);
        const document = await openEntry(descriptor, reference, context);
        if (document.kind === "index") await collect(document, depth + 1);
        continue;
      }
      const { digest } = descriptor;
      if (!found.has(digest)) found.set(digest, { ...entry, name });
    }
  };
  await collect(index, 1);
  return [...found.values()];
}

/** Fetches and reads what an entry of an index names. */
export async function openEntry(
  descriptor: Descriptor,
  reference: Reference,
  { client, call, image }: IndexContext,
): Promise<ReturnType<typeof parseManifest>> {
  const { bytes, mediaType } = await client.manifest(
    reference,
    descriptor.digest,
    { ...call, expected: descriptor },
  );
  return parseManifest(bytes, mediaType, `${image} (${descriptor.digest})`);
}

/** `PLATFORM_NOT_FOUND`, with the platforms that there are. */
export function noSuchPlatform(
  image: string,
  wanted: string,
  entries: readonly PlatformEntry[],
): TpullError {
  const offered = listPlatforms(entries);
  return new TpullError(
    "PLATFORM_NOT_FOUND",
    `${image} has no image for ${wanted}: ` +
      (offered.length === 0
        ? "its index lists no image at all"
        : `its index has ${offered.join(", ")}`),
    {
      hint:
        offered.length === 0
          ? undefined
          : "Choose one of these with --platform.",
      details: { expected: wanted, offered },
    },
  );
}

export function tooDeep(image: string): TpullError {
  return new TpullError(
    "INDEX_TOO_DEEP",
    `${image}: its indexes refer to each other more than ${MAX_INDEX_DEPTH} deep`,
  );
}

/** An index that names more indexes than anybody would read. */
export function tooMany(image: string): TpullError {
  return new TpullError(
    "INDEX_TOO_LARGE",
    `${image}: its index has more than ${MAX_INNER_INDEXES} others inside it`,
  );
}

function mayBeImage({ mediaType, artifactType = "" }: Descriptor): boolean {
  const isManifest =
    isImageManifestType(mediaType) ||
    isIndexType(mediaType) ||
    isSchema1Type(mediaType) ||
    isGenericType(mediaType);
  return isManifest && isImageConfigType(artifactType);
}

function wirePlatform({ platform }: Descriptor): WirePlatform | undefined {
  return (
    platform && {
      os: platform.os,
      architecture: platform.architecture,
      variant: platform.variant,
      "os.version": platform.osVersion,
      "os.features": platform.osFeatures,
    }
  );
}
