/** Asking registries for no document twice in a run. */
import { around } from "../registry/around.js";
import type { RegistryClient } from "../registry/client.js";

/**
 * The same client, which remembers manifests, indexes and small blobs. What a
 * tag means is settled with the first answer. A blob that a manifest names by
 * its digest is the same wherever it lies; that a repository has a manifest is
 * for the repository itself to say.
 */
export function askedOnce(client: RegistryClient): RegistryClient {
  const manifests = new Answers<Awaited<ReturnType<typeof client.manifest>>>();
  const blobs = new Answers<Buffer>();
  return around(client, {
    manifest: async (repository, item, options) => {
      const size = options?.expected?.size;
      const { registry, repository: path } = repository;
      const found = await manifests.of(`${registry}/${path} ${item}`, () =>
        client.manifest(repository, item, options),
      );
      // What a descriptor says wrongly is for the client to tell.
      return size === undefined || size === found.bytes.length
        ? found
        : client.manifest(repository, item, options);
    },
    bytes: async (repository, descriptor, options) => {
      const ask = (): Promise<Buffer> =>
        client.bytes(repository, descriptor, options);
      const found = await blobs.of(descriptor.digest, ask);
      return found.length === descriptor.size ? found : ask();
    },
  });
}

/** Answers by what was asked for; a failure is none. */
class Answers<Answer> {
  readonly #known = new Map<string, Promise<Answer>>();

  async of(key: string, ask: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      const before = this.#known.get(key);
      if (before === undefined) break;
      try {
        return await before;
      } catch {
        // Who asked may have been stopped, or refused: everybody asks for himself.
        if (this.#known.get(key) === before) this.#known.delete(key);
      }
    }
    const asked = ask();
    this.#known.set(key, asked);
    try {
      return await asked;
    } catch (error) {
      if (this.#known.get(key) === asked) this.#known.delete(key);
      throw error;
    }
  }
}
