/**
 * Images of a data root. Those of which all blobs are kept are served as their
 * registry has them. Of others the root has unpacked files, not what a registry
 * sent, so their layers are put together again from their archive records, as
 * uncompressed tars: these have the diff ID for a digest. The manifests are made
 * here, and are the same each time. Read without locks, and followed as it
 * changes.
 */
import {
  familiarRepository,
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
import {
  DamagedContentError,
  type ManifestReference,
  type Referrer,
  type Repository,
  type ServedBlob,
  type ServedManifest,
} from "./content.js";
import { Refreshed } from "./refreshed.js";
import type { NamedRepository, OnServeWarning, Source } from "./source.js";
import { OriginalImages } from "./original-images.js";
import { requireRoot } from "./required-root.js";
import { RootImages } from "./root-images.js";

interface Seen {
  readonly images: ReadonlySet<StoredImage>;
  readonly repositories: ReadonlyMap<string, readonly NamedRepository[]>;
}

/**
 * Opens a data root. One that goes away later is empty until it is back.
 * @throws TpullError `ROOT_NOT_FOUND`, `ROOT_NOT_A_DIRECTORY`,
 *   `ROOT_NOT_READABLE`, `STORE_IO_FAILED`
 */
export async function openRoot(
  root: string,
  onWarning?: OnServeWarning,
): Promise<Source> {
  await requireRoot(root);
  const store = await openStore(root);
  const said = new Set<string>();
  const complain = (message: string): void => {
    if (said.has(message)) return;
    said.add(message);
    onWarning?.({ code: "SERVE_SOURCE_DAMAGED", message });
  };
  const rebuilder = new LayerRebuilder();
  const made = new RootImages(store, rebuilder, complain);
  const originals = new OriginalImages(store.layout, complain);
  const seen = await Refreshed.begin<Seen>({
    state: async () => stateOf(store.layout),
    load: async () => {
      const { result, damage } = await surveyed(store, namedImages);
      for (const { message } of damage) complain(message);
      const tagged = result.filter(([name]) => !name.includes("@"));
      const images = new Set(tagged.map(([, image]) => image));
      const repositories = await repositoriesOf(result, made, originals);
      return { images, repositories };
    },
    onFailure: (error) => {
      const { message } = error as Error;
      complain(`${message}; what was there before is served on`);
    },
  });
  await tellRebuilt(root, seen.last.images, originals, onWarning);
  return {
    repositories: async () => (await seen.get()).repositories,
    close: async () => await rebuilder[Symbol.asyncDispose](),
  };
}

/** Says whose digests are not those of their registries. */
async function tellRebuilt(
  root: string,
  images: ReadonlySet<StoredImage>,
  originals: OriginalImages,
  onWarning: OnServeWarning | undefined,
): Promise<void> {
  const rebuilt: StoredImage[] = [];
  for (const image of images) {
    if (!(await originals.has(image))) rebuilt.push(image);
  }
  if (rebuilt.length === 0 && images.size > 0) return;
  const [first] = rebuilt;
  const which =
    rebuilt.length === images.size
      ? "images"
      : `${rebuilt.length} of ${images.size} images (${first?.tags[0] ?? ""}${rebuilt.length > 1 ? " …" : ""})`;
  onWarning?.({
    code: "SERVE_REBUILT",
    message: `${which} from ${root} are served with uncompressed layers and manifests of their own: pull them by tag, their digests are not those of the registry they came from`,
  });
}

/** Every image that has a name, under each of them. */
function namedImages(survey: Survey): [reference: string, StoredImage][] {
  const found: [string, StoredImage][] = [];
  for (const references of survey.references.values()) {
    for (const [reference, id] of references) {
      const image = survey.image(id);
      if (image !== undefined) found.push([reference, image]);
    }
  }
  return found;
}

async function repositoriesOf(
  images: readonly [string, StoredImage][],
  made: RootImages,
  originals: OriginalImages,
): Promise<Map<string, NamedRepository[]>> {
  const repositories = new Map<string, NamedRepository[]>();
  const known = new Map<NamedRepository, RootRepository>();
  for (const [name, image] of images) {
    let reference;
    try {
      reference = parseReference(name);
    } catch (error) {
      // A name that docker would not have written.
      if (isTpullError(error)) continue;
      throw error;
    }
    const { registry, repository: path, tag, digest } = reference;
    // By a digest there is only what has that digest.
    if (digest !== undefined && !(await originals.has(image))) continue;
    const host = registry.toLowerCase();
    let named = repositories.get(path)?.find((one) => one.host === host);
    if (named === undefined) {
      const familiar = familiarRepository(reference);
      const repository = new RootRepository(familiar, made, originals);
      named = { host, repository };
      known.set(named, repository);
      const others = repositories.get(path);
      if (others === undefined) repositories.set(path, [named]);
      else others.push(named);
    }
    known
      .get(named)
      ?.add(image, digest === undefined ? (tag ?? "latest") : undefined);
  }
  return repositories;
}

class RootRepository implements Repository {
  readonly #name: string;
  readonly #tagged = new Map<string, StoredImage>();
  /** With and without a tag. */
  readonly #all = new Set<StoredImage>();
  readonly #made: RootImages;
  readonly #originals: OriginalImages;

  /** @param name familiar, as the images' names have it */
  constructor(name: string, made: RootImages, originals: OriginalImages) {
    this.#name = name;
    this.#made = made;
    this.#originals = originals;
  }

  add(image: StoredImage, tag: string | undefined): void {
    this.#all.add(image);
    if (tag !== undefined) this.#tagged.set(tag, image);
  }

  async manifest(
    reference: ManifestReference,
  ): Promise<ServedManifest | undefined> {
    return "tag" in reference
      ? await this.#byTag(reference.tag)
      : await this.#byDigest(reference.digest);
  }

  async filed(
    reference: ManifestReference,
  ): Promise<ServedManifest | undefined> {
    const name = this.#name;
    if ("tag" in reference) {
      const image = this.#tagged.get(reference.tag);
      return image && (await this.#originals.tagged(image, name));
    }
    for (const image of this.#all) {
      const { digest } = reference;
      const found = await this.#originals.document(image, name, digest);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #byTag(tag: string): Promise<ServedManifest | undefined> {
    const image = this.#tagged.get(tag);
    if (image === undefined) return undefined;
    const original = await this.#originals.tagged(image, this.#name);
    return original ?? (await this.#made.manifest(image));
  }

  async #byDigest(digest: Digest): Promise<ServedManifest | undefined> {
    const found = await this.filed({ digest });
    if (found !== undefined) return found;
    let damage: DamagedContentError | undefined;
    for (const image of this.#images()) {
      try {
        const manifest = await this.#made.manifest(image);
        if (manifest?.digest === digest) return manifest;
      } catch (error) {
        if (!(error instanceof DamagedContentError)) throw error;
        damage ??= error;
      }
    }
    // It may have been this one's.
    if (damage !== undefined) throw damage;
    return undefined;
  }

  async blob(digest: Digest): Promise<ServedBlob | undefined> {
    let damage: DamagedContentError | undefined;
    try {
      const original = await this.#originals.blob(this.#all, digest);
      if (original !== undefined) return original;
    } catch (error) {
      if (!(error instanceof DamagedContentError)) throw error;
      damage = error;
    }
    // One that is not compressed can be put together from its files, too.
    for (const { id, layers } of this.#all) {
      if ((id as string) === digest) return await this.#made.config(id);
      const diffId = digest as string as DiffId;
      const layer = layers.find((one) => one.diffId === diffId);
      if (layer !== undefined) return await this.#made.layer(layer);
    }
    if (damage !== undefined) throw damage;
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
