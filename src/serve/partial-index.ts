/** Indexes of which a server has some images only. */
import { type Digest, isDigest } from "../../store/index.js";
import { platformName, type WirePlatform } from "../platform-choice.js";
import { isIndexType } from "./accept.js";
import type { Repository, ServedManifest } from "./content.js";

/** What is here of an index, and what is not. */
export interface PartialIndex {
  readonly tag: string;
  /** Platforms as the index spells them, each once. */
  readonly held: readonly string[];
  readonly absent: ReadonlyMap<Digest, string>;
}

/** What is not found is explained by so many tags at most: it must not cost much to ask for it. */
const MOST_TAGS = 16;

/** @returns undefined unless the tag stands for an index of which an image is absent */
export async function partialIndex(
  repository: Repository,
  tag: string,
): Promise<PartialIndex | undefined> {
  const top = await asFiled(repository, { tag });
  if (top === undefined || !isIndexType(top.mediaType)) return undefined;
  const held = new Set<string>();
  const absent = new Map<Digest, string>();
  for (const [digest, platform] of imagesOf(top.bytes)) {
    if ((await asFiled(repository, { digest })) === undefined) {
      absent.set(digest, platform);
    } else held.add(platform);
  }
  return absent.size === 0 ? undefined : { tag, held: [...held], absent };
}

/**
 * Why an image of an index is not found; a clause.
 * @param name of the repository
 * @returns undefined where none of its first tags lists that digest
 */
export async function whyAbsent(
  repository: Repository,
  name: string,
  digest: Digest,
): Promise<string | undefined> {
  const tags = await repository.tags();
  for (const tag of tags.slice(0, MOST_TAGS)) {
    const partial = await partialIndex(repository, tag);
    const platform = partial?.absent.get(digest);
    if (partial === undefined || platform === undefined) continue;
    return `it is ${platform} of ${name}:${tag}, of which this server holds only ${heldOf(partial)}`;
  }
  return undefined;
}

/** The platforms that are here, in a sentence. */
export function heldOf({ held }: PartialIndex): string {
  return held.length === 0 ? "none" : held.join(", ");
}

/** A manifest that is there already; damage is told of when it is asked for. */
async function asFiled(
  repository: Repository,
  reference: Parameters<Repository["manifest"]>[0],
): Promise<ServedManifest | undefined> {
  try {
    return repository.filed === undefined
      ? await repository.manifest(reference)
      : await repository.filed(reference);
  } catch {
    return undefined;
  }
}

/** Entries with a platform; attestations have none. */
function* imagesOf(index: Uint8Array): Generator<[Digest, string]> {
  let parsed: { manifests?: unknown } | null;
  try {
    parsed = JSON.parse(Buffer.from(index).toString("utf8"));
  } catch {
    return;
  }
  const entries = parsed?.manifests;
  if (!Array.isArray(entries)) return;
  for (const entry of entries as unknown[]) {
    const { digest, platform } = (entry ?? {}) as {
      digest?: unknown;
      platform?: WirePlatform | null;
    };
    const name = platformName(platform);
    if (name !== undefined && isDigest(digest)) yield [digest, name];
  }
}
