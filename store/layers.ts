/** Layers: what one is on its way in and in the store, and which ones `layerdb` has. */
import { join } from "node:path";
import type { WholeLayer } from "./complete.js";
import {
  type CacheId,
  type ChainId,
  type DiffId,
  type Digest,
  isDigest,
} from "./digest.js";
import { LAYER_FILE, type Layout } from "./layout.js";
import { readNames, readText } from "./read.js";

/** A layer as `layerdb` describes it. */
export interface LayerRecord {
  readonly chainId: ChainId;
  readonly diffId: DiffId;
  readonly cacheId: CacheId;
  /** Absent for a base layer. */
  readonly parent?: ChainId;
  /** Bytes of the unpacked files, as docker counts them. */
  readonly size: number;
}

/** The exclusive right to write one layer, until it is committed or discarded. */
export interface LayerClaim extends AsyncDisposable {
  readonly chainId: ChainId;
  /** Becomes the layer's directory in `overlay2`. */
  readonly layerDirectory: string;
  /** The empty directory to unpack into, mode 0755. */
  readonly diffDirectory: string;
  /** Becomes the layer's directory in `layerdb`; the archive record (`tar-split.json.gz`) belongs in it. */
  readonly writeSetDirectory: string;
  /** Notes that the layer is unpacked and verified: {@link release}, or the end of the process, leaves it to whoever claims it next. */
  complete(layer: WholeLayer): void;
  /** Gives the layer up. One that is not complete is removed. Does nothing after a commit, or when called again. */
  release(): Promise<void>;
  /** Gives the layer up and removes all of it. Does nothing after a commit, or when called again. */
  discard(): Promise<void>;
}

/** A layer that is unpacked and verified, and waits for the layers below it. */
export interface StagedLayer {
  /** Its write-set directory holds the archive record. */
  readonly claim: LayerClaim;
  readonly diffId: DiffId;
  /** Absent for a base layer. */
  readonly parent?: ChainId | undefined;
  /** Bytes of all unpacked files as docker counts them. */
  readonly size: number;
  /** The blob it was unpacked from, if it was. */
  readonly blob?: Digest | undefined;
}

/** As docker makes them: 32 random bytes; or 25 digits of base 36, where its builder (BuildKit) made the layer. */
const CACHE_ID = /^(?:[0-9a-f]{64}|[0-9a-z]{25})$/;
const DECIMAL = /^\d+$/;

/** Whether this is the name of a layer's directory in `overlay2`. */
export function isCacheId(text: unknown): text is CacheId {
  return typeof text === "string" && CACHE_ID.test(text);
}

/**
 * Reads one layer's own entry, without its parents. Undefined when it is absent
 * or unreadable in a way that makes dockerd skip it.
 */
export function readLayer(
  layout: Layout,
  chainId: ChainId,
): LayerRecord | undefined {
  const file = (name: keyof typeof LAYER_FILE): string | undefined =>
    readText(layout.layerFile(chainId, name));
  const diff = file("diff");
  const size = file("size");
  const cacheId = file("cacheId");
  const parent = file("parent");
  const diffId = diff?.trim();
  const cache = cacheId?.trim();
  const below = parent?.trim();
  if (!isDigest(diffId) || !isCacheId(cache)) return undefined;
  // dockerd trims every file but this one.
  if (size === undefined || !DECIMAL.test(size)) return undefined;
  if (below !== undefined && !isDigest(below)) return undefined;
  return {
    chainId,
    diffId: diffId as string as DiffId,
    cacheId: cache,
    ...(below === undefined ? {} : { parent: below as string as ChainId }),
    size: Number(size),
  };
}

/**
 * Reads a layer with all layers below it, base first. Undefined when dockerd
 * would not have the layer: when its own entry or any entry below cannot be read.
 */
export function readChain(
  layout: Layout,
  top: ChainId,
): LayerRecord[] | undefined {
  const chain: LayerRecord[] = [];
  const seen = new Set<ChainId>();
  let next: ChainId | undefined = top;
  while (next !== undefined) {
    if (seen.has(next)) return undefined;
    seen.add(next);
    const record: LayerRecord | undefined = readLayer(layout, next);
    if (record === undefined) return undefined;
    chain.push(record);
    next = record.parent;
  }
  return chain.toReversed();
}

/** The cache-id that a layer's entry (or a write-set) names. */
export function readCacheId(entryDirectory: string): CacheId | undefined {
  const id = readText(join(entryDirectory, LAYER_FILE.cacheId));
  const trimmed = id?.trim();
  return isCacheId(trimmed) ? trimmed : undefined;
}

/** The chain IDs of all entries in `layerdb`, readable or not. */
export function listLayers(layout: Layout): ChainId[] {
  const found: ChainId[] = [];
  for (const name of readNames(layout.layers)) {
    const chainId = `sha256:${name}`;
    if (isDigest(chainId)) found.push(chainId as string as ChainId);
  }
  return found;
}

/** Every layer in the store, under any parent, that was unpacked from this tar. */
export function chainsOfDiff(layout: Layout, diffId: DiffId): ChainId[] {
  const found: ChainId[] = [];
  for (const chainId of listLayers(layout)) {
    const diff = readText(layout.layerFile(chainId, "diff"));
    if (diff?.trim() !== diffId) continue;
    if (readChain(layout, chainId)) found.push(chainId);
  }
  return found;
}
