/** Names of images as docker would have filed them. */
import { type ImageId, isDigest } from "../digest.js";
import { readImageConfig } from "../images.js";
import type { Layout } from "../layout.js";
import { readText } from "../read.js";
import {
  familiarName,
  familiarRepository,
  parseReference,
} from "../reference/reference.js";
import { parseRepositories, type Repositories } from "../repositories.js";

export interface SortedNames {
  readonly repositories: Repositories;
  /** Names whose images are not there, or that are none. */
  readonly idle: readonly { name: string; what: string; imageId: string }[];
}

/**
 * All names, each in its right place as far as that is free.
 * @param lost images of which it is certain that they are nowhere to be had
 */
export function sortedNames(
  layout: Layout,
  lost: ReadonlySet<ImageId>,
): SortedNames {
  const repositories: Repositories = new Map();
  const idle: SortedNames["idle"][number][] = [];
  const put = (repository: string, name: string, id: string): boolean => {
    const names = repositories.get(repository) ?? new Map<string, string>();
    repositories.set(repository, names);
    if (names.has(name)) return names.get(name) === id;
    names.set(name, id);
    return true;
  };
  const entries = [...parseRepositories(readText(layout.repositories) ?? "")]
    .flatMap(([repository, names]) =>
      [...names].map(([name, id]) => ({ repository, name, id })),
    )
    .map((entry) => ({ ...entry, right: rightPlace(entry.name) }));
  const isRight = ({ repository, name, right }: (typeof entries)[number]) =>
    right?.repository === repository && right.name === name;
  for (const entry of entries.filter(isRight)) {
    put(entry.repository, entry.name, entry.id);
  }
  for (const entry of entries) {
    const { repository, name, id, right } = entry;
    if (right === undefined) {
      put(repository, name, id);
      idle.push({ name, what: "not a name that docker knows", imageId: id });
    } else if (!isRight(entry) && !put(right.repository, right.name, id)) {
      put(repository, name, id);
      const what = `docker would call it ${right.name}, and that is another image`;
      idle.push({ name, what, imageId: id });
    }
  }
  for (const names of repositories.values()) {
    for (const [name, id] of names) {
      if (!isDigest(id)) {
        idle.push({ name, what: "leads to no image ID", imageId: id });
      } else if (
        lost.has(id as string as ImageId) &&
        readImageConfig(layout, id as string as ImageId) === undefined
      ) {
        idle.push({ name, what: "its image is not there", imageId: id });
      }
    }
  }
  return { repositories, idle };
}

function rightPlace(
  text: string,
): { repository: string; name: string } | undefined {
  try {
    const reference = parseReference(text);
    return {
      repository: familiarRepository(reference),
      name: familiarName(reference),
    };
  } catch {
    return undefined;
  }
}
