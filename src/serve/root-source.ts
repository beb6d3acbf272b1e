/**
 * Images of a data root. The root keeps unpacked files, not what a registry
 * sent, so their layers are put together again from their archive records, as
 * uncompressed tars: these have the diff ID for a digest. The manifests are made
 * here, and are the same each time. Read without locks, and followed as it
 * changes.
 */
import {
  digestOf,
  isTpullError,
  openStore,
  parseReference,
  type DiffId,
  type Digest,
  type ImageId,
  type LayerRecord,
  type Store,
} from "../../store/index.js";
import { LayerRebuilder } from "../../store/rebuild/rebuilder.js";
import {
  stateOf,
  surveyed,
  type StoredImage,
  type Survey,
} from "../../store/survey/survey.js";
import type {
  ManifestReference,
  Referrer,
  Repository,
  ServedBlob,
  ServedManifest,
} from "./content.js";
import { Refreshed } from "./refreshed.js";
import type { NamedRepository, OnServeWarning, Source } from "./source.js";
import { RebuiltLayers } from "./rebuilt-layers.js";

// docker's own types and not OCI's, because the configs are docker's: some
// clients leave out of a config what OCI does not know, health checks for one.
const MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG_TYPE = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar";

interface Seen {
  readonly repositories: ReadonlyMap<string, readonly NamedRepository[]>;
}

/**
 * Opens a data root. One that is absent is empty.
 * @throws TpullError `ROOT_NOT_READABLE`, `STORE_IO_FAILED`
 */
export async function openRoot(
  root: string,
  onWarning?: OnServeWarning,
): Promise<Source> {
  const store = await openStore(root);
  const said = new Set<string>();
  const complain = (message: string): void => {
    if (said.has(message)) return;
    said.add(message);
    onWarning?.({ code: "SERVE_SOURCE_DAMAGED", message });
  };
  const rebuilder = new LayerRebuilder();
  const bakery = new Bakery(store, rebuilder, complain);
  const seen = await Refreshed.begin<Seen>({
    state: async () => stateOf(store.layout),
    load: async () => {
      const { result, damage } = await surveyed(store, namedImages);
      for (const { message } of damage) complain(message);
      return { repositories: repositoriesOf(result, bakery) };
    },
    onFailure: (error) => {
      const { message } = error as Error;
      complain(`${message}; what was there before is served on`);
    },
  });
  return {
    repositories: async () => (await seen.get()).repositories,
    close: async () => await rebuilder[Symbol.asyncDispose](),
  };
}

/** Every image that has a tag, under each of them. */
function namedImages(survey: Survey): [reference: string, StoredImage][] {
  const found: [string, StoredImage][] = [];
  for (const references of survey.references.values()) {
    for (const [reference, id] of references) {
      const image = reference.includes("@") ? undefined : survey.image(id);
      if (image !== undefined) found.push([reference, image]);
    }
  }
  return found;
}

function repositoriesOf(
  images: readonly [string, StoredImage][],
  bakery: Bakery,
): Map<string, NamedRepository[]> {
  const repositories = new Map<string, NamedRepository[]>();
  const tags = new Map<NamedRepository, Map<string, StoredImage>>();
  for (const [reference, image] of images) {
    let parsed;
    try {
      parsed = parseReference(reference);
    } catch (error) {
      // A name that docker would not have written.
      if (isTpullError(error)) continue;
      throw error;
    }
    const { registry, repository: path, tag = "latest" } = parsed;
    const host = registry.toLowerCase();
    let named = repositories.get(path)?.find((one) => one.host === host);
    if (named === undefined) {
      const tagged = new Map<string, StoredImage>();
      named = { host, repository: new RootRepository(tagged, bakery) };
      tags.set(named, tagged);
      const others = repositories.get(path);
      if (others === undefined) repositories.set(path, [named]);
      else others.push(named);
    }
    tags.get(named)?.set(tag, image);
  }
  return repositories;
}

/** Makes what a registry has of what a root has, and remembers it: it never changes. */
class Bakery {
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

  /** The image's manifest; undefined when a layer's record cannot be read. */
  manifest(image: StoredImage): Promise<ServedManifest | undefined> {
    let manifest = this.#manifests.get(image.id);
    if (manifest === undefined) {
      manifest = this.#bake(image).then(
        (baked) => {
          if (baked === undefined) this.#manifests.delete(image.id);
          return baked;
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

  async #bake({
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
      return undefined;
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

  async layer(layer: LayerRecord): Promise<ServedBlob | undefined> {
    let size: number;
    try {
      size = await this.#size(layer);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#complain(`${layer.diffId} cannot be served: ${error.message}`);
      return undefined;
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

class RootRepository implements Repository {
  readonly #tagged: ReadonlyMap<string, StoredImage>;
  readonly #bakery: Bakery;

  constructor(tagged: ReadonlyMap<string, StoredImage>, bakery: Bakery) {
    this.#tagged = tagged;
    this.#bakery = bakery;
  }

  async manifest(
    reference: ManifestReference,
  ): Promise<ServedManifest | undefined> {
    if ("tag" in reference) {
      const image = this.#tagged.get(reference.tag);
      return image && (await this.#bakery.manifest(image));
    }
    for (const image of this.#images()) {
      const manifest = await this.#bakery.manifest(image);
      if (manifest?.digest === reference.digest) return manifest;
    }
    return undefined;
  }

  async blob(digest: Digest): Promise<ServedBlob | undefined> {
    for (const { id, layers } of this.#images()) {
      if ((id as string) === digest) return await this.#bakery.config(id);
      const diffId = digest as string as DiffId;
      const layer = layers.find((one) => one.diffId === diffId);
      if (layer !== undefined) return await this.#bakery.layer(layer);
    }
    return undefined;
  }

  async tags(): Promise<readonly string[]> {
    return [...this.#tagged.keys()];
  }

  /** A root keeps images only. */
  async referrers(): Promise<readonly Referrer[]> {
    return [];
  }

  #images(): ReadonlySet<StoredImage> {
    return new Set(this.#tagged.values());
  }
}
