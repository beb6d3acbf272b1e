/** Saving images of a store into one archive, without a network and without a lock. */
import { setMaxListeners } from "node:events";
import { statfsSync } from "node:fs";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import pLimit from "p-limit";
import { type DiffId, type Digest, type ImageId, shortId } from "../digest.js";
import { TpullError, isTpullError, throwIfAborted } from "../errors.js";
import type { Compression } from "../ingest/compress.js";
import { IngestPool } from "../ingest/pool.js";
import type { Rebuilt } from "../ingest/rebuild.js";
import { createRing, ringChunks } from "../ingest/ring.js";
import { attempt } from "../io-error.js";
import type { LayerRecord } from "../layers.js";
import type { LayerHint } from "../manifests.js";
import type { Store } from "../store.js";
import type { Damage } from "../survey/damage.js";
import { surveyed } from "../survey/survey.js";
import {
  ArchiveWriter,
  type ByteSink,
  toSpecialFile,
} from "./archive-writer.js";
import { KeptForSave } from "./kept-for-save.js";
import { isSpecial } from "./new-file.js";
import {
  type SavedImage,
  type SavedLayer,
  blobName,
  blobsToSave,
  documentsOf,
  imagesToSave,
  layersToSave,
} from "./saved-images.js";

export interface SaveOptions {
  /**
   * How layers are compressed that are put together from their files. Default
   * `none`, as docker saves them. When it is given, kept blobs are not used.
   */
  readonly compression?: Compression | undefined;
  /**
   * `kept`: every image has to be saved as its registry has it. By default only
   * those are of which all blobs are kept.
   */
  readonly blobs?: "kept" | undefined;
  /** Ends it with `ABORTED`. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Told, before anything is written and also before a failure, what of the
   * root was found damaged while the images were looked for: an image is not
   * found by its name where the file of names cannot be read.
   */
  readonly onDamage?: ((damage: readonly Damage[]) => void) | undefined;
}

export interface SaveResult {
  readonly images: {
    readonly imageId: ImageId;
    /** Familiar names that the archive gives the image. */
    readonly tags: readonly string[];
    /** Of its manifest in the archive. */
    readonly manifestDigest: Digest;
    /** Whether manifest and blobs are those of its registry. */
    readonly original: boolean;
  }[];
  /** Layers in the archive; one that several images have counts once. */
  readonly layers: number;
  /** Of the archive. */
  readonly bytes: number;
}

const RING_BYTES = 4 * 1024 * 1024;

/**
 * Saves images as one tar that is at once an OCI image layout and docker's own
 * archive: `docker load`, `podman load`, `skopeo copy docker-archive:` and
 * `oci-archive:` and `ctr images import` take it and give the same image IDs.
 * Layers are put together from the stored files and verified against their
 * diff IDs while they are written. The same images and the same options give
 * the same bytes, with the same version of the compressor. Images of which all
 * blobs are kept are saved with these, and with their registry's own manifest
 * and digests, unless a compression is asked for.
 * @param names as {@link findImage} takes them; a repository without a tag
 *   stands for all its tags, as with `docker save`
 * @param to the file to write, which is there only when it is whole, or a sink.
 *   A sink that takes an archive which then fails has got an incomplete one
 * @throws TpullError `IMAGE_NOT_FOUND`, `IMAGE_ID_AMBIGUOUS`, `IMAGE_DAMAGED`,
 *   `LAYER_DAMAGED`, `BLOBS_NOT_KEPT`, `OUTPUT_NOT_WRITABLE`, `DISK_FULL`, `NOT_ENOUGH_SPACE`,
 *   `COMPRESSION_UNAVAILABLE`, `ABORTED`
 */
export async function saveImages(
  store: Store,
  names: readonly string[],
  to: string | ByteSink,
  options: SaveOptions = {},
): Promise<SaveResult> {
  const found = await lookUp(store, names, options.onDamage);
  throwIfAborted(options.signal);
  using kept = new KeptForSave(store.layout);
  const images = await attempt(
    `read the data root ${store.root}`,
    () => kept.originals(found, options),
    "read",
  );
  await using run = new SaveRun(store, images, kept, options);
  const bytes =
    typeof to !== "string"
      ? await run.toSink(to)
      : isSpecial(to)
        ? await toSpecialFile(to, (sink) => run.toSink(sink), options.signal)
        : await run.toFile(to);
  return {
    images: images.map(({ image, tags, original }) => ({
      imageId: image.id,
      tags,
      manifestDigest: run.manifestOf(image.id),
      original: original !== undefined,
    })),
    layers: run.layers.length + run.blobs.length,
    bytes,
  };
}

async function lookUp(
  store: Store,
  names: readonly string[],
  onDamage: SaveOptions["onDamage"],
): Promise<SavedImage[]> {
  const { result, damage } = await surveyed(store, (survey) => {
    try {
      return imagesToSave(survey, names);
    } catch (error) {
      if (isTpullError(error)) return error;
      throw error;
    }
  });
  const isFailure = isTpullError(result);
  // What the failure says is not said twice.
  const told = damage.filter(
    ({ message }) => !isFailure || message !== result.message,
  );
  if (told.length > 0) onDamage?.(told);
  if (isFailure) throw result;
  return result;
}

class SaveRun implements AsyncDisposable {
  readonly layers: readonly LayerRecord[];
  readonly blobs: readonly LayerHint[];
  readonly #kept: KeptForSave;
  readonly #manifests = new Map<ImageId, Digest>();
  readonly #store: Store;
  readonly #images: readonly SavedImage[];
  readonly #compression: Compression;
  /** Fires when the caller's signal does, or when one layer has failed. */
  readonly #end = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #pool = new IngestPool();
  readonly #limit = pLimit(Math.min(8, availableParallelism()));

  constructor(
    store: Store,
    images: readonly SavedImage[],
    kept: KeptForSave,
    { compression = "none", signal }: SaveOptions,
  ) {
    this.#store = store;
    this.#images = images;
    this.#compression = compression;
    this.layers = layersToSave(images);
    this.blobs = blobsToSave(images);
    this.#kept = kept;
    this.#signal = signal;
    setMaxListeners(0, this.#end.signal);
    signal?.addEventListener("abort", this.#stop, { once: true });
  }

  readonly #stop = (): void => this.#end.abort();

  async toFile(path: string): Promise<number> {
    await using writer = await ArchiveWriter.toFile(path);
    if (this.#compression !== "none") {
      return await this.#compressed(writer, writer.scratch());
    }
    const sizes = await this.#measure();
    const total = [...sizes.values(), ...this.blobs].reduce(
      (sum, { size }) => sum + size,
      0,
    );
    checkSpace(path, total);
    await this.#documents(writer, sizes);
    await this.#blobs(writer);
    // All places are known, so the layers can be written side by side.
    const places = [];
    for (const layer of this.layers) {
      const { size } = sizes.get(layer.diffId) as SavedLayer;
      const offset = await writer.leave(blobName(layer.diffId), size);
      places.push({ layer, size, offset });
    }
    await this.#all(places, async ({ layer, size, offset }) => {
      const rebuilt = await this.#rebuild(layer, {
        path: writer.path as string,
        offset,
      });
      if (rebuilt.bytes !== size) throw damaged(layer, "has another length");
    });
    return await writer.finish();
  }

  async toSink(sink: ByteSink): Promise<number> {
    await using writer = ArchiveWriter.toSink(sink);
    if (this.#compression !== "none") {
      const folder = await mkdtemp(join(tmpdir(), "tpull-save-"));
      try {
        return await this.#compressed(writer, folder);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    }
    const sizes = await this.#measure();
    await this.#documents(writer, sizes);
    await this.#blobs(writer);
    for (const layer of this.layers) {
      const { size } = sizes.get(layer.diffId) as SavedLayer;
      await this.#stream(layer, size, writer);
    }
    return await writer.finish();
  }

  /** Of the manifest that an image has in the archive, once that is written. */
  manifestOf(imageId: ImageId): Digest {
    return this.#manifests.get(imageId) as Digest;
  }

  /** What is kept of registries, as it is. */
  async #blobs(writer: ArchiveWriter): Promise<void> {
    for (const { digest, size } of this.blobs) {
      const chunks = this.#kept.read(digest, this.#signal);
      await writer.stream(blobName(digest), size, chunks);
    }
  }

  /** Through a ring: the worker is never far ahead of whoever takes the bytes. */
  async #stream(
    layer: LayerRecord,
    size: number,
    writer: ArchiveWriter,
  ): Promise<void> {
    const ring = createRing(RING_BYTES);
    const rebuilding = this.#rebuild(layer, { ring });
    rebuilding.catch(() => undefined);
    try {
      await writer.stream(blobName(layer.diffId), size, ringChunks(ring));
    } catch (error) {
      this.#end.abort();
      // Why the bytes ended is known where they were made.
      await rebuilding.catch((cause: unknown) => {
        if (!isAborted(cause)) throw cause;
      });
      throw error;
    }
    await rebuilding;
  }

  /** Compressed layers have no known length before they are there: they wait in files of their own. */
  async #compressed(writer: ArchiveWriter, folder: string): Promise<number> {
    const parts = new Map<DiffId, SavedLayer & { path: string }>();
    await this.#all([...this.layers.entries()], async ([at, layer]) => {
      const path = join(folder, String(at));
      await writeFile(path, "", { flag: "wx", mode: 0o600 });
      const { digest, bytes } = await this.#rebuild(layer, { path, offset: 0 });
      parts.set(layer.diffId, { digest, size: bytes, path });
    });
    await this.#documents(writer, parts);
    for (const { diffId } of this.layers) {
      const { digest, size, path } = parts.get(diffId) as SavedLayer & {
        path: string;
      };
      await using file = await open(path, "r");
      const chunks = file.createReadStream({
        autoClose: false,
        highWaterMark: 1024 * 1024,
      });
      await writer.stream(blobName(digest), size, chunks);
      await rm(path);
      throwIfAborted(this.#signal);
    }
    return await writer.finish();
  }

  async #documents(
    writer: ArchiveWriter,
    layers: ReadonlyMap<DiffId, SavedLayer>,
  ): Promise<void> {
    const { documents, manifests } = documentsOf(
      this.#images,
      layers,
      this.#compression,
    );
    for (const [id, digest] of manifests) this.#manifests.set(id, digest);
    const isBlob = ({ name }: { name: string }): boolean => name.includes("/");
    for (const { name, bytes } of documents.filter((one) => !isBlob(one))) {
      await writer.add(name, bytes);
    }
    await writer.directory("blobs/");
    await writer.directory("blobs/sha256/");
    for (const { name, bytes } of documents.filter(isBlob)) {
      await writer.add(name, bytes);
    }
  }

  /** How long each layer's tar is, without reading its files. */
  async #measure(): Promise<Map<DiffId, SavedLayer>> {
    const sizes = new Map<DiffId, SavedLayer>();
    await this.#all(this.layers, async (layer) => {
      const stored = this.#store.storedLayer(layer);
      const size = await this.#of(layer, () => this.#pool.measure(stored));
      const digest = layer.diffId as string as SavedLayer["digest"];
      sizes.set(layer.diffId, { digest, size });
    });
    return sizes;
  }

  async #rebuild(
    layer: LayerRecord,
    to: Parameters<IngestPool["rebuild"]>[0]["to"],
  ): Promise<Rebuilt> {
    const rebuilt = await this.#of(layer, () =>
      this.#pool.rebuild(
        {
          from: this.#store.storedLayer(layer),
          to,
          compression: this.#compression,
        },
        this.#end.signal,
      ),
    );
    if (rebuilt.diffId === layer.diffId) return rebuilt;
    throw damaged(layer, `gives a tar with the digest ${rebuilt.diffId}`);
  }

  /** Says of which layer a failure is. */
  async #of<Result>(
    layer: LayerRecord,
    work: () => Promise<Result>,
  ): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (!isTpullError(error) || error.code !== "LAYER_DAMAGED") throw error;
      throw damaged(layer, `cannot be put together: ${error.message}`);
    }
  }

  /** Does the work for all, a few at a time; the first failure ends it. */
  async #all<Item>(
    items: readonly Item[],
    work: (item: Item) => Promise<void>,
  ): Promise<void> {
    let failure: unknown;
    await Promise.all(
      items.map((item) =>
        this.#limit(async () => {
          if (failure !== undefined) return;
          try {
            throwIfAborted(this.#signal);
            await work(item);
          } catch (error) {
            failure ??= error;
            this.#end.abort();
          }
        }),
      ),
    );
    if (failure !== undefined) throw failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal?.removeEventListener("abort", this.#stop);
    await this.#pool[Symbol.asyncDispose]();
  }
}

function isAborted(error: unknown): boolean {
  return isTpullError(error) && error.code === "ABORTED";
}

function damaged({ diffId, chainId }: LayerRecord, what: string): TpullError {
  return new TpullError(
    "LAYER_DAMAGED",
    `nothing was saved: the stored layer ${shortId(diffId)} ${what}`,
    {
      hint: "'tpull verify' says more, and 'tpull verify --repair' mends what can be mended.",
      details: { chainId, expected: diffId },
    },
  );
}

/** @throws TpullError `NOT_ENOUGH_SPACE` */
function checkSpace(path: string, needed: number): void {
  let free: number;
  try {
    const { bavail, bsize } = statfsSync(dirname(resolve(path)));
    free = bavail * bsize;
  } catch {
    return; // what is wrong with the folder is said where the file is made
  }
  if (free >= needed) return;
  throw new TpullError(
    "NOT_ENOUGH_SPACE",
    `the archive takes ${needed} bytes, and ${free} are free where it is to be written`,
    { details: { needed, free } },
  );
}
