/**
 * Images of a data root as their registries have them: those of which a pull
 * has kept all blobs. Looked for with each request, because blobs come and go
 * without a change of the images.
 */
import type { Digest, Layout } from "../../store/index.js";
import { isKept, keptBlob } from "../../store/blobs/kept-blobs.js";
import {
  type OriginalImage,
  originalImage,
  wayToImage,
} from "../../store/blobs/original.js";
import type { StoredImage } from "../../store/survey/survey.js";
import {
  DamagedContentError,
  type ServedBlob,
  type ServedManifest,
} from "./content.js";
import { LayoutFolder } from "./layout/folder.js";
import { BlobProofs } from "./layout/proven-blob.js";

export class OriginalImages {
  readonly #layout: Layout;
  readonly #proofs: BlobProofs;
  readonly #damaged = new Set<Digest>();
  #folder: LayoutFolder | undefined;

  constructor(layout: Layout, complain: (message: string) => void) {
    this.#layout = layout;
    this.#proofs = new BlobProofs((digest, found) => {
      this.#damaged.add(digest);
      complain(
        `the kept blob ${digest} in ${layout.root} is damaged: it hashes to ${found}; it is not served`,
      );
    });
  }

  /** Whether an image can be served as its registry has it. */
  async has(image: StoredImage): Promise<boolean> {
    return (await this.#of(image)) !== undefined;
  }

  /** @returns undefined unless all of it is here, and not known to be damaged */
  async #of({ id, digests }: StoredImage): Promise<OriginalImage | undefined> {
    const original = originalImage(this.#layout, id, digests);
    for (const { digest, size } of original?.layers ?? []) {
      if (!this.#damaged.has(digest)) continue;
      // It may have been fetched again.
      if (!(await this.#isWhole(digest, size))) return undefined;
      this.#damaged.delete(digest);
    }
    return original;
  }

  /**
   * What a tag of the image stands for: its registry's index, or manifest.
   * @param repository familiar, as the image's names have it
   */
  async tagged(
    image: StoredImage,
    repository: string,
  ): Promise<ServedManifest | undefined> {
    const original = await this.#of(image);
    if (original === undefined) return undefined;
    const [top] = wayToImage(original, namesIn(image, repository));
    return top ?? original.manifest;
  }

  /** The image's manifest, or an index that leads to it, by its digest. */
  async document(
    image: StoredImage,
    repository: string,
    digest: Digest,
  ): Promise<ServedManifest | undefined> {
    const original = await this.#of(image);
    if (original === undefined) return undefined;
    if (original.manifest.digest === digest) return original.manifest;
    for (const name of namesIn(image, repository)) {
      const way = wayToImage(original, [name]);
      const index = way.find((one) => one.digest === digest);
      if (index !== undefined) return index;
    }
    return undefined;
  }

  async #isWhole(digest: Digest, size: number): Promise<boolean> {
    try {
      return (await this.#read(digest))?.size === size;
    } catch (error) {
      if (error instanceof DamagedContentError) return false;
      throw error;
    }
  }

  /**
   * A blob of one of these images.
   * @throws DamagedContentError
   */
  async blob(
    images: Iterable<StoredImage>,
    digest: Digest,
  ): Promise<ServedBlob | undefined> {
    if (keptBlob(this.#layout, digest) === undefined) return undefined;
    // Images that need it are not served as they were, but may have been asked for.
    if (this.#damaged.has(digest)) await this.#read(digest);
    for (const image of images) {
      const original = await this.#of(image);
      const layer = original?.layers.find((one) => one.digest === digest);
      if (layer === undefined) continue;
      if (!isKept(this.#layout, digest, layer.size)) continue;
      return await this.#read(digest);
    }
    return undefined;
  }

  /** @throws DamagedContentError */
  async #read(digest: Digest): Promise<ServedBlob | undefined> {
    // Blobs lie there as in an image layout.
    const folder =
      this.#folder ?? (await LayoutFolder.open(this.#layout.tpull));
    const stretch = await folder.blob(digest);
    if (stretch === undefined) return undefined;
    this.#folder = folder;
    return await this.#proofs.blob(stretch, digest);
  }
}

/** Names of an image with digests, in one repository. */
function namesIn({ digests }: StoredImage, repository: string): string[] {
  return digests.filter((name) => name.startsWith(`${repository}@`));
}
