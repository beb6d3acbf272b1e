/** What a registry has of an image, made of what a data root has of it. */
import {
  digestOf,
  isTpullError,
  type ImageId,
  type LayerRebuilder,
  type LayerRecord,
  type Store,
} from "../../store/index.js";
import type { StoredImage } from "../../store/survey/survey.js";
import {
  DamagedContentError,
  type ServedBlob,
  type ServedManifest,
} from "./content.js";
import { RebuiltLayers } from "./rebuilt-layers.js";

// docker's own types and not OCI's, because the configs are docker's: some
// clients leave out of a config what OCI does not know, health checks for one.
const MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG_TYPE = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar";

/** Makes manifests, configs and layers, and remembers what never changes. */
export class RootImages {
  readonly #store: Store;
  readonly #rebuilder: LayerRebuilder;
  readonly #layers: RebuiltLayers;
  readonly #complain: (message: string) => void;
  /** By chain ID: the same tar may be recorded differently on another parent. */
  readonly #sizes = new Map<string, Promise<number>>();
  readonly #manifests = new Map<ImageId, Promise<ServedManifest | undefined>>();

  constructor(
    store: Store,
    rebuilder: LayerRebuilder,
    complain: (message: string) => void,
  ) {
    this.#store = store;
    this.#rebuilder = rebuilder;
    this.#complain = complain;
    this.#layers = new RebuiltLayers(rebuilder, ({ diffId }, message) => {
      complain(`${diffId} cannot be served from ${store.root}: ${message}`);
    });
  }

  /**
   * The image's manifest; undefined when its config has gone.
   * @throws DamagedContentError when a layer's record cannot be read
   */
  manifest(image: StoredImage): Promise<ServedManifest | undefined> {
    let manifest = this.#manifests.get(image.id);
    if (manifest === undefined) {
      manifest = this.#make(image).then(
        (made) => {
          if (made === undefined) this.#manifests.delete(image.id);
          return made;
        },
        (error: unknown) => {
          this.#manifests.delete(image.id);
          throw error;
        },
      );
      this.#manifests.set(image.id, manifest);
    }
    return manifest;
  }

  async #make({
    id,
    layers,
    tags,
  }: StoredImage): Promise<ServedManifest | undefined> {
    const config = await this.#store.imageConfig(id);
    if (config === undefined) return undefined;
    let sizes: number[];
    try {
      sizes = await Promise.all(layers.map((layer) => this.#size(layer)));
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#complain(
        `${tags[0] ?? id} cannot be served from ${this.#store.root}: ${error.message}`,
      );
      throw new DamagedContentError(error.message);
    }
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: { mediaType: CONFIG_TYPE, size: config.byteLength, digest: id },
      layers: layers.map(({ diffId }, at) => ({
        mediaType: LAYER_TYPE,
        size: sizes[at],
        digest: diffId,
      })),
    };
    const bytes = Buffer.from(JSON.stringify(manifest));
    return { digest: digestOf(bytes), mediaType: MANIFEST_TYPE, bytes };
  }

  #size(layer: LayerRecord): Promise<number> {
    const { chainId } = layer;
    let size = this.#sizes.get(chainId);
    if (size === undefined) {
      size = this.#rebuilder.size(this.#store.storedLayer(layer));
      size.catch(() => this.#sizes.delete(chainId));
      this.#sizes.set(chainId, size);
    }
    return size;
  }

  /** @throws DamagedContentError */
  async layer(layer: LayerRecord): Promise<ServedBlob> {
    let size: number;
    try {
      size = await this.#size(layer);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#complain(`${layer.diffId} cannot be served: ${error.message}`);
      throw new DamagedContentError(error.message);
    }
    const { chainId, cacheId, diffId } = layer;
    return this.#layers.blob({
      key: `${chainId} ${cacheId}`,
      layer: this.#store.storedLayer(layer),
      size,
      diffId,
    });
  }

  async config(id: ImageId): Promise<ServedBlob | undefined> {
    const bytes = await this.#store.imageConfig(id);
    if (bytes === undefined) return undefined;
    return {
      size: bytes.byteLength,
      open: async function* part(start, end) {
        yield bytes.subarray(start, end);
      },
    };
  }
}

function isDamage(error: unknown): error is Error {
  return isTpullError(error) && error.code === "LAYER_DAMAGED";
}
