/** What registries say of the pulls that are left, gathered over a run. */
import { around } from "./registry/around.js";
import type {
  RateLimit,
  RegistryClient,
  Repository,
} from "./registry/client.js";

export class RateLimits {
  readonly #lowest = new Map<string, RateLimit>();

  /** The same client, whose replies are read for limits. */
  watch(client: RegistryClient): RegistryClient {
    return around(client, {
      head: async (repository, item, options) => {
        const head = await client.head(repository, item, options);
        this.#note(repository, head?.rateLimit);
        return head;
      },
      manifest: async (repository, item, options) => {
        const found = await client.manifest(repository, item, options);
        this.#note(repository, found.rateLimit);
        return found;
      },
    });
  }

  /** By registry, the lowest number of each. */
  get all(): ReadonlyMap<string, RateLimit> {
    return this.#lowest;
  }

  #note({ registry }: Repository, limit: RateLimit | undefined): void {
    if (limit === undefined) return;
    const known = this.#lowest.get(registry);
    // Replies may come in another order than they were counted in.
    if (known === undefined || limit.remaining < known.remaining) {
      this.#lowest.set(registry, limit);
    }
  }
}
