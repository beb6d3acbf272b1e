/** The values of `tpull prune --filter`, as docker reads them. */
import { usageError } from "../args.js";
import { readTimestamp } from "../format/timestamp.js";

export interface PruneFilters {
  /** Milliseconds since 1970. */
  readonly until: number | undefined;
  readonly labels: readonly string[];
  readonly withoutLabels: readonly string[];
}

const KNOWN = "until=TIME, label=KEY[=VALUE] and label!=KEY[=VALUE]";

/**
 * @param now milliseconds since 1970, which durations are counted back from
 * @throws TpullError `USAGE`
 */
export function readPruneFilters(
  filters: readonly string[],
  now: number,
): PruneFilters {
  const values: Record<string, string[]> = {
    until: [],
    label: [],
    "label!": [],
  };
  for (const filter of filters) {
    const at = filter.indexOf("=");
    const key = filter.slice(0, Math.max(at, 0)).trim().toLowerCase();
    if (!Object.hasOwn(values, key)) {
      throw usageError(
        `--filter takes ${KNOWN}, not ${JSON.stringify(filter)}`,
      );
    }
    values[key]?.push(filter.slice(at + 1).trim());
  }
  const [until, ...more] = values["until"] ?? [];
  if (more.length > 0) throw usageError("--filter until is given twice");
  return {
    until: until === undefined ? undefined : readUntil(until, now),
    labels: values["label"] ?? [],
    withoutLabels: values["label!"] ?? [],
  };
}

function readUntil(text: string, now: number): number {
  const time = readTimestamp(text, now);
  if (time !== undefined) return time;
  throw usageError(
    `--filter until is a span of time like 24h or 1h30m, a date like 2026-01-31 or 2026-01-31T12:00:00Z, or seconds since 1970, not ${JSON.stringify(text)}`,
  );
}
