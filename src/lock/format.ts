/** The lock file: which bytes the names of a list stood for when it was written. */
import { parsePlatform, formatPlatform } from "../platform.js";
import type { Digest, ImageId } from "../../store/index.js";

/** Raised when a field changes meaning or goes away; new fields do not raise it. */
export const LOCK_VERSION = 1;
/** What {@link LockedImage.wanted} calls every platform of an image. */
export const ALL_PLATFORMS = "all";
/** How reports call that none is wanted in particular; no platform has this name. */
export const ANY_PLATFORM = "any";

/** One image of what a name stands for. */
export interface LockedPlatform {
  /** os/arch[/variant] as the index has it, or where there is none the image's config; absent where nobody says. */
  readonly platform?: string;
  /** Of the image's manifest. */
  readonly digest: Digest;
  /** As the registry names it; `""` where it names none. */
  readonly mediaType: string;
  /** Bytes of the manifest. */
  readonly size: number;
}

export interface LockedImage {
  /** Canonical form with host and tag, e.g. `docker.io/library/nginx:1.27`. */
  readonly reference: string;
  /** Of what the name stands for: of an index for a multi-platform image. */
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes of the index or manifest. */
  readonly size: number;
  /** Digest of the image's config; only where the name stands for one image without an index. */
  readonly imageId?: ImageId;
  /**
   * The platforms that were asked for when the lock was written, normalised, or
   * `all`: who uses the lock takes these. Absent where none was named: then
   * whoever uses it takes the one that suits.
   */
  readonly wanted?: readonly string[];
  /** What was chosen for `wanted`, or every image there is; sorted. */
  readonly platforms: readonly LockedPlatform[];
}

export interface Lock {
  /** Sorted by reference. */
  readonly images: readonly LockedImage[];
}

/** Whether a file's text means to be a lock, whole or damaged. */
export function isLock(text: string): boolean {
  return /^\uFEFF?\s*\{\s*"lock"\s*:\s*\d/.test(text);
}

/** The text of a lock file. The same lock gives the same text. */
export function formatLock(lock: Lock): string {
  const images = lock.images
    .map(formatImage)
    .sort(
      (a, b) =>
        order(a.reference, b.reference) ||
        order(String(a.wanted ?? ""), String(b.wanted ?? "")),
    );
  return `${JSON.stringify({ lock: LOCK_VERSION, images }, null, 2)}\n`;
}

/** The fields in the order of the file. */
function formatImage({
  reference,
  digest,
  mediaType,
  size,
  imageId,
  wanted,
  platforms,
}: LockedImage): LockedImage {
  return {
    reference,
    digest,
    mediaType,
    size,
    ...(imageId === undefined ? {} : { imageId }),
    ...(wanted === undefined ? {} : { wanted: [...wanted].sort(order) }),
    platforms: platforms
      .map((one) => ({
        ...(one.platform === undefined ? {} : { platform: one.platform }),
        digest: one.digest,
        mediaType: one.mediaType,
        size: one.size,
      }))
      // Of equals the index's own order decides, and a sort keeps it.
      .sort((a, b) => order(a.platform ?? "", b.platform ?? "")),
  };
}

/** By code units, whatever the language of the machine. */
function order(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/**
 * One spelling for each platform that can be asked for; `all` is one, too.
 * @throws TpullError `PLATFORM_INVALID`
 */
export function normalizedPlatform(name: string): string {
  return name === ALL_PLATFORMS ? name : formatPlatform(parsePlatform(name));
}
