// Events of pulls, made short.
import { createHash } from "node:crypto";
import type {
  FailedPull,
  LayerState,
  PullEvent,
  PullResult,
} from "#src/events.js";
import type { DiffId, Digest, ImageId } from "#store/digest.js";

export function digest(name: string): Digest {
  return `sha256:${createHash("sha256").update(name).digest("hex")}` as Digest;
}

export function short(name: string): string {
  return digest(name).slice(7, 19);
}

/** Events of one image `name` of Docker Hub, whose layers are named by `layers`. */
export function image(name: string, layers: [string, number][] = []) {
  const canonicalName = `docker.io/library/${name}:latest`;
  const at = (index: number) => ({
    image: name,
    index,
    digest: digest(layers[index]?.[0] ?? "?"),
  });
  return {
    resolve: (): PullEvent => ({ type: "resolve", image: name, canonicalName }),
    pulling: (): PullEvent => ({
      type: "pulling",
      image: name,
      tagOrDigest: "latest",
      repository: `library/${name}`,
      digest: digest(name),
    }),
    layers: (): PullEvent => ({
      type: "layers",
      image: name,
      imageId: digest("config") as string as ImageId,
      platform: "linux/amd64",
      layers: layers.map(([layer, size]) => ({
        digest: digest(layer),
        diffId: digest(`diff ${layer}`) as string as DiffId,
        size,
      })),
    }),
    layer: (index: number, state: LayerState): PullEvent => ({
      type: "layer",
      ...at(index),
      state,
    }),
    progress: (index: number, current: number): PullEvent => ({
      type: "progress",
      ...at(index),
      current,
      total: layers[index]?.[1] ?? 0,
    }),
    result: (status: PullResult["status"] = "downloaded"): PullEvent => ({
      type: "result",
      image: name,
      result: result(name, status),
    }),
    error: (message = "manifest unknown", code = "NOT_FOUND"): PullEvent => ({
      type: "error",
      image: name,
      error: { code, message, hint: "Check the tag." },
    }),
  };
}

export function result(
  name: string,
  status: PullResult["status"] = "downloaded",
): PullResult {
  return {
    reference: name,
    canonicalName: `docker.io/library/${name}:latest`,
    familiarName: `${name}:latest`,
    digest: digest(name),
    manifestDigest: digest(`manifest ${name}`),
    imageId: digest("config") as string as ImageId,
    platform: "linux/amd64",
    status,
    layers: [],
    bytesFetched: 100,
    bytesBySource: { "docker.io": 100 },
    passedOver: [],
  };
}

export function summary(
  results: PullResult[] = [],
  failures: FailedPull[] = [],
): PullEvent {
  return {
    type: "summary",
    pulled: results.length,
    failed: failures.length,
    bytesFetched: 0,
    durationMs: 1,
    results,
    failures,
  };
}
