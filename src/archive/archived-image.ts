/** An image of an archive, as whatever lists it there describes it. */
import { type Digest, isTpullError } from "../../store/index.js";
import { printable } from "../../store/reference/printable.js";
import {
  type Reference,
  canonicalName,
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

/** More than any archive has: what an image costs in memory and time stays bounded. */
const MAX_IMAGES = 10_000;

/** Images by their digests, each once with all the names that it has anywhere. */
export class ImagesByDigest {
  readonly #images = new Map<
    Digest,
    { image: ArchivedImage; names: Map<string, Reference> }
  >();

  /** @throws TpullError `ARCHIVE_INVALID` for too many */
  add(image: ArchivedImage): void {
    const known = this.#images.get(image.digest) ?? { image, names: new Map() };
    for (const name of image.names) known.names.set(canonicalName(name), name);
    this.#images.set(image.digest, known);
    if (this.#images.size > MAX_IMAGES) throw tooManyImages();
  }

  /** In the order in which they were added first. */
  all(): ArchivedImage[] {
    return [...this.#images.values()].map(({ image, names }) => ({
      ...image,
      names: [...names.values()],
    }));
  }
}

/** @throws TpullError `ARCHIVE_INVALID` for more images than any archive has */
export function requireFewImages(count: number): void {
  if (count > MAX_IMAGES) throw tooManyImages();
}

function tooManyImages(): Error {
  return invalidArchive(`has more than ${MAX_IMAGES} images`);
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
  if (typeof text !== "string") {
    throw invalidArchive("gives an image a name that is no text");
  }
  try {
    return parseReference(text);
  } catch (error) {
    if (!isTpullError(error)) throw error;
    throw invalidArchive(
      `gives an image a name that is none: ${printable(text)}`,
      error,
    );
  }
}
