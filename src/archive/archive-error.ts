/** What is wrong with an archive of images. */
import {
  type DiffId,
  type Digest,
  TpullError,
  isTpullError,
} from "../../store/index.js";
import { printable } from "../../store/reference/printable.js";

/** The archive is not what it should be: nothing of it is used. */
export function invalidArchive(message: string, cause?: unknown): TpullError {
  return new TpullError("ARCHIVE_INVALID", `the archive ${message}`, {
    hint: "It is damaged, or not one of images; nothing of it was loaded. Save it again.",
    cause,
  });
}

/** The system does not let us read it, or a file in it. */
export function unreadableArchive(path: string, cause: unknown): TpullError {
  return new TpullError(
    "ARCHIVE_NOT_READABLE",
    `${printable(path)} cannot be read: ${(cause as Error).message}`,
    { cause },
  );
}

/**
 * An error about an archive as a whole, with the archive's name.
 * @param what the archive, as it may be shown
 */
export function namingArchive(error: unknown, what: string): unknown {
  if (!isTpullError(error) || !error.code.startsWith("ARCHIVE_")) return error;
  const { message } = error;
  if (message.startsWith(what)) return error;
  const { code, hint, cause, details } = error;
  return new TpullError(
    code,
    message.startsWith("the archive ")
      ? `${what} ${message.slice("the archive ".length)}`
      : `${what}: ${message}`,
    { hint, cause, details },
  );
}

/**
 * Something that an image of the archive needs is not in it.
 * @param elsewhere where it could have been instead
 * @param isCutShort whether the archive ends without an end
 */
export function missingInArchive(
  what: string,
  missing: readonly string[],
  elsewhere?: string,
  isCutShort = false,
): TpullError {
  const nowhere =
    elsewhere === undefined
      ? "is not in the archive"
      : `is neither in the archive nor in ${elsewhere}`;
  return new TpullError(
    "ARCHIVE_INCOMPLETE",
    `${what} needs what ${nowhere}: ${shownList(missing)}`,
    {
      hint: isCutShort
        ? "The archive stops without the mark of its end: it was not copied, or not written, to its end. Copy or save it again."
        : "Save it again, or load first what it is based on.",
      details: { missing: [...missing] },
    },
  );
}

/** What was left out on purpose cannot be told from what was lost, but for the end. */
export function cutShort(missing: readonly string[]): TpullError {
  return new TpullError(
    "ARCHIVE_INCOMPLETE",
    `the archive stops without the mark of its end, and lacks ${shownList(missing)}`,
    { details: { missing: [...missing] } },
  );
}

/** So many of a list stand in a message. */
const SHOWN = 10;

function shownList(all: readonly string[]): string {
  const more = all.length - SHOWN;
  const shown = all.slice(0, SHOWN).map(printable).join(", ");
  return more > 0 ? `${shown} and ${more} more` : shown;
}

export function wrongDigest(expected: Digest, actual: Digest): TpullError {
  return new TpullError(
    "DIGEST_MISMATCH",
    `the archive's blob ${expected} is damaged: its bytes hash to ${actual}`,
    { details: { expected, actual } },
  );
}

export function wrongSize(
  digest: Digest,
  expected: number,
  actual: number,
): TpullError {
  return new TpullError(
    "SIZE_MISMATCH",
    `the archive's blob ${digest} has ${actual} bytes, its manifest says ${expected}`,
    { details: { expected, actual } },
  );
}

export function wrongDiffId(
  digest: Digest,
  expected: DiffId,
  actual: DiffId,
): TpullError {
  return new TpullError(
    "DIFF_ID_MISMATCH",
    `the archive's layer ${digest} unpacks to the diff ID ${actual}, its image's config says ${expected}`,
    { details: { expected, actual } },
  );
}
