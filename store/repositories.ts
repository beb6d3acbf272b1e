/**
 * `repositories.json`: which names stand for which image. dockerd reads it once
 * at start, and refuses to start when it is malformed.
 */
import { lstatSync } from "node:fs";
import { replaceFile } from "./atomic.js";
import { type ImageId, type Digest, isDigest } from "./digest.js";
import { TpullError } from "./errors.js";
import { goMap, goString } from "./go-json.js";
import type { Layout } from "./layout.js";
import { readNames, readText } from "./read.js";

/** Familiar repository name, then reference (`name:tag` or `name@digest`), then image ID as the file has it. */
export type Repositories = Map<string, Map<string, string>>;

/** What an image is to be called. At least one of tag and digest. */
export interface Naming {
  /** In familiar form: `nginx`, `user/app`, `registry.example/app`. */
  readonly repository: string;
  readonly tag?: string | undefined;
  /** Of what the reference resolved to: of the index, if there was one. */
  readonly digest?: Digest | undefined;
}

/**
 * Reads the file; an absent one is empty.
 * @throws TpullError `REPOSITORIES_INVALID` where dockerd would refuse to start
 */
export function readRepositories(layout: Layout): Repositories {
  const { repositories } = layout;
  const text = readText(repositories);
  if (text === undefined && !isThere(repositories)) return new Map();
  try {
    if (text === undefined) throw new Error("it is no file that can be read");
    return parseRepositories(text);
  } catch (error) {
    throw new TpullError(
      "REPOSITORIES_INVALID",
      `${repositories} is malformed: ${(error as Error).message}`,
      {
        hint: "dockerd would not start on this root either. Restore the file from a backup, or move it away: images then lose their names, not their content.",
        cause: error,
      },
    );
  }
}

/** Whether there is anything of that name. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** @throws Error saying what is wrong with the text */
export function parseRepositories(text: string): Repositories {
  const repositories: Repositories = new Map();
  const file = members(JSON.parse(text), "the file");
  const names = file.find(([key]) => key === "Repositories")?.[1];
  for (const [repository, references] of members(names, '"Repositories"')) {
    const images = new Map<string, string>();
    for (const [reference, id] of members(references, repository)) {
      if (typeof id !== "string")
        throw new Error(`${reference} has no image ID`);
      images.set(reference, id);
    }
    repositories.set(repository, images);
  }
  return repositories;
}

/** The members of a JSON object; Go reads null and absence as an empty one. */
function members(value: unknown, what: string): [string, unknown][] {
  if (value === null || value === undefined) return [];
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new Error(`${what} is not a JSON object`);
  }
  return Object.entries(value);
}

/** The file's text, byte for byte as dockerd writes it. */
export function formatRepositories(repositories: Repositories): string {
  const kept = new Map([...repositories].filter(([, map]) => map.size > 0));
  const body = goMap(kept, (references) => goMap(references, goString));
  return `{"Repositories":${body}}`;
}

/** The references by which an image is to be found. */
export function referencesOf({ repository, tag, digest }: Naming): string[] {
  const references: string[] = [];
  if (digest !== undefined) references.push(`${repository}@${digest}`);
  if (tag !== undefined) references.push(`${repository}:${tag}`);
  return references;
}

/** The repository part of a familiar reference. */
export function repositoryOf(reference: string): string {
  const at = reference.indexOf("@");
  if (at !== -1) return reference.slice(0, at);
  const colon = reference.lastIndexOf(":");
  return colon > reference.lastIndexOf("/")
    ? reference.slice(0, colon)
    : reference;
}

/**
 * Gives an image its names, all in one step; every other entry stays as it is. The caller holds
 * the section lock, and the image's config is durable.
 * @returns false when the names were the image's already
 * @throws TpullError `REPOSITORIES_INVALID`, `REPOSITORY_NAME_AMBIGUOUS`
 */
export async function writeNaming(
  layout: Layout,
  imageId: ImageId,
  namings: readonly Naming[],
): Promise<boolean> {
  if (namings.some(({ repository }) => repository === "sha256")) {
    throw new TpullError(
      "REPOSITORY_NAME_AMBIGUOUS",
      "an image cannot be named sha256: that would read as a digest",
      { hint: "docker refuses this name too." },
    );
  }
  const repositories = readRepositories(layout);
  let changed = false;
  for (const naming of namings) {
    const { repository } = naming;
    const images = repositories.get(repository) ?? new Map<string, string>();
    for (const reference of referencesOf(naming)) {
      changed ||= images.get(reference) !== imageId;
      images.set(reference, imageId);
    }
    repositories.set(repository, images);
  }
  if (!changed) return false;
  await writeRepositories(layout, repositories); // AN IMAGE BECOMES VISIBLE HERE
  return true;
}

/** Replaces the file. The caller holds the section lock, and has read in it what is written. */
export async function writeRepositories(
  layout: Layout,
  repositories: Repositories,
): Promise<void> {
  const text = formatRepositories(repositories);
  await replaceFile(layout.repositories, text, 0o600);
}

/** The entries whose image IDs are well-formed. */
export function validReferences(
  repositories: Repositories,
): Map<string, Map<string, ImageId>> {
  const valid = new Map<string, Map<string, ImageId>>();
  for (const [repository, references] of repositories) {
    const images = new Map<string, ImageId>();
    for (const [reference, id] of references) {
      if (isDigest(id)) images.set(reference, id as string as ImageId);
    }
    if (images.size > 0) valid.set(repository, images);
  }
  return valid;
}

/** Whether the store has no file of names. */
export function isUnnamed(layout: Layout): boolean {
  return !isThere(layout.repositories);
}

/**
 * Writes the file without any name where the store has never had one. Where
 * it has other images, somebody has lost it, and should be told. The caller
 * holds the section lock.
 * @param isOwn whether the caller has stored the image with this digest, in hex
 */
export async function beginNames(
  layout: Layout,
  isOwn: (hex: string) => boolean,
): Promise<void> {
  if (isThere(layout.repositories)) return;
  const images = readNames(layout.imagedbContent);
  if (images.length === 0 || !images.every(isOwn)) return;
  await writeRepositories(layout, new Map());
}
