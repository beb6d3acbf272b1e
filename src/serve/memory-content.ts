/** Content that was made in this process and lives in its memory. */
import { digestOf, TpullError } from "../../store/index.js";
import type { Digest } from "../../store/index.js";
import type {
  Content,
  Referrer,
  Repository,
  ServedManifest,
} from "./content.js";
import { checkRepositoryName, isTag } from "./names.js";

/** Small enough that a slow client's connection buffers little of a blob. */
const CHUNK_BYTES = 64 * 1024;

export interface MemoryContent extends Content {
  /**
   * Adds a config or layer to a repository and returns its digest. The bytes
   * are kept, not copied, and must not change afterwards.
   * @throws TpullError `REPOSITORY_INVALID`
   */
  addBlob(repository: string, bytes: Uint8Array): Digest;
  /**
   * Adds a manifest or index, of which the same holds.
   * @throws TpullError `REPOSITORY_INVALID`
   */
  addManifest(repository: string, bytes: Uint8Array, mediaType: string): Digest;
  /**
   * Lets a tag name a manifest that was added before; moves a tag that exists.
   * @throws TpullError `REPOSITORY_INVALID`, `TAG_INVALID`, `MANIFEST_UNKNOWN`
   */
  addTag(repository: string, tag: string, digest: Digest): void;
}

/** Empty content, to be filled by its `add…` methods. */
export function memoryContent(): MemoryContent {
  const repositories = new Map<string, MemoryRepository>();

  function repositoryOf(name: string): MemoryRepository {
    checkRepositoryName(name);
    let repository = repositories.get(name);
    if (repository === undefined) {
      repository = new MemoryRepository();
      repositories.set(name, repository);
    }
    return repository;
  }

  return {
    addBlob(name, bytes) {
      const digest = digestOf(bytes);
      repositoryOf(name).blobs.set(digest, bytes);
      return digest;
    },
    addManifest(name, bytes, mediaType) {
      const digest = digestOf(bytes);
      repositoryOf(name).manifests.set(digest, { digest, mediaType, bytes });
      return digest;
    },
    addTag(name, tag, digest) {
      if (!isTag(tag)) {
        throw new TpullError(
          "TAG_INVALID",
          `${JSON.stringify(tag.slice(0, 140))} is not a tag`,
        );
      }
      const repository = repositoryOf(name);
      if (!repository.manifests.has(digest)) {
        throw new TpullError(
          "MANIFEST_UNKNOWN",
          `tag ${tag} of ${name}: there is no manifest ${digest}`,
        );
      }
      repository.tagged.set(tag, digest);
    },
    async repository(name) {
      return repositories.get(name);
    },
    async repositories() {
      return [...repositories.keys()];
    },
  };
}

class MemoryRepository implements Repository {
  readonly blobs = new Map<Digest, Uint8Array>();
  readonly manifests = new Map<Digest, ServedManifest>();
  readonly tagged = new Map<string, Digest>();

  async manifest(
    reference: Parameters<Repository["manifest"]>[0],
  ): Promise<ServedManifest | undefined> {
    const digest =
      "tag" in reference ? this.tagged.get(reference.tag) : reference.digest;
    return digest === undefined ? undefined : this.manifests.get(digest);
  }

  async blob(digest: Digest): ReturnType<Repository["blob"]> {
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) return undefined;
    return {
      size: bytes.byteLength,
      open: (start, end) => chunksOf(bytes.subarray(start, end)),
    };
  }

  async tags(): Promise<readonly string[]> {
    return [...this.tagged.keys()];
  }

  /** What is made here refers to nothing. */
  async referrers(): Promise<readonly Referrer[]> {
    return [];
  }
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += CHUNK_BYTES) {
    yield bytes.subarray(at, at + CHUNK_BYTES);
  }
}
