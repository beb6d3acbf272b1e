/** `repositories.json`: which names there are, and whether dockerd can use them. */
import { type ImageId, isDigest } from "../../digest.js";
import type { Layout } from "../../layout.js";
import {
  familiarName,
  familiarRepository,
  parseReference,
} from "../../reference/reference.js";
import {
  formatRepositories,
  parseRepositories,
  type Repositories,
  repositoryOf,
} from "../../repositories.js";
import type { Report } from "../report.js";
import type { Modes } from "./modes.js";
import { bytesOf, typeOf } from "./small-file.js";
import { addTo } from "../lists.js";
import type { Structure } from "./structure.js";

/** The names in a root, as far as the file can be read. */
export interface NamesFile {
  readonly repositories: Repositories;
  readonly text: string;
  /** Why there are no names. */
  readonly problem: string | undefined;
  /** References that lead to an image, sorted. */
  of(imageId: ImageId): readonly string[];
}

export function readNamesFile(layout: Layout): NamesFile {
  const file = bytesOf(layout.repositories);
  const text = "problem" in file ? "" : file.bytes.toString();
  let problem = "problem" in file ? file.problem : undefined;
  let repositories: Repositories = new Map();
  if (problem === undefined) {
    try {
      repositories = parseRepositories(text);
    } catch (error) {
      problem = `it is malformed: ${(error as Error).message}`;
    }
  }
  const names = new Map<string, string[]>();
  for (const references of repositories.values()) {
    for (const [reference, id] of references) {
      addTo(names, id, reference);
    }
  }
  for (const list of names.values()) list.sort();
  return {
    repositories,
    text,
    problem,
    of: (imageId) => names.get(imageId) ?? [],
  };
}

const MODES = [0o600];

export function checkNames(
  structure: Structure,
  modes: Modes,
  report: Report,
): void {
  const { layout, names, configs } = structure;
  const all = { images: configs.map(({ imageId }) => imageId) };
  if (names.problem !== undefined) {
    const isMissing = typeOf(layout.repositories) === undefined;
    // A store without images needs no names.
    if (isMissing && configs.length === 0) return;
    const code = isMissing ? "REPOSITORIES_MISSING" : "REPOSITORIES_DAMAGED";
    report.add(code, layout.repositories, names.problem, all);
    return;
  }
  modes.check("STORE_MODE", layout.repositories, MODES, all);
  if (names.text !== formatRepositories(names.repositories)) {
    const message = "it is not written as dockerd writes it";
    report.add("REPOSITORIES_FORM", layout.repositories, message, all);
  }
  const known = new Set<string>(configs.map(({ imageId }) => imageId));
  const missing = new Map<ImageId, string[]>();
  for (const [repository, references] of names.repositories) {
    const isFamiliar = repository === familiar(repository);
    for (const [reference, id] of references) {
      const problem = isFamiliar
        ? whyWrong(repository, reference, id)
        : `${repository} is not the form in which docker looks for it`;
      const imageId = isDigest(id) ? (id as string as ImageId) : undefined;
      if (problem !== undefined) {
        report.add("REPOSITORY_NAME_WRONG", layout.repositories, problem, {
          imageId,
          images: imageId === undefined ? [] : [imageId],
        });
      } else if (imageId !== undefined && !known.has(imageId)) {
        addTo(missing, imageId, reference);
      }
    }
  }
  for (const [imageId, named] of missing) {
    const message = `it is missing, and ${named.join(", ")} should be it`;
    report.add("CONFIG_MISSING", layout.imageConfig(imageId), message, {
      imageId,
      images: [imageId],
    });
  }
}

function whyWrong(
  repository: string,
  reference: string,
  id: string,
): string | undefined {
  if (!isDigest(id)) return `${reference} has no image ID, but ${id}`;
  const isOwn = repositoryOf(reference) === repository;
  if (!isOwn) return `${reference} is listed with ${repository}`;
  try {
    if (familiarName(parseReference(reference)) === reference) return undefined;
  } catch {
    // Said below.
  }
  return `${reference} is no reference that docker takes`;
}

/** The repository in docker's short form; undefined for what is none. */
function familiar(repository: string): string | undefined {
  try {
    return familiarRepository(parseReference(repository));
  } catch {
    return undefined;
  }
}
