/**
 * The cache of dockerd's builder (BuildKit), as `docker system df` counts it:
 * its records are in `buildkit/metadata_v2.db`, and `buildkit/snapshots.db`
 * tells where in the store their files are.
 */
import { join } from "node:path";
import { type ChainId, isDigest } from "../digest.js";
import type { Layout } from "../layout.js";
import { type BoltBucket, readBolt } from "./bolt.js";

/** A record of the builder's cache. */
export interface BuildRecord {
  readonly id: string;
  /** `regular`, `source.local`, `exec.cachemount`, … */
  readonly type: string;
  readonly description: string;
  readonly parents: readonly string[];
  /** Whether its files are also layers of an image. */
  readonly shared: boolean;
  /** RFC 3339 in UTC, as is {@link lastUsed}; undefined where it is not noted. */
  readonly created: string | undefined;
  readonly lastUsed: string | undefined;
  readonly usageCount: number;
  /** Its bytes as the builder noted them, or else the directory to measure. */
  readonly measure: readonly string[] | number;
}

type Record = ReadonlyMap<string, unknown>;

const REGULAR = "regular";

/**
 * All records, without the second one of pairs that share their files; the ones
 * that were used last come last, as docker lists them.
 * @param isInImage whether an image has a layer
 */
export function buildRecordsIn(
  layout: Layout,
  isInImage: (chainId: ChainId) => boolean,
): BuildRecord[] {
  const records = readRecords(layout);
  if (records.size === 0) return [];
  const snapshots = readBolt(layout.buildSnapshots) ?? new Map();
  const sizes = sizesOf(records);
  const shared = sharedRecords(records, snapshots, isInImage);
  return [...records]
    .filter(([, record]) => !hasText(record, "cache.equalMutable"))
    .map(([id, record]) => ({
      id,
      type: textOf(record, "cache.recordType") || REGULAR,
      description: textOf(record, "cache.description"),
      parents: parentsOf(record),
      shared: shared.has(id),
      created: timeOf(record.get("cache.createdAt")),
      lastUsed: timeOf(record.get("cache.lastUsedAt")),
      usageCount: Number(record.get("cache.usageCount") ?? 0),
      measure: sizes.get(id) ?? [directoryOf(layout, snapshots, id)],
    }))
    .sort(byLastUse);
}

function byLastUse(a: BuildRecord, b: BuildRecord): number {
  const [one, other] = [a.lastUsed ?? "", b.lastUsed ?? ""];
  if (one !== other) return one < other ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

function readRecords(layout: Layout): Map<string, Record> {
  const main = readBolt(layout.buildRecords, ["_main"])?.get("_main");
  const records = new Map<string, Record>();
  if (!(main instanceof Map)) return records;
  for (const [id, fields] of main as BoltBucket) {
    if (!(fields instanceof Map)) continue;
    const record = new Map<string, unknown>();
    for (const [key, value] of fields as BoltBucket) {
      if (Buffer.isBuffer(value)) record.set(key, valueOf(key, value));
    }
    records.set(id, record);
  }
  return records;
}

/** The value of a field; times are nanoseconds, and do not fit into a number. */
function valueOf(key: string, bytes: Buffer): unknown {
  const json = bytes.toString("utf8");
  if (key.endsWith("At")) return /"value":(-?\d+)/.exec(json)?.[1];
  try {
    return (JSON.parse(json) as { value?: unknown } | null)?.value;
  } catch {
    return undefined; // an empty one was unset
  }
}

/** What the builder noted of each record's size, or of the other one of its pair. */
function sizesOf(records: ReadonlyMap<string, Record>): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const [id, record] of records) {
    const size = record.get("snapshot.size");
    if (typeof size !== "number" || size < 0) continue;
    sizes.set(id, size);
    const pair = textOf(record, "cache.equalMutable");
    if (pair !== "" && !sizes.has(pair)) sizes.set(pair, size);
  }
  return sizes;
}

/** Those whose layer an image has, and all records below them. */
function sharedRecords(
  records: ReadonlyMap<string, Record>,
  snapshots: BoltBucket,
  isInImage: (chainId: ChainId) => boolean,
): Set<string> {
  const shared = new Set<string>();
  const mark = (id: string): void => {
    const record = records.get(id);
    if (record === undefined || shared.has(id)) return;
    shared.add(id);
    for (const parent of parentsOf(record)) mark(parent);
  };
  for (const [id, record] of records) {
    const layer = layerOf(id, record, snapshots);
    if (layer !== undefined && isInImage(layer)) mark(id);
  }
  return shared;
}

function layerOf(
  id: string,
  record: Record,
  snapshots: BoltBucket,
): ChainId | undefined {
  const snapshot = textOf(record, "cache.snapshot") || id;
  const noted = snapshotField(snapshots, snapshot, "chainid") ?? snapshot;
  return isDigest(noted) ? (noted as string as ChainId) : undefined;
}

function directoryOf(
  layout: Layout,
  snapshots: BoltBucket,
  id: string,
): string {
  const name = snapshotField(snapshots, id, "committed") ?? id;
  return join(layout.overlay, name, "diff");
}

function snapshotField(
  snapshots: BoltBucket,
  id: string,
  field: string,
): string | undefined {
  const snapshot = snapshots.get(id);
  if (!(snapshot instanceof Map)) return undefined;
  const value: unknown = snapshot.get(field);
  return Buffer.isBuffer(value) ? value.toString("utf8") : undefined;
}

function parentsOf(record: Record): string[] {
  const several = [
    record.get("cache.mergeParents"),
    record.get("cache.diffParents"),
  ].flat();
  return [textOf(record, "cache.parent"), ...several].filter(
    (parent): parent is string => typeof parent === "string" && parent !== "",
  );
}

function hasText(record: Record, field: string): boolean {
  return textOf(record, field) !== "";
}

function textOf(record: Record, field: string): string {
  const value = record.get(field);
  return typeof value === "string" ? value : "";
}

/** Nanoseconds since 1970, as digits, in RFC 3339. */
function timeOf(nanoseconds: unknown): string | undefined {
  if (typeof nanoseconds !== "string") return undefined;
  const since = BigInt(nanoseconds);
  const milliseconds = Number(since / 1_000_000n);
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) return undefined;
  const fraction = String(since % 1_000_000_000n).padStart(9, "0");
  return `${date.toISOString().slice(0, 19)}.${fraction}Z`;
}
