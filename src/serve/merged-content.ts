/** Several sources as the content of one registry. */
import type { Digest } from "../../store/index.js";
import {
  type Content,
  DamagedContentError,
  type ManifestReference,
  type Referrer,
  type Repository,
  type ServedBlob,
  type ServedManifest,
} from "./content.js";
import type { NamedRepository, Source } from "./source.js";

/** The registry that Docker Hub's other names mean. */
const HUB = "docker.io";
const HUB_NAMES: ReadonlySet<string> = new Set([
  "index.docker.io",
  "registry-1.docker.io",
]);

/**
 * An image is found under its path, without its host. Where two hosts have the
 * same path, a namespace decides; without one, tags are those of the host that
 * comes first, and what is asked for by digest may be any one's. Images without
 * a host are found whatever the namespace.
 */
export function mergedContent(sources: readonly Source[]): Content {
  return {
    async repository(path, namespace) {
      const found = await namedSo(sources, path);
      const [first] = found;
      if (first === undefined) return undefined;
      if (namespace === undefined) {
        const same = found.filter(({ host }) => host === first.host);
        return new MergedRepository(same, found);
      }
      const host = hostOf(namespace);
      const own = found.filter((one) => one.host === host);
      const homeless = found.filter((one) => one.host === undefined);
      const fitting = [...own, ...homeless];
      return fitting.length === 0
        ? undefined
        : new MergedRepository(fitting, fitting);
    },
    async repositories(namespace) {
      const host = namespace === undefined ? undefined : hostOf(namespace);
      const paths = new Set<string>();
      for (const source of sources) {
        for (const [path, named] of await source.repositories()) {
          const fits = named.some(
            (one) =>
              host === undefined || one.host === undefined || one.host === host,
          );
          if (fits) paths.add(path);
        }
      }
      return [...paths];
    },
  };
}

/** All repositories of that path, in the order of the sources. */
export async function namedSo(
  sources: readonly Source[],
  path: string,
): Promise<NamedRepository[]> {
  const found: NamedRepository[] = [];
  for (const source of sources) {
    found.push(...((await source.repositories()).get(path) ?? []));
  }
  return found;
}

function hostOf(namespace: string): string {
  const host = namespace.toLowerCase();
  return HUB_NAMES.has(host) ? HUB : host;
}

/** Repositories of one path as one. */
export class MergedRepository implements Repository {
  readonly #tagged: readonly NamedRepository[];
  readonly #all: readonly NamedRepository[];

  /**
   * @param tagged whose tags count
   * @param all whose content counts
   */
  constructor(
    tagged: readonly NamedRepository[],
    all: readonly NamedRepository[],
  ) {
    this.#tagged = tagged;
    this.#all = all;
  }

  manifest(reference: ManifestReference): Promise<ServedManifest | undefined> {
    const among = "tag" in reference ? this.#tagged : this.#all;
    return first(among, ({ repository }) => repository.manifest(reference));
  }

  filed(reference: ManifestReference): Promise<ServedManifest | undefined> {
    const among = "tag" in reference ? this.#tagged : this.#all;
    return first(among, ({ repository }) =>
      repository.filed === undefined
        ? repository.manifest(reference)
        : repository.filed(reference),
    );
  }

  blob(digest: Digest): Promise<ServedBlob | undefined> {
    return first(this.#all, ({ repository }) => repository.blob(digest));
  }

  async tags(): Promise<readonly string[]> {
    const tags = new Set<string>();
    for (const { repository } of this.#tagged) {
      for (const tag of await repository.tags()) tags.add(tag);
    }
    return [...tags];
  }

  async referrers(subject: Digest): Promise<readonly Referrer[]> {
    const referrers = new Map<Digest, Referrer>();
    for (const { repository } of this.#all) {
      for (const referrer of await repository.referrers(subject)) {
        referrers.set(referrer.digest, referrer);
      }
    }
    return [...referrers.values()];
  }
}

/** The first answer. Damage counts only where nobody has the thing whole. */
async function first<One, Answer>(
  among: readonly One[],
  ask: (one: One) => Promise<Answer | undefined>,
): Promise<Answer | undefined> {
  let damage: DamagedContentError | undefined;
  for (const one of among) {
    try {
      const answer = await ask(one);
      if (answer !== undefined) return answer;
    } catch (error) {
      if (!(error instanceof DamagedContentError)) throw error;
      damage ??= error;
    }
  }
  if (damage !== undefined) throw damage;
  return undefined;
}
