/** Brings the layers of a bundle into its folder: what is there is checked, the rest fetched. */
import pLimit from "p-limit";
import {
  type Digest,
  abortedError,
  hexOf,
  isTpullError,
  shortId,
} from "../../store/index.js";
import type { ArchiveFiles } from "../archive/files.js";
import { inImage, inLayer } from "../image-error.js";
import { aboutOf } from "../items.js";
import { DEFAULT_CONCURRENCY } from "../pull-session.js";
import type { RunSession } from "../run-session.js";
import type { BlobFolder } from "./blob-folder.js";
import type { BundleLayers, WantedLayer } from "./layers.js";

/** From so many bytes on, reading what is there takes long enough to speak of. */
const LONG_BYTES = 256 * 1024 * 1024;

export interface Brought {
  /** Layers that came from the network. */
  readonly fetched: ReadonlySet<Digest>;
  readonly bytes: number;
}

export interface BringOptions {
  readonly session: RunSession;
  /** The bundle that is to be replaced, for the blobs in it. */
  readonly old: ArchiveFiles | undefined;
  readonly concurrency: number | undefined;
  /** Whether the blobs are to become one file beside the folder. */
  readonly intoFile: boolean;
  /** Bytes of blobs that are no layers. */
  readonly small: number;
}

/**
 * The largest first; the first failure ends the others.
 * @throws TpullError `NOT_ENOUGH_SPACE` before anything is written, and what
 *   fetching a layer may throw
 */
export async function bringLayers(
  folder: BlobFolder,
  layers: BundleLayers,
  options: BringOptions,
): Promise<Brought> {
  const wanted = [...layers.wanted.values()].toSorted(
    (a, b) => b.descriptor.size - a.descriptor.size,
  );
  const missing = await lacking(folder, layers, wanted, options);
  requireRoom(folder, wanted, missing, options);
  const fetched = new Set<Digest>();
  let bytes = 0;
  await all(missing, options, async (layer, signal) => {
    const received = await bringLayer(folder, layers, layer, {
      ...options,
      signal,
    });
    layers.state(layer.descriptor.digest, "complete");
    if (received === undefined) return;
    fetched.add(layer.descriptor.digest);
    bytes += received;
  });
  return { fetched, bytes };
}

/** Reads what is there; a blob that is not what its name says is lacking. */
async function lacking(
  folder: BlobFolder,
  layers: BundleLayers,
  wanted: readonly WantedLayer[],
  options: BringOptions,
): Promise<WantedLayer[]> {
  const { session } = options;
  const there = wanted.filter(({ descriptor: { digest, size } }) =>
    folder.seems(digest, size),
  );
  const total = there.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  if (total >= LONG_BYTES) {
    const reason = `checking the ${there.length} blobs that are there already`;
    session.emit({ type: "wait", reason });
  }
  const sound = new Set<Digest>();
  await all(
    there,
    options,
    async ({ descriptor: { digest, size } }, signal) => {
      if (await folder.has(digest, size, signal)) {
        sound.add(digest);
        layers.state(digest, "exists");
        return;
      }
      const message = `${shortId(digest)}, which was there, is damaged: it is fetched again`;
      session.emit({ type: "warning", code: "BLOB_DAMAGED", message });
    },
  );
  return wanted.filter(({ descriptor: { digest } }) => !sound.has(digest));
}

/** @throws TpullError `NOT_ENOUGH_SPACE`, having removed what was made so far */
function requireRoom(
  folder: BlobFolder,
  wanted: readonly WantedLayer[],
  missing: readonly WantedLayer[],
  { intoFile, small }: BringOptions,
): void {
  const needed = missing.reduce(
    (sum, { descriptor: { digest, size } }) =>
      sum + size - folder.begun(digest, size),
    small,
  );
  // While a file is made of them, one blob at a time is there twice.
  const twice = intoFile ? (wanted[0]?.descriptor.size ?? 0) : 0;
  folder.requireRoom(needed + twice);
}

/** @returns bytes from the network; undefined where none were needed */
async function bringLayer(
  folder: BlobFolder,
  layers: BundleLayers,
  { descriptor, of }: WantedLayer,
  { session, old, signal }: BringOptions & { readonly signal: AbortSignal },
): Promise<number | undefined> {
  const { digest, size } = descriptor;
  const name = `blobs/sha256/${hexOf(digest)}`;
  if (old !== undefined && (await old.find(name))?.size === size) {
    const chunks = old.stream(name, 0, size);
    if (await folder.copy(digest, size, chunks, signal)) return undefined;
  }
  const about = aboutOf(of.item);
  layers.state(digest, "downloading");
  try {
    const { bytes } = await folder.fetch(
      { repository: of.reference, descriptor },
      session.client,
      { signal, onRetry: session.retryTeller(about) },
      (length) => layers.progress(digest, length, size),
    );
    return bytes;
  } catch (error) {
    const cause = inLayer(error, descriptor);
    throw isTpullError(cause) && cause.code !== "ABORTED"
      ? inImage(cause, about.image, of.reference)
      : cause;
  }
}

/** Does the work for all, a few at a time; the first failure ends it. */
async function all<Item>(
  items: readonly Item[],
  { session, concurrency = DEFAULT_CONCURRENCY }: BringOptions,
  work: (item: Item, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const end = new AbortController();
  const stop = (): void => end.abort();
  session.signal.addEventListener("abort", stop, { once: true });
  if (session.signal.aborted) stop();
  const limit = pLimit(concurrency);
  let failure: unknown;
  await Promise.all(
    items.map((item) =>
      limit(async () => {
        if (failure !== undefined) return;
        try {
          if (end.signal.aborted) throw abortedError();
          await work(item, end.signal);
        } catch (error) {
          failure ??= error;
          stop();
        }
      }),
    ),
  );
  session.signal.removeEventListener("abort", stop);
  if (failure !== undefined) throw failure;
}
