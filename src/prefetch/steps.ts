/** The two steps of an image that is prefetched: found first, brought later, with nothing asked for twice. */
import { readManifestHint } from "../../store/index.js";
import type { PullResult } from "../events.js";
import { type ImageConfig, parseImageConfig } from "../image-config.js";
import type { ImageTask } from "../image-task.js";
import { type NeededLayer, neededLayers } from "../plan/needed.js";
import type { PullSession } from "../pull-session.js";
import type { ResolvedImage } from "../resolve-image.js";

/** An image that is there. */
export interface Done {
  readonly kind: "done";
  readonly result: PullResult;
  /** Whether anything of it was missing, be it that another run has brought that or named the image meanwhile. */
  readonly wasMissing: boolean;
  /** Bytes of its layers' blobs that needed no fetching; undefined where nobody knows. */
  readonly bytesReused: number | undefined;
}

/** An image of which it is known what is to be done for it. */
export interface Found {
  readonly kind: "found";
  readonly resolved: ResolvedImage;
  /** Of the config. */
  readonly bytes: Buffer;
  readonly config: ImageConfig;
  /** What is missing of it, base first. */
  readonly needed: readonly NeededLayer[];
}

/**
 * Asks the registry what an image is, down to its config, and looks what of it
 * is here.
 * @throws TpullError that names the image, after an `error` event
 */
export async function find(
  task: ImageTask,
  { store }: PullSession,
): Promise<Done | Found> {
  return await task.step(async (image, reference) => {
    const result = await image.upToDate();
    if (result !== undefined) {
      const hint = readManifestHint(store.layout, result.imageId);
      const bytesReused = hint && sum(hint.layers.map(({ size }) => size));
      image.done(result);
      return { kind: "done", result, wasMissing: false, bytesReused };
    }
    const resolved = await image.resolve(reference);
    image.announce(resolved);
    const bytes = await image.config(resolved);
    const config = parseImageConfig(bytes, resolved.manifest.layers.length);
    image.checkPlatform(config, resolved);
    const { needed } = await neededLayers(store, resolved.manifest, config);
    return { kind: "found", resolved, bytes, config, needed };
  });
}

/**
 * Brings the layers of an image, and gives it its name.
 * @throws TpullError that names the image, after an `error` event
 */
export async function bring(
  task: ImageTask,
  { resolved, bytes, config, needed }: Found,
): Promise<Done> {
  return await task.step(async (image) => {
    const layers = await image.bringLayers(resolved, config);
    // The result takes account of them.
    const fetched = sum(layers.map(({ received }) => received.total));
    const before = task.documentBytes;
    await image.keepBlobs(resolved);
    const alone = task.documentBytes - before;
    const status = await image.publish(resolved, layers, bytes);
    const result = image.result(resolved, config, layers, status);
    const size = sum(resolved.manifest.layers.map((layer) => layer.size));
    const bytesReused = Math.max(0, size - fetched - alone);
    const wasMissing = needed.length > 0 || status === "downloaded";
    image.done(result);
    return { kind: "done", result, wasMissing, bytesReused };
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
