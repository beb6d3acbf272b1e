/**
 * Names of images that can still be read, or made out, where the file that
 * holds them cannot.
 */
import { join } from "node:path";
import { type ImageId, isDigest } from "../digest.js";
import { readImageConfig } from "../images.js";
import type { Layout } from "../layout.js";
import { keptManifests, readManifestHint } from "../manifests.js";
import { readNames, readText } from "../read.js";
import {
  familiarName,
  parseReference,
  type Reference,
} from "../reference/reference.js";
import { type Repositories, repositoryOf } from "../repositories.js";
import { parseV2Metadata, readDiffId } from "../distribution.js";
import { basename } from "node:path";
import { TEMPORARY_PREFIX } from "../atomic.js";

/** Where a name was found. */
export type NameSource =
  "the damaged file" | "a file that was being written" | "a kept manifest";

export interface Salvaged {
  /** Familiar reference. */
  readonly name: string;
  readonly imageId: ImageId;
  readonly source: NameSource;
}

/** A member `"name": "sha256:…"` of a JSON object, whole. */
const MEMBER = /("(?:[^"\\\n]|\\.)+")\s*:\s*"(sha256:[0-9a-f]{64})"/g;

/**
 * All names that can be found, each once: first those in the file itself, then
 * those in files that writers left beside it, and for images without any name
 * the repository and digest by which they were pulled.
 */
export function salvageNames(layout: Layout): Salvaged[] {
  const found = new Map<string, Salvaged>();
  const add = (name: string, imageId: ImageId, source: NameSource): void => {
    if (!found.has(name)) found.set(name, { name, imageId, source });
  };
  for (const [name, id] of namesIn(readText(layout.repositories) ?? "")) {
    add(name, id, "the damaged file");
  }
  const prefix = TEMPORARY_PREFIX + basename(layout.repositories);
  for (const file of readNames(layout.driver)) {
    if (!file.startsWith(prefix)) continue;
    for (const [name, id] of namesIn(
      readText(join(layout.driver, file)) ?? "",
    )) {
      add(name, id, "a file that was being written");
    }
  }
  const named = new Set([...found.values()].map(({ imageId }) => imageId));
  for (const { imageId } of keptManifests(layout)) {
    if (named.has(imageId)) continue;
    const name = digestNameOf(layout, imageId);
    if (name !== undefined) add(name, imageId, "a kept manifest");
  }
  return [...found.values()];
}

/** The names in a text that need not be JSON as a whole. */
export function namesIn(text: string): [name: string, imageId: ImageId][] {
  const names: [string, ImageId][] = [];
  for (const [, key = "", id] of text.matchAll(MEMBER)) {
    const reference = parsed(key);
    if (reference === undefined || !isDigest(id)) continue;
    names.push([familiarName(reference), id as string as ImageId]);
  }
  return names;
}

/** The reference that a JSON string is, written as docker writes it. */
function parsed(key: string): Reference | undefined {
  try {
    const text = JSON.parse(key) as string;
    const reference = parseReference(text);
    return familiarName(reference) === text ? reference : undefined;
  } catch {
    return undefined;
  }
}

/** `name@digest` of an image whose manifest is kept, where all its blobs are noted for one repository. */
function digestNameOf(layout: Layout, imageId: ImageId): string | undefined {
  if (readImageConfig(layout, imageId) === undefined) return undefined;
  const hint = readManifestHint(layout, imageId);
  if (hint === undefined) return undefined;
  let common: Set<string> | undefined;
  for (const { digest } of hint.layers) {
    const diffId = readDiffId(layout, digest);
    const text = diffId && readText(layout.v2MetadataOf(diffId));
    const repositories = parseV2Metadata(text ?? "")
      .filter((entry) => entry.Digest === digest)
      .map(({ SourceRepository }) => SourceRepository);
    common = new Set(
      repositories.filter((one) => common === undefined || common.has(one)),
    );
  }
  const [repository, ...others] = common ?? [];
  if (repository === undefined || others.length > 0) return undefined;
  try {
    const reference = parseReference(`${repository}@${hint.digest}`);
    return familiarName(reference);
  } catch {
    return undefined;
  }
}

/** Names in the form of the file. */
export function repositoriesWith(names: readonly Salvaged[]): Repositories {
  const repositories: Repositories = new Map();
  for (const { name, imageId } of names) {
    const repository = repositoryOf(name);
    const images = repositories.get(repository) ?? new Map<string, string>();
    repositories.set(repository, images.set(name, imageId));
  }
  return repositories;
}
