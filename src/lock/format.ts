/** The lock file: which bytes the names of a list stood for when it was written. */
import { parsePlatform, formatPlatform } from "../platform.js";
import {
  type Digest,
  type ImageId,
  TpullError,
  isTpullError,
  parseDigest,
} from "../../store/index.js";
import { printable } from "../../store/reference/printable.js";
import {
  canonicalName,
  parseReference,
} from "../../store/reference/reference.js";

/** Raised when a field changes meaning or goes away; new fields do not raise it. */
export const LOCK_VERSION = 1;
/** What {@link LockedImage.wanted} calls every platform of an image. */
export const ALL_PLATFORMS = "all";

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
 * Reads the text of a lock file, and checks all of it.
 * @throws TpullError `LOCK_INVALID`, which names the place
 */
export function parseLock(text: string): Lock {
  if (!isLock(text)) {
    throw invalidLock(`it does not begin with "lock": ${LOCK_VERSION}`);
  }
  const document = object(parseJson(text), "the file");
  const version = document["lock"];
  if (version !== LOCK_VERSION) {
    throw invalidLock(
      `it is of version ${printable(String(version))}, and this tpull reads version ${LOCK_VERSION}`,
      "Use a newer tpull, or write the lock again with this one.",
    );
  }
  const images = list(document["images"], "images").map((each, at) =>
    readImage(object(each, `images[${at}]`), `images[${at}]`),
  );
  refuseTwice(images);
  return { images };
}

function readImage(
  fields: Record<string, unknown>,
  where: string,
): LockedImage {
  const reference = text(fields["reference"], `${where}.reference`);
  const digest = digestIn(fields["digest"], `${where}.digest`);
  const named = within(`${where}.reference`, () => parseReference(reference));
  if (canonicalName(named) !== reference) {
    throw invalidLock(
      `${where}.reference: "${printable(reference)}" is not written out as ${canonicalName(named)}`,
    );
  }
  if (named.digest !== undefined && named.digest !== digest) {
    throw invalidLock(
      `${where}: ${printable(reference)} cannot stand for ${digest}`,
    );
  }
  const { wanted, imageId } = fields;
  return {
    reference,
    digest,
    mediaType: text(fields["mediaType"], `${where}.mediaType`),
    size: bytes(fields["size"], `${where}.size`),
    ...(imageId === undefined
      ? {}
      : {
          imageId: digestIn(imageId, `${where}.imageId`) as string as ImageId,
        }),
    ...(wanted === undefined
      ? {}
      : { wanted: readWanted(wanted, `${where}.wanted`) }),
    platforms: list(fields["platforms"], `${where}.platforms`).map((each, at) =>
      readPlatform(each, `${where}.platforms[${at}]`),
    ),
  };
}

function readPlatform(given: unknown, where: string): LockedPlatform {
  const fields = object(given, where);
  const { platform } = fields;
  return {
    ...(platform === undefined
      ? {}
      : { platform: text(platform, `${where}.platform`) }),
    digest: digestIn(fields["digest"], `${where}.digest`),
    mediaType: text(fields["mediaType"], `${where}.mediaType`),
    size: bytes(fields["size"], `${where}.size`),
  };
}

function readWanted(given: unknown, where: string): string[] {
  const names = list(given, where).map((each, at) =>
    platformName(text(each, `${where}[${at}]`), `${where}[${at}]`),
  );
  if (names.length === 0) throw invalidLock(`${where} is empty`);
  return [...new Set(names)];
}

function platformName(name: string, where: string): string {
  return within(where, () => normalizedPlatform(name));
}

/**
 * One spelling for each platform that can be asked for; `all` is one, too.
 * @throws TpullError `PLATFORM_INVALID`
 */
export function normalizedPlatform(name: string): string {
  return name === ALL_PLATFORMS ? name : formatPlatform(parsePlatform(name));
}

/** A name may stand there once for whoever comes, and once for platforms. */
function refuseTwice(images: readonly LockedImage[]): void {
  const digests = new Map<string, Digest>();
  const seen = new Set<string>();
  for (const { reference, digest, wanted } of images) {
    const key = `${reference} ${wanted === undefined}`;
    const other = digests.get(reference);
    if (seen.has(key) || (other !== undefined && other !== digest)) {
      throw invalidLock(`${reference} stands there twice`);
    }
    seen.add(key);
    digests.set(reference, digest);
  }
}

function parseJson(content: string): unknown {
  try {
    return JSON.parse(content.replace(/^\uFEFF/, ""));
  } catch (error) {
    const { message } = error as Error;
    throw invalidLock(
      `it is damaged, and no JSON: ${printable(message)}`,
      "Write it again with tpull lock.",
    );
  }
}

function object(given: unknown, where: string): Record<string, unknown> {
  if (typeof given === "object" && given !== null && !Array.isArray(given)) {
    return given as Record<string, unknown>;
  }
  throw invalidLock(`${where} is no object`);
}

function list(given: unknown, where: string): unknown[] {
  if (Array.isArray(given)) return given;
  throw invalidLock(`${where} is no list`);
}

function text(given: unknown, where: string): string {
  if (typeof given === "string") return given;
  throw invalidLock(`${where} is no text`);
}

function bytes(given: unknown, where: string): number {
  if (Number.isSafeInteger(given) && (given as number) >= 0) {
    return given as number;
  }
  throw invalidLock(`${where} is no number of bytes`);
}

function digestIn(given: unknown, where: string): Digest {
  return within(where, () => parseDigest(given, where));
}

/** What is wrong with a part is wrong with the lock. */
function within<Value>(where: string, work: () => Value): Value {
  try {
    return work();
  } catch (error) {
    if (!isTpullError(error)) throw error;
    const { message } = error;
    throw invalidLock(
      message.startsWith(where) ? message : `${where}: ${message}`,
    );
  }
}

function invalidLock(what: string, hint?: string): TpullError {
  return new TpullError("LOCK_INVALID", `this is no lock file: ${what}`, {
    hint,
  });
}
