/**
 * Images of a data root. The root keeps unpacked files, not what a registry
 * sent, so their layers are put together again from their archive records, as
 * uncompressed tars: these have the diff ID for a digest. The manifests are made
 * here, and are the same each time. Read without locks, and followed as it
 * changes.
 */
import {
  isTpullError,
  openStore,
  parseReference,
  type DiffId,
  type Digest,
  LayerRebuilder,
} from "../../store/index.js";
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
import { RootImages } from "./root-images.js";

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
  const made = new RootImages(store, rebuilder, complain);
  const seen = await Refreshed.begin<Seen>({
    state: async () => stateOf(store.layout),
    load: async () => {
      const { result, damage } = await surveyed(store, namedImages);
      for (const { message } of damage) complain(message);
      return { repositories: repositoriesOf(result, made) };
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
  made: RootImages,
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
      named = { host, repository: new RootRepository(tagged, made) };
      tags.set(named, tagged);
      const others = repositories.get(path);
      if (others === undefined) repositories.set(path, [named]);
      else others.push(named);
    }
    tags.get(named)?.set(tag, image);
  }
  return repositories;
}

class RootRepository implements Repository {
  readonly #tagged: ReadonlyMap<string, StoredImage>;
  readonly #made: RootImages;

  constructor(tagged: ReadonlyMap<string, StoredImage>, made: RootImages) {
    this.#tagged = tagged;
    this.#made = made;
  }

  async manifest(
    reference: ManifestReference,
  ): Promise<ServedManifest | undefined> {
    if ("tag" in reference) {
      const image = this.#tagged.get(reference.tag);
      return image && (await this.#made.manifest(image));
    }
    for (const image of this.#images()) {
      const manifest = await this.#made.manifest(image);
      if (manifest?.digest === reference.digest) return manifest;
    }
    return undefined;
  }

  async blob(digest: Digest): Promise<ServedBlob | undefined> {
    for (const { id, layers } of this.#images()) {
      if ((id as string) === digest) return await this.#made.config(id);
      const diffId = digest as string as DiffId;
      const layer = layers.find((one) => one.diffId === diffId);
      if (layer !== undefined) return await this.#made.layer(layer);
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
