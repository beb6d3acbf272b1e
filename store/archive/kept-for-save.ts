/** The kept blobs of images that are saved, held open from the beginning: none of them can go meanwhile. */
import { createHash } from "node:crypto";
import { OpenBlob } from "../blobs/open-blob.js";
import { type OriginalImage, originalImage } from "../blobs/original.js";
import { type Digest, shortId } from "../digest.js";
import { TpullError, throwIfAborted } from "../errors.js";
import type { Layout } from "../layout.js";
import { printable } from "../reference/printable.js";
import type { SaveOptions } from "./save.js";
import type { SavedImage } from "./saved-images.js";

export class KeptForSave implements Disposable {
  readonly #layout: Layout;
  readonly #open = new Map<Digest, OpenBlob>();

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /**
   * The images, and of those that are to be saved as their registry has them
   * also that.
   * @throws TpullError `BLOBS_NOT_KEPT` where all images are to be, and one cannot
   */
  originals(
    images: readonly SavedImage[],
    { compression, blobs }: Pick<SaveOptions, "compression" | "blobs">,
  ): SavedImage[] {
    if (compression !== undefined && blobs === undefined) return [...images];
    return images.map((one) => {
      const { id, digests } = one.image;
      const found = originalImage(this.#layout, id, digests);
      const original = found && this.#hold(found) ? found : undefined;
      if (original === undefined && blobs === "kept") throw notKept(one);
      return { ...one, original };
    });
  }

  #hold({ layers }: OriginalImage): boolean {
    return layers.every(({ digest, size }) => {
      if (this.#open.has(digest)) return true;
      const blob = OpenBlob.open(this.#layout, digest, size);
      blob?.touch();
      if (blob !== undefined) this.#open.set(digest, blob);
      return blob !== undefined;
    });
  }

  /**
   * The bytes of a blob.
   * @throws TpullError `LAYER_DAMAGED` at their end, if they are not those of its digest; `ABORTED`
   */
  async *read(
    digest: Digest,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const hash = createHash("sha256");
    for await (const chunk of this.#open.get(digest)?.read() ?? []) {
      throwIfAborted(signal);
      hash.update(chunk);
      yield chunk;
    }
    const found = `sha256:${hash.digest("hex")}`;
    if (found === digest) return;
    throw new TpullError(
      "LAYER_DAMAGED",
      `nothing was saved: the kept blob ${shortId(digest)} is damaged, it hashes to ${found}`,
      {
        hint: "'tpull verify --repair' removes it, and 'tpull pull --keep-blobs' then fetches it again; --compress none does without.",
        details: { layer: digest, actual: found },
      },
    );
  }

  [Symbol.dispose](): void {
    for (const blob of this.#open.values()) blob.close();
  }
}

function notKept({ image, tags }: SavedImage): TpullError {
  const name = tags[0] ?? shortId(image.id);
  return new TpullError(
    "BLOBS_NOT_KEPT",
    `${printable(name)} cannot be saved as its registry has it: not all of its blobs are kept`,
    {
      hint: "'tpull pull --keep-blobs' fetches them; without --compress kept the layers are put together from their files.",
      details: { image: name },
    },
  );
}
