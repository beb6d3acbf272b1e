/** As which blobs, and where, a layer can be fetched. */
import { keptBlob } from "../blobs/kept-blobs.js";
import { type DiffId, type Digest, type ImageId, isDigest } from "../digest.js";
import { parseV2Metadata, readDiffId } from "../distribution.js";
import { readImageConfig } from "../images.js";
import type { Layout } from "../layout.js";
import {
  keptManifest,
  type ManifestHint,
  manifestHint,
  readManifestHint,
} from "../manifests.js";
import { readNames, readText } from "../read.js";
import {
  canonicalName,
  canonicalRepository,
  parseReference,
  type Reference,
} from "../reference/reference.js";
import { readRepositories, validReferences } from "../repositories.js";
import { parseStoredConfig, text } from "../survey/image-config.js";
import type { KnownLayer, KnownLayers } from "./known-layers.js";
import type { BlobPlace, BlobSupplier } from "./repair-types.js";

/** Manifests that the supplier was asked for, each once in a repair. */
export type AskedManifests = Map<ImageId, Promise<Found | undefined>>;

export class BlobPlaces {
  readonly #layout: Layout;
  readonly #known: KnownLayers;
  readonly #supplier: BlobSupplier | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #asked: AskedManifests;
  #references: Map<ImageId, Reference[]> | undefined;

  constructor(
    layout: Layout,
    known: KnownLayers,
    supplier: BlobSupplier | undefined,
    asked: AskedManifests,
    signal: AbortSignal | undefined,
  ) {
    this.#layout = layout;
    this.#asked = asked;
    this.#known = known;
    this.#supplier = supplier;
    this.#signal = signal;
  }

  /** What is noted in the root: the newest note first, then what kept manifests and the images' names say. */
  noted(layer: KnownLayer): BlobPlace[] {
    const { diffId, chainId } = layer;
    const images = this.#known.imagesOf(chainId);
    const sizes = new Map<Digest, number>();
    const hinted: BlobPlace[] = [];
    for (const imageId of images) {
      const hint = readManifestHint(this.#layout, imageId);
      const blob = hint?.layers[this.#depthOf(layer)];
      if (blob === undefined) continue;
      sizes.set(blob.digest, blob.size);
      for (const repository of this.repositoriesOf(imageId)) {
        hinted.push({ digest: blob.digest, repository });
      }
    }
    const recorded = parseV2Metadata(
      readText(this.#layout.v2MetadataOf(diffId)) ?? "",
    )
      .toReversed()
      .map(({ Digest: digest, SourceRepository: repository }) => ({
        digest: digest as Digest,
        repository,
      }));
    const places = [...recorded, ...hinted];
    if (places.length === 0) {
      const repositories = images.flatMap((id) => this.repositoriesOf(id));
      for (const digest of this.#blobsOf(diffId)) {
        for (const repository of repositories) {
          places.push({ digest, repository });
        }
      }
    }
    return unique(places).map((place) => ({
      ...place,
      size: sizes.get(place.digest),
    }));
  }

  /** The blobs of a layer that pulls have kept here, as its images' manifests and the notes have them. */
  kept(layer: KnownLayer): Digest[] {
    const hinted = this.#known.imagesOf(layer.chainId).flatMap((imageId) => {
      const hint = readManifestHint(this.#layout, imageId);
      return hint?.layers[this.#depthOf(layer)]?.digest ?? [];
    });
    const noted = this.noted(layer).map(({ digest }) => digest);
    return [...new Set([...hinted, ...noted])].filter(
      (digest) => keptBlob(this.#layout, digest) !== undefined,
    );
  }

  /** What the manifests say to which the images' names lead. Asks the supplier, once for each image. */
  async asked(layer: KnownLayer): Promise<BlobPlace[]> {
    const places: BlobPlace[] = [];
    for (const imageId of this.#known.imagesOf(layer.chainId)) {
      const found = await this.manifestOf(imageId);
      const blob = found?.hint.layers[this.#depthOf(layer)];
      if (found === undefined || blob === undefined) continue;
      const { digest, size } = blob;
      places.push({ digest, size, repository: found.repository });
    }
    return unique(places);
  }

  /**
   * The manifest of an image, as the supplier finds it.
   * @throws TpullError what the supplier throws
   */
  manifestOf(imageId: ImageId): Promise<Found | undefined> {
    const before = this.#asked.get(imageId);
    if (before !== undefined) return before;
    const asking = this.#ask(imageId);
    this.#asked.set(imageId, asking);
    return asking;
  }

  async #ask(imageId: ImageId): Promise<Found | undefined> {
    const pulled = new Set(this.repositoriesOf(imageId));
    const references = this.referencesOf(imageId).filter((one) =>
      pulled.has(canonicalRepository(one)),
    );
    if (this.#supplier === undefined || references.length === 0) {
      return undefined;
    }
    const bytes = readImageConfig(this.#layout, imageId);
    const config = bytes && parseStoredConfig(bytes);
    if (config === undefined) return undefined;
    const { json, diffIds } = config;
    const platform = {
      os: text(json, "os"),
      architecture: text(json, "architecture"),
    };
    const found = await this.#supplier.manifest(
      { imageId, references: references.map(canonicalName), platform },
      { signal: this.#signal },
    );
    if (found === undefined) return undefined;
    const hint = manifestHint(found.bytes, imageId, diffIds.length);
    return hint && { hint, repository: found.repository };
  }

  /**
   * Canonical repositories that an image was pulled from: there its names have a
   * digest. One that was built or loaded here has tags only, and its name is no
   * registry's business. Without a name, those that its blobs are noted for.
   */
  repositoriesOf(imageId: ImageId): string[] {
    const references = this.referencesOf(imageId);
    const named = references.flatMap((one) =>
      one.digest === undefined ? [] : canonicalRepository(one),
    );
    if (named.length > 0) return [...new Set(named)];
    const kept = keptManifest(this.#layout, imageId);
    const noted = (kept?.layers ?? []).flatMap(({ digest }) => {
      const diffId = readDiffId(this.#layout, digest);
      const path = diffId && this.#layout.v2MetadataOf(diffId);
      return parseV2Metadata((path && readText(path)) ?? "")
        .filter((entry) => entry.Digest === digest)
        .map(({ SourceRepository }) => SourceRepository)
        .toReversed();
    });
    return [...new Set(noted)];
  }

  /** An image's names, those with a digest first: they cannot have moved on. */
  referencesOf(imageId: ImageId): Reference[] {
    this.#references ??= readReferences(this.#layout);
    return this.#references.get(imageId) ?? [];
  }

  #depthOf({ parent }: KnownLayer): number {
    return [...this.#known.downFrom(parent)].length;
  }

  /** Blobs that are noted to be this layer. */
  #blobsOf(diffId: DiffId): Digest[] {
    return readNames(this.#layout.diffIdByDigest)
      .map((name) => `sha256:${name}`)
      .filter(isDigest)
      .filter(
        (digest) => readText(this.#layout.diffIdOf(digest))?.trim() === diffId,
      );
  }
}

/** A manifest, and where it was found. */
export interface Found {
  readonly hint: ManifestHint;
  readonly repository: string;
}

function unique(places: readonly BlobPlace[]): BlobPlace[] {
  const found = new Map<string, BlobPlace>();
  for (const place of places) {
    const key = `${place.repository}@${place.digest}`;
    if (!found.has(key)) found.set(key, place);
  }
  return [...found.values()];
}

/** The names of all images, as far as they can be read; those with a digest first. */
export function readReferences(layout: Layout): Map<ImageId, Reference[]> {
  const found = new Map<ImageId, Reference[]>();
  let names: ReturnType<typeof validReferences>;
  try {
    names = validReferences(readRepositories(layout));
  } catch {
    return found; // malformed
  }
  for (const references of names.values()) {
    for (const [name, imageId] of references) {
      const reference = parsed(name);
      if (reference === undefined) continue;
      found.set(imageId, [...(found.get(imageId) ?? []), reference]);
    }
  }
  for (const list of found.values()) {
    list.sort(
      (a, b) => Number(b.digest !== undefined) - Number(a.digest !== undefined),
    );
  }
  return found;
}

function parsed(name: string): Reference | undefined {
  try {
    return parseReference(name);
  } catch {
    return undefined;
  }
}
