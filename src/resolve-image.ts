/**
 * From a reference to one image's manifest: asks the registry, follows an
 * index (also one inside another) to the wanted platform.
 */
import { type Digest, TpullError } from "../store/index.js";
import {
  type Platform,
  choosePlatform,
  formatPlatform,
  listPlatforms,
} from "./platform.js";
import type { Reference } from "./reference.js";
import type { CallOptions, RegistryClient } from "./registry/client.js";
import {
  isGenericType,
  isImageConfigType,
  isImageManifestType,
  isIndexType,
  isSchema1Type,
} from "./registry/media-types.js";
import {
  type Descriptor,
  type ImageManifest,
  type Index,
  parseManifest,
} from "./registry/manifest.js";

/** Deeper nesting of indexes is nothing that anybody builds on purpose. */
const MAX_INDEX_DEPTH = 4;

export interface ResolvedImage {
  /** Digest of what the reference names: of an index for a multi-platform image. */
  readonly digest: Digest;
  /** Digest of the image's own manifest. */
  readonly manifestDigest: Digest;
  readonly manifest: ImageManifest;
  /** Whether an index named the platform, so that it is known to be the wanted one. */
  readonly chosen: boolean;
}

/** Looks things up at the registry without asking twice for the same document. */
export interface ResolveContext {
  /** The image's name in messages. */
  readonly image: string;
  readonly client: RegistryClient;
  readonly platform: Platform;
  /** How requests are sent. */
  readonly call: CallOptions;
}

/**
 * @throws TpullError `PLATFORM_NOT_FOUND`, `INDEX_TOO_DEEP`, `MANIFEST_*`,
 *   `NOT_AN_IMAGE` and what the registry client throws
 */
export async function resolveImage(
  reference: Reference,
  context: ResolveContext,
): Promise<ResolvedImage> {
  const { client, call, image } = context;
  const asked = reference.digest ?? reference.tag ?? "latest";
  const top = await client.manifest(reference, asked, call);
  let document = parseManifest(top.bytes, top.mediaType, image);
  let manifestDigest = top.digest;
  let chosen = false;
  const seen = new Set<Digest>([top.digest]);
  for (let depth = 1; document.kind === "index"; depth += 1) {
    if (depth > MAX_INDEX_DEPTH) throw tooDeep(image);
    const entry = chooseEntry(document, context);
    if (seen.has(entry.digest)) throw tooDeep(image);
    seen.add(entry.digest);
    chosen ||= entry.platform !== undefined;
    const next = await client.manifest(reference, entry.digest, {
      ...call,
      expected: entry,
    });
    document = parseManifest(
      next.bytes,
      next.mediaType,
      `${image} (${entry.digest})`,
    );
    manifestDigest = next.digest;
  }
  return {
    digest: top.digest,
    manifestDigest,
    manifest: document,
    chosen,
  };
}

function chooseEntry(
  index: Index,
  { image, platform }: ResolveContext,
): Descriptor {
  const entries = index.manifests.filter(mayBeImage).map((descriptor) => ({
    descriptor,
    platform: wirePlatform(descriptor),
  }));
  const [best] = choosePlatform(entries, platform);
  if (best !== undefined) return best.descriptor;
  const offered = listPlatforms(entries);
  const wanted = formatPlatform(platform);
  throw new TpullError(
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

/** Indexes list other things beside images: signatures, attestations, bills of materials. */
function mayBeImage({ mediaType, artifactType = "" }: Descriptor): boolean {
  const isManifest =
    isImageManifestType(mediaType) ||
    isIndexType(mediaType) ||
    isSchema1Type(mediaType) ||
    isGenericType(mediaType);
  return isManifest && isImageConfigType(artifactType);
}

function wirePlatform({
  platform,
}: Descriptor): Record<string, unknown> | undefined {
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

function tooDeep(image: string): TpullError {
  return new TpullError(
    "INDEX_TOO_DEEP",
    `${image}: its indexes refer to each other more than ${MAX_INDEX_DEPTH} deep`,
  );
}
