/**
 * From a reference to one image's manifest: asks the registry, follows an
 * index (also one inside another) to the wanted platform.
 */
import type { Digest } from "../store/index.js";
import {
  type IndexContext,
  MAX_INDEX_DEPTH,
  imageEntries,
  noSuchPlatform,
  tooDeep,
} from "./index-images.js";
import { type Platform, choosePlatform, formatPlatform } from "./platform.js";
import type { Reference } from "../store/reference/reference.js";
import {
  type Descriptor,
  type ImageManifest,
  type Index,
  parseManifest,
} from "./registry/manifest.js";

export interface ResolvedImage {
  /** Digest of what the reference names: of an index for a multi-platform image. */
  readonly digest: Digest;
  /** Digest of the image's own manifest. */
  readonly manifestDigest: Digest;
  readonly manifest: ImageManifest;
  /** The same as the registry served it. */
  readonly manifestBytes: Buffer;
  /** The indexes that led to it as the registry served them, outermost first. */
  readonly indexes: readonly { digest: Digest; bytes: Buffer }[];
  /** Whether an index named the platform, so that it is known to be the wanted one. */
  readonly chosen: boolean;
  /** Manifests and indexes that were asked for. */
  readonly requests: number;
}

/** What a reference stands for: an image, or an index of images. */
export interface Top {
  readonly digest: Digest;
  readonly mediaType: string;
  /** The document as the registry served it. */
  readonly bytes: Buffer;
  readonly document: Index | ImageManifest;
}

/** Looks things up at the registry without asking twice for the same document. */
export interface ResolveContext extends IndexContext {
  readonly platform: Platform;
  /** What the tag of the reference means, whatever the registry says. */
  readonly pin?: Digest | undefined;
  /** What the reference stands for, where that has been asked already. */
  readonly top?: Top | undefined;
  /** The image of `top` that is wanted, where it is chosen already. */
  readonly entry?: Descriptor | undefined;
}

/**
 * Asks what a reference stands for, or for what its tag is pinned to.
 * @throws TpullError `MANIFEST_*`, `NOT_AN_IMAGE` and what the registry client throws
 */
export async function fetchTop(
  reference: Reference,
  { client, call, image, pin }: IndexContext & Pick<ResolveContext, "pin">,
): Promise<Top> {
  const asked = reference.digest ?? pin ?? reference.tag ?? "latest";
  const { digest, bytes, mediaType } = await client.manifest(
    reference,
    asked,
    call,
  );
  const document = parseManifest(bytes, mediaType, image);
  return { digest, mediaType, bytes, document };
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
  const top = context.top ?? (await fetchTop(reference, context));
  let { document } = top;
  let manifestDigest = top.digest;
  let manifestBytes = top.bytes;
  let chosen = false;
  const indexes: { digest: Digest; bytes: Buffer }[] = [];
  let requests = context.top === undefined ? 1 : 0;
  const seen = new Set<Digest>([top.digest]);
  for (let depth = 1; document.kind === "index"; depth += 1) {
    if (depth > MAX_INDEX_DEPTH) throw tooDeep(image);
    const entry = context.entry ?? chooseEntry(document, context);
    if (seen.has(entry.digest)) throw tooDeep(image);
    seen.add(entry.digest);
    indexes.push({ digest: manifestDigest, bytes: manifestBytes });
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
    manifestBytes = next.bytes;
    requests += 1;
  }
  return {
    digest: top.digest,
    manifestDigest,
    manifest: document,
    manifestBytes,
    indexes,
    chosen,
    requests,
  };
}

function chooseEntry(
  index: Index,
  { image, platform }: ResolveContext,
): Descriptor {
  const entries = imageEntries(index);
  const [best] = choosePlatform(entries, platform);
  if (best === undefined) {
    throw noSuchPlatform(image, formatPlatform(platform), entries);
  }
  return best.descriptor;
}
