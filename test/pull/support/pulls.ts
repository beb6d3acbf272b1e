/** Pulls from a registry in this process into roots that end with the test. */
import { onTestFinished } from "vitest";
import {
  pullAll,
  type PullAllResult,
  type PullEvent,
  type PullOptions,
  type Requested,
} from "#src/index.js";
import { isTpullError, type TpullError } from "#store/index.js";
import {
  startFaultRegistry,
  type FaultRegistry,
  type FaultRegistryOptions,
} from "../../helpers/fault-registry.js";
import type { Blob, Image } from "../../helpers/image-builder.js";

/** Starts a registry that ends with the test. */
export async function serve(
  options?: FaultRegistryOptions,
): Promise<FaultRegistry> {
  const registry = await startFaultRegistry(options);
  onTestFinished(() => registry.close());
  return registry;
}

/** Retries without waiting, and a short patience. */
export const IMPATIENT: NonNullable<PullOptions["registry"]> = {
  retry: { baseMs: 1, maxMs: 4 },
  stallMs: 150,
  headersTimeoutMs: 1000,
};

/** Puts an image into a registry; returns its reference. */
export function publish(
  registry: FaultRegistry,
  name: string,
  image: Image,
): string {
  for (const blob of [image.config, ...image.layers]) addBlob(registry, blob);
  return publishManifest(registry, name, image.manifest);
}

/** Puts a manifest or an index into a registry; `name` is `repository[:tag]`. */
export function publishManifest(
  registry: FaultRegistry,
  name: string,
  { data, mediaType }: Blob,
): string {
  const [repository = "", tag] = name.split(":");
  const { digest } = registry.addManifest(
    repository,
    tag,
    bytesOf(data),
    mediaType,
  );
  return `${registry.host}/${tag === undefined ? `${repository}@${digest}` : name}`;
}

export function addBlob(registry: FaultRegistry, { data, digest }: Blob): void {
  registry.blobs.set(digest, bytesOf(data));
}

function bytesOf(data: Blob["data"]): Buffer {
  if (typeof data === "string") throw new Error("a blob in a file");
  return data;
}

export interface Pulled extends PullAllResult {
  readonly events: PullEvent[];
}

/** Pulls images and keeps the events. */
export async function pulling(
  requests: Requested | readonly Requested[],
  options: PullOptions,
): Promise<Pulled> {
  const events: PullEvent[] = [];
  const outcome = await pullAll([requests].flat(), {
    registry: IMPATIENT,
    // Each layer in flight costs a thread, and starting one takes longer than all else here.
    concurrency: 2,
    ...options,
    onEvent: (event) => {
      events.push(structuredClone(event));
      options.onEvent?.(event);
    },
  });
  return { ...outcome, events };
}

/** The error that work fails with; it must be one for people. */
export async function failureOf(work: Promise<unknown>): Promise<TpullError> {
  try {
    await work;
  } catch (error) {
    if (isTpullError(error)) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

/** Requests so far as `GET manifests`, `GET blobs`, …, sorted and counted. */
export function requestCounts(registry: FaultRegistry): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { method, url } of registry.requests) {
    const kind = /\/(manifests|blobs|tags)\//.exec(url)?.[1] ?? url;
    const key = `${method} ${kind}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** How often a blob was asked for. */
export function fetches(registry: FaultRegistry, digest: string): number {
  return registry.sent(new RegExp(`/blobs/${digest}$`)).length;
}
