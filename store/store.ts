/** The entry to a data root: reading it, and beginning to write to it. */
import { resolve } from "node:path";
import type { CacheId, ChainId, DiffId, Digest, ImageId } from "./digest.js";
import { readDiffId, readOrigins } from "./distribution.js";
import { readImageConfig } from "./images.js";
import type { StoredLayer } from "./ingest/tar-split-source.js";
import { attempt } from "./io-error.js";
import { chainsOfDiff, type LayerRecord, readChain } from "./layers.js";
import { Layout } from "./layout.js";
import { listPartials } from "./partials.js";
import {
  readRepositories,
  repositoryOf,
  validReferences,
} from "./repositories.js";
import { checkRootLock } from "./lock.js";
import { type StoreWarning, checkRoot } from "./root.js";
import { blobsStaged } from "./staging.js";
import { blobsUnused } from "./unused.js";
import { beginWrite } from "./writer.js";
import type { StoreWriter, WriteOptions } from "./writing.js";

/**
 * A docker data root of the storage driver overlay2. Reading takes no lock and
 * makes nothing; everything read is as it is on disk at that moment.
 *
 * All methods throw TpullError `ROOT_NOT_READABLE` where permission is missing,
 * and `STORE_IO_FAILED` where the filesystem fails.
 */
export interface Store {
  /** Absolute path of the data root. */
  readonly root: string;
  /** Every path of the format, for those who read files of the store themselves. */
  readonly layout: Layout;
  /** A layer; undefined when it is absent, or unreadable in a way that makes dockerd skip it. */
  layer(chainId: ChainId): Promise<LayerRecord | undefined>;
  /** A layer and all layers below it, base first; undefined as {@link layer} is. */
  layerChain(top: ChainId): Promise<LayerRecord[] | undefined>;
  /** Every layer in the store that was unpacked from this tar, under any parent. Reads all of `layerdb`. */
  chainsOf(diffId: DiffId): Promise<ChainId[]>;
  /** The diff ID noted for a blob. A hint: whoever relies on it has to check. */
  diffIdOf(digest: Digest): Promise<DiffId | undefined>;
  /** An image's config, with the digest it is filed under; undefined when absent or damaged. */
  imageConfig(imageId: ImageId): Promise<Buffer | undefined>;
  /**
   * The image behind a familiar reference with tag or digest.
   * @throws TpullError `REPOSITORIES_INVALID`
   */
  reference(familiarName: string): Promise<ImageId | undefined>;
  /**
   * All names: familiar repository, then reference, then image.
   * @throws TpullError `REPOSITORIES_INVALID`
   */
  references(): Promise<Map<string, Map<string, ImageId>>>;
  /** Where the parts of a layer lie from which its tar can be put together again. */
  storedLayer(record: LayerRecord): StoredLayer;
  /** The directory in `overlay2` that holds a layer. */
  layerPath(cacheId: CacheId): string;
  /** Distribution digests a layer's tar was fetched as, the newest first. Hints, as {@link diffIdOf}. */
  originsOf(diffId: DiffId, repository?: string): Promise<Digest[]>;
  /** The blobs of which something is here that no image uses yet: a part, or the layer. Hints. */
  leftBlobs(): Promise<Set<Digest>>;
  /**
   * Asks whether {@link beginWrite} would be refused, without changing anything.
   * @returns what is doubtful but no reason to refuse
   */
  checkWritable(): Promise<StoreWarning[]>;
  /** See {@link beginWrite} of the writer for what it refuses. */
  beginWrite(options?: WriteOptions): Promise<StoreWriter>;
}

/**
 * Opens a data root. An absent one reads as an empty store and is made when
 * something is first written.
 */
export async function openStore(root: string): Promise<Store> {
  return new DataRoot(new Layout(resolve(root)));
}

class DataRoot implements Store {
  readonly layout: Layout;

  constructor(layout: Layout) {
    this.layout = layout;
  }

  get root(): string {
    return this.layout.root;
  }

  async layer(chainId: ChainId): Promise<LayerRecord | undefined> {
    return (await this.layerChain(chainId))?.at(-1);
  }

  layerChain(top: ChainId): Promise<LayerRecord[] | undefined> {
    return this.#reading(() => readChain(this.layout, top));
  }

  chainsOf(diffId: DiffId): Promise<ChainId[]> {
    return this.#reading(() => chainsOfDiff(this.layout, diffId));
  }

  diffIdOf(digest: Digest): Promise<DiffId | undefined> {
    return this.#reading(() => readDiffId(this.layout, digest));
  }

  imageConfig(imageId: ImageId): Promise<Buffer | undefined> {
    return this.#reading(() => readImageConfig(this.layout, imageId));
  }

  async reference(familiarName: string): Promise<ImageId | undefined> {
    const references = await this.references();
    return references.get(repositoryOf(familiarName))?.get(familiarName);
  }

  references(): Promise<Map<string, Map<string, ImageId>>> {
    return this.#reading(() => validReferences(readRepositories(this.layout)));
  }

  storedLayer({ chainId, cacheId }: LayerRecord): StoredLayer {
    return {
      diffDirectory: this.layout.cacheFile(cacheId, "diff"),
      tarSplitPath: this.layout.layerFile(chainId, "tarSplit"),
    };
  }

  layerPath(cacheId: CacheId): string {
    return this.layout.cache(cacheId);
  }

  originsOf(diffId: DiffId, repository?: string): Promise<Digest[]> {
    return this.#reading(() => readOrigins(this.layout, diffId, repository));
  }

  leftBlobs(): Promise<Set<Digest>> {
    const { layout } = this;
    return this.#reading(
      () =>
        new Set([
          ...listPartials(this.root).map(({ digest }) => digest),
          ...blobsStaged(layout),
          ...blobsUnused(layout),
        ]),
    );
  }

  async checkWritable(): Promise<StoreWarning[]> {
    const warnings = await checkRoot(this.layout);
    await checkRootLock(this.layout.lockFile);
    return warnings;
  }

  beginWrite(options: WriteOptions = {}): Promise<StoreWriter> {
    return beginWrite(this.layout, options);
  }

  #reading<T>(work: () => T): Promise<T> {
    return attempt(`read the data root ${this.root}`, work, "read");
  }
}
