/** Keeping what an image's registry served of it, so that it can be given back under the registry's digests. */
import type { Digest, ImageId, Store } from "../store/index.js";
import { originalImage } from "../store/blobs/original.js";
import type { BlobKeeping, BringOptions } from "./blob-keeping.js";
import type { KeptBlobsResult, LayerState } from "./events.js";
import { inLayer } from "./image-error.js";
import type { LayerListener } from "./layer-request.js";
import type { Repository } from "./registry/client.js";
import type { Descriptor } from "./registry/manifest.js";
import type { ResolvedImage } from "./resolve-image.js";

export interface KeepImageContext {
  readonly keeping: BlobKeeping;
  readonly repository: Repository;
  readonly call: Omit<BringOptions, "onProgress">;
  /** Who hears of a layer whose blob is fetched once more, and the state that it has before and after that. */
  listenerAt(
    index: number,
    descriptor: Descriptor,
  ): Pick<LayerListener, "state" | "progress"> & { before: LayerState };
  warn(code: string, message: string): void;
}

/** At most so many progress reports a second for each blob. */
const PROGRESS_INTERVAL_MS = 100;

/**
 * Sees to it that the blobs of all layers are kept, and the indexes that led to
 * the image. What is not here is fetched. What the limit or the disk leaves no
 * room for is told in a warning.
 * @throws TpullError what fetching a layer may throw
 */
export async function keepImage(
  { manifest, indexes }: ResolvedImage,
  context: KeepImageContext,
): Promise<KeptBlobsResult> {
  for (const { digest, bytes } of indexes) {
    await context.keeping.document(digest, bytes);
  }
  const blobs = new Map<Digest, { index: number; descriptor: Descriptor }>();
  for (const [index, descriptor] of manifest.layers.entries()) {
    if (!blobs.has(descriptor.digest)) {
      blobs.set(descriptor.digest, { index, descriptor });
    }
  }
  const result = { blobs: blobs.size, bytes: 0, fetched: 0 };
  const missing: KeptBlobsResult["missing"] = [];
  const reasons = new Set<string>();
  const settled = await Promise.allSettled(
    [...blobs.values()].map(async ({ index, descriptor }) => {
      const outcome = await bring(index, descriptor, context);
      const { digest, size } = descriptor;
      if (outcome.failure === undefined) result.bytes += size;
      else {
        missing.push({ digest, code: outcome.failure.code });
        reasons.add(outcome.failure.message);
      }
      if (outcome.fetched) result.fetched += 1;
    }),
  );
  for (const one of settled) if (one.status === "rejected") throw one.reason;
  if (missing.length > 0) {
    const [reason = ""] = reasons;
    context.warn(
      "BLOBS_NOT_KEPT",
      `${missing.length} of ${blobs.size} blobs are not kept: ${reason}`,
    );
  }
  return { ...result, missing };
}

async function bring(
  index: number,
  descriptor: Descriptor,
  { keeping, repository, call, listenerAt }: KeepImageContext,
): ReturnType<BlobKeeping["bring"]> {
  const { state, progress, before } = listenerAt(index, descriptor);
  let begun = false;
  let reported = 0;
  let reportedAt = 0;
  try {
    return await keeping.bring(
      { repository, descriptor },
      {
        ...call,
        onProgress: (bytes) => {
          if (!begun) state("downloading");
          begun = true;
          const now = performance.now();
          const isDue = now - reportedAt >= PROGRESS_INTERVAL_MS;
          if (bytes <= reported) return;
          if (!isDue && bytes !== descriptor.size) return;
          reportedAt = now;
          reported = bytes;
          progress(bytes);
        },
      },
    );
  } catch (error) {
    throw inLayer(error, descriptor);
  } finally {
    if (begun) state(before);
  }
}

/**
 * What is kept of an image that nothing has to be fetched for. It stays while
 * the run lasts, and counts as used now.
 * @param name with the digest that its reference resolves to
 * @returns undefined unless all is there to give it back under that digest
 */
export function keptWith(
  { layout }: Store,
  keeping: BlobKeeping,
  imageId: ImageId,
  name: string,
): KeptBlobsResult | undefined {
  const original = originalImage(layout, imageId, [name]);
  if (original === undefined) return undefined;
  const { manifest, layers, indexes } = original;
  const isNamed = name.endsWith(`@${manifest.digest}`) || indexes.size > 0;
  if (!isNamed) return undefined;
  const sizes = new Map(layers.map(({ digest, size }) => [digest, size]));
  const documents = [...indexes.values()].flat();
  const all = [...sizes.keys(), ...documents.map(({ digest }) => digest)];
  if (!keeping.rely(all)) return undefined;
  const bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  return { blobs: sizes.size, bytes, fetched: 0, missing: [] };
}
