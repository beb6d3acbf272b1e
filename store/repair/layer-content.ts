/** Layers whose content is damaged or lost: brought, several at once, and put in their places. */
import { syncFilesystem } from "../atomic.js";
import { type DiffId, shortId } from "../digest.js";
import { chainsOfDiff, readCacheId } from "../layers.js";
import type { Layout } from "../layout.js";
import type { Session } from "../session.js";
import { Stager } from "../stage.js";
import type { Finding } from "../verify/finding.js";
import { type AskedManifests, BlobPlaces } from "./blob-places.js";
import {
  type Bringing,
  bringLayer,
  type Brought,
  OWN_FILES,
  ownSource,
} from "./bring-layer.js";
import { cannotFetch } from "./cannot-fetch.js";
import { keptName } from "./kept-content.js";
import type { KnownLayer, KnownLayers } from "./known-layers.js";
import type { OverlayMap } from "./overlay-map.js";
import { OF_CONTENT, OF_RECORD } from "./kinds.js";
import {
  placeLayer,
  placeRecord,
  recordPath,
  refuseMounted,
} from "./place-layer.js";
import { isProvedBy } from "./proof.js";
import type { RepairOptions } from "./repair-types.js";
import type { Steps } from "./steps.js";
import { TreeCheck } from "./tree-check.js";

const DEFAULT_CONCURRENCY = 3;

export interface ContentRepair {
  readonly layout: Layout;
  readonly steps: Steps;
  readonly options: RepairOptions;
  readonly asked: AskedManifests;
  readonly known: KnownLayers;
  /** Where the layers are; kept up to date. */
  readonly map: OverlayMap;
  /** What was found wrong with a layer. */
  readonly findingsOf: (layer: KnownLayer) => readonly Finding[];
}

/** @returns bytes that were fetched */
export async function repairContent(
  repair: ContentRepair,
  session: Session,
  layers: readonly KnownLayer[],
): Promise<number> {
  const { layout, options } = repair;
  const { supplier, signal, onProgress, onWait } = options;
  await using stager = new Stager();
  await using trees = new TreeCheck();
  const doubtful = new Set(layers.map(({ chainId }) => chainId));
  const bringing: Bringing = {
    layout,
    session,
    stager,
    blobs: blobsOf(repair),
    doubtful,
    supplier,
    signal,
    onProgress,
    onWait,
  };
  let bytesFetched = 0;
  const waiting = [...layers];
  /** Of layers with the same content one is brought after the other: the second may be copied from the first. */
  const turns = new Map<DiffId, Promise<void>>();
  const bring = async (
    layer: KnownLayer,
    before: Promise<void> | undefined,
  ): Promise<void> => {
    await before?.catch(() => undefined);
    const brought = await repairOne(repair, bringing, trees, layer);
    if (brought === undefined) return;
    bytesFetched += brought.bytes;
    doubtful.delete(layer.chainId);
  };
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const turn = bring(next, turns.get(next.diffId));
      turns.set(next.diffId, turn);
      await turn;
    }
  };
  const count = Math.max(1, options.concurrency ?? DEFAULT_CONCURRENCY);
  const lanes = Array.from({ length: count }, lane);
  for (const end of await Promise.allSettled(lanes)) {
    if (end.status === "rejected") throw end.reason;
  }
  return bytesFetched;
}

function blobsOf(repair: ContentRepair): BlobPlaces {
  const { layout, known, asked, options } = repair;
  const { supplier, signal } = options;
  return new BlobPlaces(layout, known, supplier, asked, signal);
}

async function repairOne(
  repair: ContentRepair,
  bringing: Bringing,
  trees: TreeCheck,
  layer: KnownLayer,
): Promise<Brought | undefined> {
  const { layout, steps, map, findingsOf } = repair;
  const { session, signal } = bringing;
  const { chainId, diffId } = layer;
  const findings = findingsOf(layer);
  const doing = `repair the layer ${shortId(chainId)}`;
  return await steps.part(doing, findings, async () => {
    const place = map.placeOf(chainId)!;
    const mayKeepFiles = isOfRecord(findings) && place.isThere;
    if (!mayKeepFiles) refuseMounted(place);
    const before = readCacheId(layout.layer(chainId));
    const brought = await bringLayer(bringing, layer, place);
    try {
      await syncFilesystem((await session.staging()).base);
      const keepsFiles =
        mayKeepFiles &&
        (await trees.fits(
          diffId,
          {
            diffDirectory: layout.cacheFile(place.cacheId!, "diff"),
            tarSplitPath: recordPath(brought.claim.paths),
          },
          signal,
        ));
      await session.section(async () => {
        // Another tpull may have replaced the whole layer.
        if (readCacheId(layout.layer(chainId)) !== before) return;
        if (keepsFiles) await placeRecord(repair, layer, brought);
        else await placeLayer(repair, layer, brought);
        const path = keepsFiles
          ? layout.layerFile(chainId, "tarSplit")
          : layout.cache(map.placeOf(chainId)!.cacheId!);
        await tell(steps, path, layer, brought);
      }, session.signal);
      return brought;
    } finally {
      await brought.claim.close();
    }
  });
}

/** Whether only the archive record is known to be wrong. */
function isOfRecord(findings: readonly Finding[]): boolean {
  const codes = findings.map(({ code }) => code);
  return (
    codes.some((code) => OF_RECORD.has(code)) &&
    codes.every((code) => OF_RECORD.has(code) || !OF_CONTENT.has(code))
  );
}

async function tell(
  steps: Steps,
  path: string,
  { chainId }: KnownLayer,
  { action, from, bytes }: Brought,
): Promise<void> {
  const step = { action, path, note: `from ${from}`, id: chainId };
  const size = bytes === 0 ? {} : { bytes };
  await steps.take({ ...step, ...size }, () => undefined);
}

/** Says where the content of layers would come from. */
export async function foretellContent(
  repair: ContentRepair,
  layers: readonly KnownLayer[],
): Promise<void> {
  const { layout, steps, map, findingsOf, options } = repair;
  const blobs = blobsOf(repair);
  const doubtful = new Set(layers.map(({ chainId }) => chainId));
  for (const layer of layers) {
    const { chainId, diffId } = layer;
    const place = map.placeOf(chainId)!;
    const { cacheId } = place;
    const path =
      cacheId === undefined ? layout.layer(chainId) : layout.cache(cacheId);
    const step = { path, id: chainId };
    const restored = (from: string): Promise<void> =>
      steps.take({ ...step, action: "restored", note: from }, () => undefined);
    await steps.part("look at a layer", findingsOf(layer), async () => {
      const own = ownSource(layout, chainId, place);
      if (await isProvedBy(diffId, own)) {
        return await restored(`from ${OWN_FILES}`);
      }
      const twin = chainsOfDiff(layout, diffId).find(
        (one) => one !== chainId && !doubtful.has(one),
      );
      if (twin !== undefined) {
        return await restored(`from the layer ${shortId(twin)}`);
      }
      const [kept] = blobs.kept(layer);
      if (kept !== undefined) return await restored(`from ${keptName(kept)}`);
      const [noted] = blobs.noted(layer);
      if (options.supplier === undefined || noted === undefined) {
        throw cannotFetch(blobs.noted(layer));
      }
      const { repository, digest, size } = noted;
      const note = `from ${repository}@${digest}`;
      const bytes = size === undefined ? {} : { bytes: size };
      const told = { ...step, action: "fetched", note, ...bytes } as const;
      await steps.take(told, () => undefined);
    });
  }
}
