/** Indexes among the kept blobs: what a registry's name stood for where it was an image for several platforms. */
import { type Digest, digestOf, isDigest } from "../digest.js";
import type { Layout } from "../layout.js";
import { OpenBlob } from "./open-blob.js";

/** A manifest or an index, byte for byte as its registry has it. */
export interface KeptDocument {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** An index, and what it leads to. */
export interface KeptIndex extends KeptDocument {
  readonly entries: readonly Digest[];
  /** When it was stored or last used, in milliseconds since 1970. */
  readonly used: number;
}

/** Longer than any index that is pulled. */
const MAX_BYTES = 4 * 1024 * 1024;
const OCI_INDEX = "application/vnd.oci.image.index.v1+json";

/** An index that is kept whole; undefined for anything else, and for one that is damaged. */
export function readKeptIndex(
  layout: Layout,
  digest: Digest,
): KeptIndex | undefined {
  using blob = OpenBlob.open(layout, digest);
  if (blob === undefined || blob.size > MAX_BYTES) return undefined;
  const bytes = blob.readWhole();
  if (digestOf(bytes) !== digest) return undefined;
  const document = parse(bytes);
  if (!Array.isArray(document?.manifests)) return undefined;
  const entries = document.manifests.flatMap((entry: unknown) => {
    const found = (entry as { digest?: unknown } | null)?.digest;
    return isDigest(found) ? [found] : [];
  });
  const { mediaType } = document;
  return {
    digest,
    mediaType: typeof mediaType === "string" ? mediaType : OCI_INDEX,
    bytes,
    entries,
    used: blob.used,
  };
}

interface Document {
  readonly mediaType?: unknown;
  readonly manifests?: unknown;
}

function parse(bytes: Buffer): Document | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** What a registry's name stands for has a handful; whoever planted more of them is not followed. */
const MOST_INDEXES = 1000;
const MOST_ENTRIES = 100_000;

/**
 * The kept indexes on the way from one to a manifest, outermost first;
 * undefined where it does not lead there.
 */
export function wayTo(
  layout: Layout,
  from: Digest,
  manifest: Digest,
): KeptIndex[] | undefined {
  const above = new Map<Digest, KeptIndex>();
  for (const index of walk(layout, from)) {
    if (index.entries.includes(manifest)) return wayDown(index, above);
    for (const entry of index.entries) {
      if (!above.has(entry)) above.set(entry, index);
    }
  }
  return undefined;
}

/** @param above which index each one was found by; the outermost may be among them, too */
function wayDown(
  last: KeptIndex,
  above: ReadonlyMap<Digest, KeptIndex>,
): KeptIndex[] {
  const way = new Set([last]);
  for (
    let index = above.get(last.digest);
    index !== undefined && !way.has(index);
    index = above.get(index.digest)
  ) {
    way.add(index);
  }
  return [...way].toReversed();
}

/** All kept indexes that one leads to, itself first. */
export function indexesFrom(layout: Layout, from: Digest): KeptIndex[] {
  return [...walk(layout, from)];
}

/** The nearest first, each once. */
function* walk(
  layout: Layout,
  from: Digest,
): Generator<KeptIndex, void, undefined> {
  // A set gives what is added to it while it is gone through.
  const digests = new Set([from]);
  let found = 0;
  for (const digest of digests) {
    const index = readKeptIndex(layout, digest);
    if (index === undefined) continue;
    yield index;
    found += 1;
    if (found === MOST_INDEXES) return;
    for (const entry of index.entries) {
      if (digests.size < MOST_ENTRIES) digests.add(entry);
    }
  }
}
