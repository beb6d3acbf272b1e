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

/**
 * The kept indexes on the way from one to a manifest, outermost first;
 * undefined where it does not lead there.
 */
export function wayTo(
  layout: Layout,
  from: Digest,
  manifest: Digest,
  seen: Set<Digest> = new Set(),
): KeptIndex[] | undefined {
  if (seen.has(from)) return undefined;
  seen.add(from);
  const index = readKeptIndex(layout, from);
  if (index === undefined) return undefined;
  if (index.entries.includes(manifest)) return [index];
  for (const entry of index.entries) {
    const rest = wayTo(layout, entry, manifest, seen);
    if (rest !== undefined) return [index, ...rest];
  }
  return undefined;
}

/** All kept indexes that one leads to, itself first. */
export function indexesFrom(
  layout: Layout,
  from: Digest,
  seen: Set<Digest> = new Set(),
): KeptIndex[] {
  if (seen.has(from)) return [];
  seen.add(from);
  const index = readKeptIndex(layout, from);
  if (index === undefined) return [];
  return [
    index,
    ...index.entries.flatMap((entry) => indexesFrom(layout, entry, seen)),
  ];
}
