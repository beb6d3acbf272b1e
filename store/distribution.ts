/**
 * What a pull remembers about where layers came from: two maps that dockerd
 * uses to skip downloads and uploads. Both are hints: nothing else depends on
 * them, and damaged entries count as absent.
 */
import { type Replacement, replaceFiles } from "./atomic.js";
import { type DiffId, type Digest, isDigest } from "./digest.js";
import { goString } from "./go-json.js";
import type { Layout } from "./layout.js";
import { readText } from "./read.js";

/** A layer as a registry serves it: this blob of this repository has this diff ID. */
export interface DistributionEntry {
  /** Of the blob as the registry serves it. */
  readonly digest: Digest;
  readonly diffId: DiffId;
  /** Canonical name without tag: `docker.io/library/nginx`. */
  readonly repository: string;
}

/** One element of a `v2metadata-by-diffid` file. */
export interface V2Metadata {
  Digest: string;
  SourceRepository: string;
  /** Filled by docker push only. */
  HMAC: string;
}

/** docker's own limit: the newest entries for each diff ID. */
export const MAX_V2METADATA = 50;

const FILE_MODE = 0o644;

/** The diff ID behind a blob, as far as it was noted. To be verified by whoever relies on it. */
export function readDiffId(layout: Layout, digest: Digest): DiffId | undefined {
  const text = readText(layout.diffIdOf(digest));
  return isDigest(text) ? (text as string as DiffId) : undefined;
}

/** Distribution digests noted for a layer's tar, the newest first. @param repository canonical; only from there */
export function readOrigins(
  layout: Layout,
  diffId: DiffId,
  repository?: string,
): Digest[] {
  const text = readText(layout.v2MetadataOf(diffId)) ?? "";
  return parseV2Metadata(text)
    .filter(
      ({ SourceRepository }) =>
        repository === undefined || SourceRepository === repository,
    )
    .map(({ Digest }) => Digest as Digest)
    .toReversed();
}

/**
 * Notes the origin of layers, present and new alike: first all of
 * `v2metadata-by-diffid`, then all of `diffid-by-digest`. The caller holds the
 * section lock.
 * @returns false when everything was noted already
 */
export async function writeDistribution(
  layout: Layout,
  entries: readonly DistributionEntry[],
): Promise<boolean> {
  const metadata = new Map<string, string>();
  const diffIds = new Map<string, string>();
  for (const { digest, diffId, repository } of entries) {
    const path = layout.v2MetadataOf(diffId);
    const before = metadata.get(path) ?? readText(path) ?? "";
    const added = { Digest: digest, SourceRepository: repository, HMAC: "" };
    metadata.set(path, formatV2Metadata(addV2(parseV2Metadata(before), added)));
    diffIds.set(layout.diffIdOf(digest), diffId);
  }
  const changes: Replacement[] = [];
  for (const [path, bytes] of [...metadata, ...diffIds]) {
    if (readText(path) !== bytes) {
      changes.push({ path, bytes, mode: FILE_MODE });
    }
  }
  if (changes.length === 0) return false;
  await replaceFiles(changes);
  return true;
}

/** Moves (or adds) an entry to the newest place, and forgets the oldest beyond the limit. */
export function addV2(
  list: readonly V2Metadata[],
  added: V2Metadata,
): V2Metadata[] {
  const others = list.filter(
    (entry) =>
      entry.Digest !== added.Digest ||
      entry.SourceRepository !== added.SourceRepository ||
      entry.HMAC !== added.HMAC,
  );
  return [...others, added].slice(-MAX_V2METADATA);
}

/** The entries of a file, oldest first; none when it is damaged. */
export function parseV2Metadata(text: string): V2Metadata[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return [];
  }
  if (!Array.isArray(list)) return [];
  const valid: V2Metadata[] = [];
  for (const entry of list as unknown[]) {
    const { Digest, SourceRepository, HMAC } = (entry ?? {}) as V2Metadata;
    if (!isDigest(Digest) || typeof SourceRepository !== "string") continue;
    valid.push({
      Digest,
      SourceRepository,
      HMAC: typeof HMAC === "string" ? HMAC : "",
    });
  }
  return valid;
}

export function formatV2Metadata(list: readonly V2Metadata[]): string {
  const elements = list.map(
    ({ Digest, SourceRepository, HMAC }) =>
      `{"Digest":${goString(Digest)},"SourceRepository":${goString(SourceRepository)},"HMAC":${goString(HMAC)}}`,
  );
  return `[${elements.join(",")}]`;
}
