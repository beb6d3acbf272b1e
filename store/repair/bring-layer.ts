/**
 * A layer's content, brought once more and verified before anything of the old
 * is touched: put together from the layer's own files where those suffice, from
 * another layer with the same tar, unpacked from a kept blob, or fetched.
 */
import type { ChainId } from "../digest.js";
import { isTpullError, throwIfAborted } from "../errors.js";
import { chainsOfDiff, readLayer } from "../layers.js";
import type { StoredLayer } from "../ingest/tar-split-source.js";
import type { Layout } from "../layout.js";
import { LAYER_POLL_MS, pause } from "../lock.js";
import type { Session } from "../session.js";
import type { Staged, Stager } from "../stage.js";
import { type StagedClaim, tryClaim } from "../staging.js";
import type { BlobPlaces } from "./blob-places.js";
import { cannotFetch } from "./cannot-fetch.js";
import { OUR_OWN, WRONG_BYTES } from "./failures.js";
import { unpacked } from "./kept-content.js";
import type { KnownLayer } from "./known-layers.js";
import type { LayerPlace } from "./overlay-map.js";
import type { BlobPlace, RepairOptions } from "./repair-types.js";

export interface Bringing extends Pick<
  RepairOptions,
  "supplier" | "signal" | "onProgress" | "onWait"
> {
  readonly layout: Layout;
  readonly session: Session;
  readonly stager: Stager;
  readonly blobs: BlobPlaces;
  /** Layers whose own content is in doubt: nothing is copied from them. */
  readonly doubtful: ReadonlySet<ChainId>;
}

/** A layer that is staged, and where it came from. */
export interface Brought {
  readonly claim: StagedClaim;
  readonly staged: Staged;
  readonly action: "restored" | "fetched";
  readonly from: string;
  /** Bytes that were fetched. */
  readonly bytes: number;
}

/**
 * Stages a layer. The caller closes the claim.
 * @throws TpullError the failure of the most promising source
 */
export async function bringLayer(
  bringing: Bringing,
  layer: KnownLayer,
  place: LayerPlace | undefined,
): Promise<Brought> {
  const claim = await claimLayer(bringing, layer.chainId);
  try {
    return (
      (await takeStaged(claim)) ??
      (await copied(bringing, claim, layer, place)) ??
      (await unpacked(bringing, claim, layer)) ??
      (await fetched(bringing, claim, layer))
    );
  } catch (error) {
    await claim.discard();
    throw error;
  }
}

/** Waits until nobody else writes the layer. */
async function claimLayer(
  { layout, session, signal, onWait }: Bringing,
  chainId: ChainId,
): Promise<StagedClaim> {
  const staging = await session.staging();
  for (let waited = false; ;) {
    throwIfAborted(signal);
    const claim = tryClaim(layout, staging, chainId);
    if (typeof claim !== "string") return claim;
    if (claim === "gone") continue;
    if (!waited) onWait?.("another tpull is writing the same layer");
    waited = true;
    await pause(LAYER_POLL_MS, signal);
  }
}

/** What an interrupted pull has left whole. */
async function takeStaged(claim: StagedClaim): Promise<Brought | undefined> {
  const complete = claim.recover();
  if (complete === undefined) return undefined;
  const staged = { claim, ...complete };
  const from = "what an interrupted pull left";
  return { claim, staged, action: "restored", from, bytes: 0 };
}

/** What a layer's content is put together from where nothing else is needed. */
export const OWN_FILES = "its own files";

/**
 * A layer's own record with its files. Where it has none, with what has no files
 * of layers: a record of directories and links alone says all that there is.
 */
export function ownSource(
  layout: Layout,
  chainId: ChainId,
  place: LayerPlace | undefined,
): StoredLayer {
  const cacheId = place?.isThere === true ? place.cacheId : undefined;
  return {
    diffDirectory:
      cacheId === undefined
        ? layout.overlay
        : layout.cacheFile(cacheId, "diff"),
    tarSplitPath: layout.layerFile(chainId, "tarSplit"),
  };
}

/** From the layer's own files, then from other layers of the same tar. */
async function copied(
  { layout, stager, signal, doubtful }: Bringing,
  claim: StagedClaim,
  layer: KnownLayer,
  place: LayerPlace | undefined,
): Promise<Brought | undefined> {
  const { chainId, diffId, parent } = layer;
  const own = ownSource(layout, chainId, place);
  const sources = [{ stored: own, from: OWN_FILES }];
  for (const twin of chainsOfDiff(layout, diffId)) {
    const record = readLayer(layout, twin);
    if (twin === chainId || doubtful.has(twin) || !record) continue;
    const from = `the layer ${twin.slice(7, 19)}, which has the same content`;
    const stored = {
      diffDirectory: layout.cacheFile(record.cacheId, "diff"),
      tarSplitPath: layout.layerFile(twin, "tarSplit"),
    };
    sources.push({ stored, from });
  }
  for (const { stored, from } of sources) {
    await claim.prepare();
    try {
      const expected = { diffId, parent };
      const staged = await stager.copy(claim, stored, expected, { signal });
      return { claim, staged, action: "restored", from, bytes: 0 };
    } catch (error) {
      // Whatever is wrong with it, the next one may do.
      if (!isTpullError(error) || OUR_OWN.has(error.code)) throw error;
    }
  }
  return undefined;
}

async function fetched(
  bringing: Bringing,
  claim: StagedClaim,
  layer: KnownLayer,
): Promise<Brought> {
  const { supplier, blobs } = bringing;
  const noted = blobs.noted(layer);
  if (supplier === undefined) throw cannotFetch(noted);
  const tried = new Set<string>();
  let failure: unknown;
  const attempt = async (
    places: readonly BlobPlace[],
  ): Promise<Brought | undefined> => {
    for (const place of places) {
      const name = `${place.repository}@${place.digest}`;
      if (tried.has(name)) continue;
      tried.add(name);
      try {
        return await fetchOne(bringing, claim, layer, place);
      } catch (error) {
        if (!isTpullError(error) || OUR_OWN.has(error.code)) throw error;
        failure ??= error;
      }
    }
    return undefined;
  };
  const first = await attempt(noted);
  if (first !== undefined) return first;
  let asked: BlobPlace[] = [];
  try {
    asked = await blobs.asked(layer);
  } catch (error) {
    if (!isTpullError(error) || error.code === "ABORTED") throw error;
    failure ??= error;
  }
  const second = await attempt(asked);
  if (second !== undefined) return second;
  throw failure ?? cannotFetch([]);
}

async function fetchOne(
  bringing: Bringing,
  claim: StagedClaim,
  { diffId, parent }: KnownLayer,
  place: BlobPlace,
): Promise<Brought> {
  const { supplier, stager, signal, onProgress } = bringing;
  const { digest } = place;
  for (let tries = 1; ; tries += 1) {
    const blob = await supplier!.layer({ ...place, diffId }, { signal });
    const { size } = blob;
    await claim.prepare();
    let current = 0;
    try {
      const staged = await stager.blob(
        claim,
        blob.chunks,
        { digest, size, diffId, parent },
        {
          signal,
          onBytes: (bytes) => {
            current += bytes;
            onProgress?.({ digest, current, total: size });
          },
        },
      );
      const from = `${place.repository}@${digest}`;
      return { claim, staged, action: "fetched", from, bytes: size };
    } catch (error) {
      const isWrong = isTpullError(error) && WRONG_BYTES.has(error.code);
      if (!isWrong || tries > 1) throw error;
      if (!(await blob.distrust?.(error))) throw error;
    }
  }
}
