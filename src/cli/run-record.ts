/** Follows a run, so that its last event can be made when the run itself could not send it. */
import {
  type FailedPull,
  type OnEvent,
  type PullEvent,
  type PullResult,
  itemName,
} from "../events.js";
import type { ErrorReport } from "./report-error.js";

export interface RunRecord {
  readonly onEvent: OnEvent;
  /** Whether the run has sent its own summary. */
  isSummarised(): boolean;
  /** The summary of what was seen; `error` is the end of every image that had none. */
  summaryAfter(error: ErrorReport): PullEvent;
}

/** @param now milliseconds since the epoch; the run begins with this call */
export function recordRun(
  images: readonly string[],
  now: () => number,
): RunRecord {
  const begun = now();
  const results = new Map<string, PullResult>();
  const failures = new Map<string, FailedPull>();
  const seen = new Set<string>();
  let summarised = false;
  return {
    onEvent: (event) => {
      if (event.type === "result") {
        seen.add(event.image);
        results.set(itemName(event), event.result);
      }
      if (event.type === "error" && event.image !== undefined) {
        const { image, target, error } = event;
        const about = { image, ...(target && { target }) };
        seen.add(image);
        failures.set(itemName(about), {
          reference: image,
          ...(target && { target }),
          error,
        });
      }
      if (event.type === "summary") summarised = true;
    },
    isSummarised: () => summarised,
    summaryAfter: (error) => {
      for (const reference of images) {
        if (!seen.has(reference)) {
          failures.set(reference, { reference, error });
        }
      }
      const pulled = [...results.values()];
      return {
        type: "summary",
        pulled: pulled.length,
        failed: failures.size,
        bytesFetched: pulled.reduce((sum, one) => sum + one.bytesFetched, 0),
        durationMs: now() - begun,
        results: pulled,
        failures: [...failures.values()],
      };
    },
  };
}
