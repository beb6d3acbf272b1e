/** The content of many layers, on all cores. */
import { type BigIntStats, lstatSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { CacheId, ChainId } from "../../digest.js";
import { IngestPool } from "../../ingest/pool.js";
import { isAbsent } from "../../io-error.js";
import type { Layout } from "../../layout.js";
import { hasOwnIds, privilege } from "../../privilege.js";
import type { Look } from "../look.js";
import { FORM, typeOf } from "../structure/small-file.js";
import type { CheckedLayer, LayerToCheck } from "./check-layer.js";
import { diffModeProblem, mayHaveRootMember } from "./diff-mode.js";
import type { Problem } from "./problems.js";

/** A layer whose files are where its entry says. */
export interface ReadableLayer {
  readonly chainId: ChainId;
  readonly cacheId: CacheId;
  readonly job: LayerToCheck;
}

export interface PassOptions {
  readonly threads: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** Called some ten times a second, and once at the end of each layer. */
  readonly onProgress: (progress: PassProgress) => void;
  /** Whether others may change the store meanwhile. */
  readonly isLive: boolean;
}

export interface PassProgress {
  /** Bytes of files read. */
  readonly bytes: number;
  /** Layers that are done. */
  readonly layers: number;
}

export interface PassResult extends Omit<CheckedLayer, "problems"> {
  readonly problems: readonly {
    readonly layer: ReadableLayer;
    readonly problem: Problem;
  }[];
}

/** A tree of a million files fits in. */
const WORKER_HEAP_MB = 2048;
const PROGRESS_MS = 100;

/** What can be read of these layers; the others are missing something, which is said elsewhere. */
export function readableLayers(
  { structure, places }: Look,
  isWanted: (chainId: ChainId) => boolean,
): ReadableLayer[] {
  const { layout } = structure;
  const seesTrusted = privilege() === "native";
  const nanoseconds = keepsNanoseconds(layout);
  const isShifted = hasOwnIds();
  const layers: ReadableLayer[] = [];
  for (const [chainId, entry] of structure.layers) {
    const cacheId = places.cacheIdOf(chainId);
    if (cacheId === undefined || !isWanted(chainId)) continue;
    const diffDirectory = layout.cacheFile(cacheId, "diff");
    const tarSplitPath = layout.layerFile(chainId, "tarSplit");
    if (typeOf(diffDirectory) !== "directory") continue;
    if (typeOf(tarSplitPath) !== "file") continue;
    const isUsers = statOf(diffDirectory)?.uid !== 0n;
    const job: LayerToCheck = {
      diffId: structure.originOf(chainId)?.diffId,
      diffDirectory,
      tarSplitPath,
      shownDirectory: structure.relative(diffDirectory),
      shownTarSplit: structure.relative(tarSplitPath),
      size:
        entry.size.value === undefined ? undefined : Number(entry.size.value),
      shownSize: structure.relative(layout.layerFile(chainId, "size")),
      rules: {
        seesTrusted,
        // Who unpacked it as a user could set the marks of users only.
        seesMarks: seesTrusted || isUsers,
        unprivileged: isShifted || isUsers,
        inPlace: !FORM.hex.test(cacheId),
        nanoseconds,
      },
    };
    layers.push({ chainId, cacheId, job });
  }
  // The largest first, so that all threads end at about the same time.
  return layers.sort((a, b) => (b.job.size ?? 0) - (a.job.size ?? 0));
}

/** What can be told of these layers without reading their content. */
export function checkQuickly(
  layers: readonly ReadableLayer[],
): PassResult["problems"] {
  return layers.flatMap((layer) => {
    const { diffDirectory, tarSplitPath, shownDirectory, rules } = layer.job;
    const message = diffModeProblem(diffDirectory, [], rules.unprivileged);
    if (message === undefined || mayHaveRootMember(tarSplitPath)) return [];
    const code = "OVERLAY_MODE";
    return { layer, problem: { code, path: shownDirectory, message } };
  });
}

/** Whether any time in the store is finer than a second. */
function keepsNanoseconds(layout: Layout): boolean {
  return [layout.overlay, layout.links, layout.layers, layout.driver].some(
    (path) => (statOf(path)?.mtimeNs ?? 0n) % 1_000_000_000n !== 0n,
  );
}

/** @throws TpullError `ABORTED`, `WORKER_FAILED` */
export async function checkContent(
  layout: Layout,
  layers: readonly ReadableLayer[],
  options: PassOptions,
): Promise<PassResult> {
  const { onProgress } = options;
  const progress = new SharedArrayBuffer(8);
  const counter = new BigInt64Array(progress);
  const total = { bytes: 0, files: 0, forbidden: 0 };
  const problems: { layer: ReadableLayer; problem: Problem }[] = [];
  let done = 0;
  const tell = (): void =>
    onProgress({ bytes: Number(Atomics.load(counter, 0)), layers: done });
  const timer = setInterval(tell, PROGRESS_MS);
  timer.unref();
  const pending = [...layers].toReversed();
  await using pool = new IngestPool(WORKER_HEAP_MB);
  const work = async (): Promise<void> => {
    for (let layer = pending.pop(); layer; layer = pending.pop()) {
      const found = await checkOne(pool, layout, layer, progress, options);
      done += 1;
      tell();
      total.bytes += found.bytes;
      total.files += found.files;
      total.forbidden += found.forbidden;
      for (const problem of found.problems) problems.push({ layer, problem });
    }
  };
  const threads = Math.min(
    options.threads ?? availableParallelism(),
    layers.length,
  );
  try {
    await Promise.all(Array.from({ length: threads }, work));
  } finally {
    clearInterval(timer);
  }
  return { ...total, problems };
}

/** A layer that is found damaged in a store that changes is looked at once more. */
async function checkOne(
  pool: IngestPool,
  layout: Layout,
  layer: ReadableLayer,
  progress: SharedArrayBuffer,
  { signal, isLive }: PassOptions,
): Promise<CheckedLayer> {
  const before = stampOf(layout, layer);
  const first = await pool.check(layer.job, progress, signal);
  if (first.problems.length === 0) return first;
  const after = stampOf(layout, layer);
  if (after === undefined) return { ...first, problems: [] };
  if (after === before && !isLive) return first;
  const second = await pool.check(layer.job, progress, signal);
  if (stampOf(layout, layer) === undefined) return { ...second, problems: [] };
  const known = new Set(first.problems.map(keyOf));
  return {
    ...second,
    problems: second.problems.filter((problem) => known.has(keyOf(problem))),
  };
}

function keyOf({ code, path }: Problem): string {
  return `${code} ${path}`;
}

/** Changes whenever the layer is replaced; undefined once it is gone. */
function stampOf(
  layout: Layout,
  { chainId, cacheId }: ReadableLayer,
): string | undefined {
  const stats = [
    layout.layer(chainId),
    layout.layerFile(chainId, "tarSplit"),
    layout.cache(cacheId),
    layout.cacheFile(cacheId, "diff"),
  ].map(statOf);
  if (stats.includes(undefined)) return undefined;
  return stats.map((found) => `${found?.ino} ${found?.ctimeNs}`).join(" ");
}

function statOf(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true });
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
