/**
 * The two maps of where layers came from, brought back to saying the same: each
 * from the other, and both from the manifests of the images.
 */
import { basename, join } from "node:path";
import { replaceFile, syncDirectory, unmark } from "../atomic.js";
import { type DiffId, type Digest, isDigest } from "../digest.js";
import {
  addV2,
  formatV2Metadata,
  parseV2Metadata,
  type V2Metadata,
} from "../distribution.js";
import type { Layout } from "../layout.js";
import { readNames, readText } from "../read.js";
import { canonicalRepository, parseReference } from "../reference/reference.js";
import type { Session } from "../session.js";
import type { Finding } from "../verify/finding.js";
import type { BlobPlaces } from "./blob-places.js";
import type { KnownLayers } from "./known-layers.js";
import type { Steps } from "./steps.js";
import { isThere } from "./uses.js";

const MODE = 0o644;

export interface MapsRepair {
  readonly layout: Layout;
  /** Undefined in a dry run. */
  readonly session: Session | undefined;
  readonly steps: Steps;
  readonly known: KnownLayers;
  readonly blobs: BlobPlaces;
}

/** Mends the entries that the findings are about, and what they must agree with. */
export async function repairMaps(
  repair: MapsRepair,
  findings: readonly Finding[],
): Promise<void> {
  if (findings.length === 0) return;
  const { layout, session, steps } = repair;
  await steps.part("note where layers came from", findings, async () => {
    const before = new Maps(layout);
    const about = concerned(repair, before, findings);
    const origins = await originsOf(repair, before, about.diffIds);
    const write = async (): Promise<void> => {
      const maps = new Maps(layout);
      const digests = settle(repair, maps, about, origins);
      await writeMaps(repair, maps, about.diffIds, digests);
    };
    if (session === undefined) return await write();
    await session.section(write, session.signal);
    for (const finding of findings) {
      if (isThere(join(layout.root, finding.path))) continue;
      steps.leave(finding, "nothing tells where the layer came from");
    }
  });
}

/** Both maps in memory, as far as they can be read. */
class Maps {
  readonly blobs = new Map<DiffId, readonly V2Metadata[]>();
  readonly diffIds = new Map<Digest, DiffId>();
  /** What the files say, by path. */
  readonly files = new Map<string, string>();

  constructor(layout: Layout) {
    for (const id of digestsIn(layout.v2Metadata)) {
      const diffId = id as string as DiffId;
      const path = layout.v2MetadataOf(diffId);
      const text = readText(path) ?? "";
      this.files.set(path, text);
      this.blobs.set(diffId, parseV2Metadata(text).flatMap(canonical));
    }
    for (const digest of digestsIn(layout.diffIdByDigest)) {
      const path = layout.diffIdOf(digest);
      const text = readText(path) ?? "";
      this.files.set(path, text);
      const diffId = text.trim();
      if (isDigest(diffId)) {
        this.diffIds.set(digest, diffId as string as DiffId);
      }
    }
  }

  /** The diff IDs whose entries list this blob. */
  listing(digest: Digest): DiffId[] {
    return [...this.blobs].flatMap(([diffId, list]) =>
      list.some(({ Digest }) => Digest === digest) ? [diffId] : [],
    );
  }
}

function digestsIn(directory: string): Digest[] {
  return readNames(directory)
    .map((name) => `sha256:${name}`)
    .filter(isDigest);
}

/** An entry with its repository written in full; none where that is no repository. */
function canonical(entry: V2Metadata): V2Metadata[] {
  try {
    const { SourceRepository } = entry;
    const repository = canonicalRepository(parseReference(SourceRepository));
    return [{ ...entry, SourceRepository: repository }];
  } catch {
    return [];
  }
}

interface Concerned {
  readonly diffIds: ReadonlySet<DiffId>;
  readonly digests: ReadonlySet<Digest>;
}

function concerned(
  { layout, known }: MapsRepair,
  maps: Maps,
  findings: readonly Finding[],
): Concerned {
  const diffIds = new Set<DiffId>();
  const digests = new Set<Digest>();
  for (const { path, chainId } of findings) {
    const diffId = chainId && known.get(chainId)?.diffId;
    if (diffId !== undefined) diffIds.add(diffId);
    const id = `sha256:${basename(path)}`;
    if (!isDigest(id)) continue;
    if (path.includes(basename(layout.v2MetadataParent))) {
      diffIds.add(id as string as DiffId);
    } else if (path.includes(basename(layout.diffIdByDigestParent))) {
      digests.add(id);
    }
  }
  for (const digest of digests) {
    for (const diffId of maps.listing(digest)) diffIds.add(diffId);
    const diffId = maps.diffIds.get(digest);
    if (diffId !== undefined) diffIds.add(diffId);
  }
  return { diffIds, digests };
}

/** What can be said of layers of which neither map says anything, by diff ID. */
async function originsOf(
  { known, blobs }: MapsRepair,
  maps: Maps,
  diffIds: ReadonlySet<DiffId>,
): Promise<Map<DiffId, V2Metadata[]>> {
  const origins = new Map<DiffId, V2Metadata[]>();
  for (const layer of known.bottomUp()) {
    const { diffId } = layer;
    if (!diffIds.has(diffId)) continue;
    if ((maps.blobs.get(diffId) ?? []).length > 0) continue;
    const noted = blobs.noted(layer);
    const places = noted.length > 0 ? noted : await blobs.asked(layer);
    const before = origins.get(diffId) ?? [];
    const found = places.map(({ digest, repository }) => ({
      Digest: digest,
      SourceRepository: repository,
      HMAC: "",
    }));
    origins.set(diffId, [...before, ...found.toReversed()]);
  }
  // A manifest says that a blob is the layer, and nobody has seen it. Where
  // several say different things, at least one of them is wrong.
  for (const [diffId, entries] of origins) {
    const digests = [...new Set(entries.map(({ Digest }) => Digest as Digest))];
    const proved = digests.some((one) => maps.diffIds.get(one) === diffId);
    if (digests.length > 1 && !proved) origins.delete(diffId);
  }
  return origins;
}

/**
 * Makes the maps agree about these layers and blobs.
 * @returns the blobs whose notes may have changed
 */
function settle(
  { known }: MapsRepair,
  maps: Maps,
  { diffIds, digests }: Concerned,
  origins: ReadonlyMap<DiffId, readonly V2Metadata[]>,
): Set<Digest> {
  const touched = new Set(digests);
  for (const diffId of diffIds) {
    let list = maps.blobs.get(diffId) ?? [];
    if (list.length === 0) {
      for (const entry of origins.get(diffId) ?? []) list = addV2(list, entry);
    }
    // A blob that both maps give to another layer is not this one.
    list = list.filter(({ Digest }) => {
      const noted = maps.diffIds.get(Digest as Digest);
      if (noted === undefined || noted === diffId) return true;
      return !maps.listing(Digest as Digest).includes(noted);
    });
    maps.blobs.set(diffId, list);
    for (const { Digest } of list) touched.add(Digest as Digest);
  }
  const inUse = new Set(known.bottomUp().map(({ diffId }) => diffId));
  for (const digest of touched) {
    const listing = maps.listing(digest);
    const noted = maps.diffIds.get(digest);
    if (noted !== undefined && listing.includes(noted)) continue;
    const diffId = listing.find((one) => inUse.has(one)) ?? listing[0];
    if (diffId === undefined) maps.diffIds.delete(digest);
    else maps.diffIds.set(digest, diffId);
  }
  return touched;
}

/** Writes what has changed: first where layers came from, then what blobs are. */
async function writeMaps(
  { layout, steps }: MapsRepair,
  maps: Maps,
  diffIds: ReadonlySet<DiffId>,
  digests: ReadonlySet<Digest>,
): Promise<void> {
  for (const diffId of diffIds) {
    const list = maps.blobs.get(diffId) ?? [];
    const text = list.length === 0 ? undefined : formatV2Metadata(list);
    await settleFile(steps, maps, layout.v2MetadataOf(diffId), text);
  }
  for (const digest of digests) {
    const text = maps.diffIds.get(digest);
    await settleFile(steps, maps, layout.diffIdOf(digest), text);
  }
}

/** A hint that says nothing (any more) is better gone: it would only be in the way of a true one. */
async function settleFile(
  steps: Steps,
  maps: Maps,
  path: string,
  text: string | undefined,
): Promise<void> {
  const before = maps.files.get(path);
  if (before === text) return;
  if (text !== undefined) {
    await steps.take({ action: "rebuilt", path }, async () => {
      await replaceFile(path, text, MODE);
    });
    return;
  }
  await steps.take({ action: "removed", path }, async () => {
    unmark(path);
    await syncDirectory(path.slice(0, path.lastIndexOf("/")));
  });
}
