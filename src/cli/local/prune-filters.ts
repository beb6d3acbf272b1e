/** The values of `tpull prune --filter`, as docker reads them. */
import { TpullError } from "../../../store/errors.js";
import { filterTime } from "../../../store/survey/filter-time.js";
import { USAGE } from "../args.js";
import { readFilters } from "./filters.js";

export interface PruneFilters {
  /** Milliseconds since 1970. */
  readonly until: number | undefined;
  readonly labels: readonly string[];
  readonly withoutLabels: readonly string[];
}

/**
 * @param now milliseconds since 1970, which durations are counted back from
 * @throws TpullError `USAGE`, `FILTER_INVALID`
 */
export function readPruneFilters(
  given: readonly string[] | undefined,
  now: number,
): PruneFilters {
  const filters = readFilters(given, ["until", "label", "label!"]);
  const [until, ...more] = filters.get("until") ?? [];
  if (more.length > 0) {
    throw new TpullError(USAGE, "--filter until is given more than once");
  }
  return {
    until: until === undefined ? undefined : readTime(until, now),
    labels: filters.get("label") ?? [],
    withoutLabels: filters.get("label!") ?? [],
  };
}

function readTime(text: string, now: number): number {
  const { seconds, nanoseconds } = filterTime(text, now);
  return seconds * 1000 + nanoseconds / 1e6;
}
