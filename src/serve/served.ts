/** What is served, as people want to know it. */
import { MergedRepository, namedSo } from "./merged-content.js";
import { compareNames } from "./names.js";
import { heldOf, partialIndex } from "./partial-index.js";
import type { NamedRepository, OnServeWarning, Source } from "./source.js";

/** An image's place at the registry. */
export interface ServedRepository {
  /** Where it is pulled from: `library/nginx`. */
  readonly path: string;
  /** The registries that it came from, the one first that counts without `?ns=`. */
  readonly hosts: readonly string[];
  readonly tags: readonly string[];
}

/** What should be known of what is served, before somebody pulls it. */
export async function announce(
  sources: readonly Source[],
  onWarning: OnServeWarning | undefined,
): Promise<void> {
  const served = await servedBy(sources);
  if (served.length === 0) {
    onWarning?.({ code: "SERVE_EMPTY", message: "there is nothing to serve" });
  }
  await tellPartial(sources, served, onWarning);
  for (const { path, hosts } of served) {
    const [first, ...others] = hosts;
    if (others.length === 0) continue;
    onWarning?.({
      code: "SERVE_NAME_SHARED",
      message: `${path} is there from ${hosts.join(" and ")}: ?ns= decides, and without it ${first} counts`,
    });
  }
}

/** Says of which platforms images are there, where their indexes list more. */
async function tellPartial(
  sources: readonly Source[],
  served: readonly ServedRepository[],
  onWarning: OnServeWarning | undefined,
): Promise<void> {
  if (onWarning === undefined) return;
  for (const { path, tags } of served) {
    const named = await namedSo(sources, path);
    const repository = new MergedRepository(named, named);
    for (const tag of tags) {
      const partial = await partialIndex(repository, tag);
      if (partial === undefined) continue;
      const { size } = partial.absent;
      onWarning({
        code: "SERVE_PARTIAL",
        message: `of ${path}:${tag} there is only ${heldOf(partial)}: ${size} more ${size === 1 ? "image" : "images"} of its index cannot be pulled from here`,
      });
    }
  }
}

export async function servedBy(
  sources: readonly Source[],
): Promise<ServedRepository[]> {
  const served = new Map<string, NamedRepository[]>();
  for (const source of sources) {
    for (const [path, named] of await source.repositories()) {
      served.set(path, [...(served.get(path) ?? []), ...named]);
    }
  }
  const list: ServedRepository[] = [];
  for (const [path, named] of served) {
    const hosts = new Set(named.map(({ host }) => host ?? NO_HOST));
    const tags = new Set<string>();
    for (const { repository } of named) {
      for (const tag of await repository.tags()) tags.add(tag);
    }
    list.push({ path, hosts: [...hosts], tags: [...tags].sort(compareNames) });
  }
  return list.sort((a, b) => compareNames(a.path, b.path));
}

/** What stands for a host where images name none. */
const NO_HOST = "(no registry)";
