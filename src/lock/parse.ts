/** Reading a lock file's text, which anybody may have edited or damaged. */
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
import {
  isLock,
  type Lock,
  LOCK_VERSION,
  type LockedImage,
  type LockedPlatform,
  normalizedPlatform,
} from "./format.js";

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
