/** Which images of a name a lock records. */
import type { ImageId } from "../../store/index.js";
import type { Reference } from "../../store/reference/reference.js";
import type { IndexContext } from "../index-images.js";
import { parsePlatform } from "../platform.js";
import { imagesBehind, type NamedImage } from "../query/platforms.js";
import type { Top } from "../resolve-image.js";
import { ALL_PLATFORMS, type LockedImage } from "./format.js";

/**
 * What a lock says of a name.
 * @param wanted undefined: for whoever uses the lock, with whatever platform
 * @throws TpullError `PLATFORM_NOT_FOUND`, and what asking for an index within the index throws
 */
export async function lockedImage(
  name: string,
  reference: Reference,
  top: Top,
  wanted: readonly string[] | undefined,
  context: IndexContext,
): Promise<LockedImage> {
  const { digest, mediaType, bytes, document } = top;
  return {
    reference: name,
    digest,
    mediaType,
    size: bytes.length,
    ...(document.kind === "image"
      ? { imageId: document.config.digest as string as ImageId }
      : {}),
    ...(wanted === undefined ? {} : { wanted }),
    platforms: (await chosen(reference, top, wanted, context)).map(
      ({ platform, digest, mediaType, size }) => ({
        ...(platform === undefined ? {} : { platform }),
        digest,
        mediaType,
        size,
      }),
    ),
  };
}

/** Those that a pull would choose for what is wanted; all of them otherwise. */
export function chosen(
  reference: Reference,
  top: Top,
  wanted: readonly string[] = [],
  context: IndexContext,
): Promise<NamedImage[]> {
  const platforms = wanted.includes(ALL_PLATFORMS)
    ? []
    : wanted.map((platform) => parsePlatform(platform));
  return imagesBehind(top, platforms, reference, context);
}
