/** An image of an archive, as whatever lists it there describes it. */
import { type Digest, isTpullError } from "../../store/index.js";
import { printable } from "../../store/reference/printable.js";
import {
  type Reference,
  parseReference,
} from "../../store/reference/reference.js";
import { invalidArchive } from "./archive-error.js";

/** An image, or an index of images. */
export interface ArchivedImage {
  /** Of its manifest or index, which may be one that was made for it. */
  readonly digest: Digest;
  /** References with a tag. */
  readonly names: readonly Reference[];
  /** The repository whose registry had it under that digest, where the archive says so. */
  readonly origin?: Reference | undefined;
  /** Digest of its config, where no manifest of its own says it. */
  readonly config?: Digest;
}

/**
 * A name of an archive; undefined for one without a tag (it has a digest).
 * @throws TpullError `ARCHIVE_INVALID`
 */
export function archivedName(text: unknown): Reference | undefined {
  const reference = archivedReference(text);
  return reference.digest === undefined ? reference : undefined;
}

/**
 * The same, with a digest as well.
 * @throws TpullError `ARCHIVE_INVALID`
 */
export function archivedReference(text: unknown): Reference {
  try {
    return parseReference(String(text));
  } catch (error) {
    if (!isTpullError(error)) throw error;
    throw invalidArchive(
      `gives an image a name that is none: ${printable(String(text))}`,
      error,
    );
  }
}
