/** Which images stand behind a name, and for which platforms. */
import { type Digest, TpullError } from "../../store/index.js";
import {
  type IndexImage,
  listImages,
  noSuchPlatform,
} from "../index-images.js";
import {
  type Platform,
  choosePlatform,
  formatPlatform,
  platformMatches,
  platformName,
} from "../platform.js";
import type { Reference } from "../../store/reference/reference.js";
import type { ImageManifest } from "../registry/manifest.js";
import type { Top } from "../resolve-image.js";
import type { IndexContext } from "../index-images.js";

/** One image behind a name. */
export interface NamedImage {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes of the manifest. */
  readonly size: number;
  /** os/arch[/variant] as the index has it, or where there is none the image's config; absent where nobody says. */
  readonly platform?: string;
}

/**
 * The images behind a name: all, or for each of `wanted` the one that a pull
 * would choose.
 * @throws TpullError `PLATFORM_NOT_FOUND`
 */
export async function imagesBehind(
  top: Top,
  wanted: readonly Platform[],
  reference: Reference,
  query: IndexContext,
): Promise<NamedImage[]> {
  const { document } = top;
  if (document.kind === "image") {
    return [await onlyImage(top, document, wanted, reference, query)];
  }
  const images = await listImages(document, reference, query);
  const chosen =
    wanted.length === 0
      ? images
      : wanted.map((platform) => choose(images, platform, query));
  return [...new Set(chosen)].map(({ descriptor, name }) => ({
    digest: descriptor.digest,
    mediaType: descriptor.mediaType,
    size: descriptor.size,
    ...(name === undefined ? {} : { platform: name }),
  }));
}

function choose(
  images: readonly IndexImage[],
  platform: Platform,
  { image }: IndexContext,
): IndexImage {
  const [best] = choosePlatform(images, platform);
  if (best !== undefined) return best;
  throw noSuchPlatform(image, formatPlatform(platform), images);
}

async function onlyImage(
  top: Top,
  { config }: ImageManifest,
  wanted: readonly Platform[],
  reference: Reference,
  { client, call, image }: IndexContext,
): Promise<NamedImage> {
  const wire = readPlatformOf(await client.bytes(reference, config, call));
  const name = platformName(wire);
  const missing = wanted.find((platform) => !platformMatches(wire, platform));
  if (missing !== undefined) {
    const asked = formatPlatform(missing);
    throw new TpullError(
      "PLATFORM_NOT_FOUND",
      `${image} has no image for ${asked}: the only one is for ${name ?? "no platform that it names"}`,
      {
        ...(name === undefined ? {} : { hint: `Ask with --platform ${name}.` }),
        details: {
          expected: asked,
          ...(name === undefined ? {} : { actual: name }),
        },
      },
    );
  }
  return {
    digest: top.digest,
    mediaType: top.mediaType,
    size: top.bytes.length,
    ...(name === undefined ? {} : { platform: name }),
  };
}

/** A config is looked at for its platform only: of whatever system, it can be asked about. */
function readPlatformOf(config: Buffer): Record<string, unknown> {
  try {
    return Object(JSON.parse(config.toString("utf8"))) as Record<
      string,
      unknown
    >;
  } catch {
    return {};
  }
}
