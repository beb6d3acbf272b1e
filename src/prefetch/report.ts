/** What is said of one image when a prefetch is over. */
import type { ImageId } from "../../store/index.js";
import { canonicalName } from "../../store/reference/reference.js";
import type { PrefetchedImage } from "../events.js";
import type { ImageTask } from "../image-task.js";
import { aboutOf } from "../items.js";
import { formatPlatform } from "../platform.js";
import type { Entry } from "./entry.js";
import type { Done, Found } from "./steps.js";

export function reportOf({ task, state }: Entry): PrefetchedImage {
  const durationMs = Math.round(task?.durationMs ?? 0);
  switch (state.kind) {
    case "failed": {
      const { reference, target, error } = state.failure;
      return {
        reference,
        ...(target === undefined ? {} : { target }),
        status: "failed",
        error,
        bytesFetched: task?.bytesFetched ?? 0,
        durationMs,
      };
    }
    case "found":
      return { ...notStarted(state, task), durationMs };
    case "done":
      return { ...done(state), durationMs };
  }
}

function notStarted(
  { resolved, config }: Found,
  task: ImageTask | undefined,
): Omit<PrefetchedImage, "durationMs"> {
  const { image, target } = aboutOf(task?.item ?? { text: "" });
  const name = task?.reference;
  return {
    reference: image,
    ...(target === undefined ? {} : { target }),
    ...(name === undefined ? {} : { canonicalName: canonicalName(name) }),
    digest: resolved.digest,
    imageId: resolved.manifest.config.digest as string as ImageId,
    platform: formatPlatform(config),
    status: "not-started",
    bytesFetched: task?.documentBytes ?? 0,
  };
}

function done({
  result,
  wasMissing,
  bytesReused,
}: Done): Omit<PrefetchedImage, "durationMs"> {
  const { reference, target, canonicalName, digest, imageId } = result;
  return {
    reference,
    ...(target === undefined ? {} : { target }),
    canonicalName,
    digest,
    imageId,
    platform: result.platform,
    status: wasMissing ? "fetched" : "up-to-date",
    bytesFetched: result.bytesFetched,
    ...(bytesReused === undefined ? {} : { bytesReused }),
  };
}
