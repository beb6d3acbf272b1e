/** Prefetches that keep their events. */
import {
  prefetch,
  type PrefetchOptions,
  type PrefetchResult,
  type PullEvent,
  type Requested,
} from "#src/index.js";
import { IMPATIENT } from "./pulls.js";

/** Prefetches images and keeps the events. */
export async function prefetching(
  requests: readonly Requested[],
  options: PrefetchOptions,
): Promise<{ result: PrefetchResult; events: PullEvent[] }> {
  const events: PullEvent[] = [];
  const result = await prefetch(requests, {
    registry: IMPATIENT,
    concurrency: 2,
    ...options,
    onEvent: (event) => {
      events.push(structuredClone(event));
      options.onEvent?.(event);
    },
  });
  return { result, events };
}
