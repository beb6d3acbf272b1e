/** The events of a run as they are documented, for checking those that came. */
import { expect } from "vitest";
import { type About, itemName } from "#src/events.js";
import type { LayerState, PullEvent } from "#src/index.js";

type Fields = Record<string, (value: unknown) => boolean>;

const text = (value: unknown): boolean =>
  typeof value === "string" && value !== "";
const count = (value: unknown): boolean =>
  Number.isSafeInteger(value) && (value as number) >= 0;
const digest = (value: unknown): boolean =>
  /^sha256:[0-9a-f]{64}$/.test(String(value));
const oneOf =
  (...values: readonly string[]) =>
  (value: unknown): boolean =>
    values.includes(String(value));
const listOf =
  (fields: Fields, optional: readonly string[] = []) =>
  (value: unknown): boolean =>
    Array.isArray(value) &&
    value.every((item) => problemsOf(item, fields, optional).length === 0);
const object =
  (fields: Fields, optional: readonly string[] = []) =>
  (value: unknown): boolean =>
    problemsOf(value, fields, optional).length === 0;

const LAYER_RESULT: Fields = {
  digest,
  diffId: digest,
  chainId: digest,
  cacheId: (value) => /^[0-9a-f]{64}$/.test(String(value)),
  compressedSize: count,
  size: count,
  source: oneOf("fetched", "reused", "copied"),
  resumedBytes: (value) => count(value) && value !== 0,
};

const RESULT: Fields = {
  reference: text,
  target: text,
  canonicalName: text,
  familiarName: text,
  digest,
  manifestDigest: digest,
  imageId: digest,
  platform: (value) => /^linux\/\w+(\/\w+)?$/.test(String(value)),
  status: oneOf("downloaded", "up-to-date"),
  layers: listOf(LAYER_RESULT, ["compressedSize", "resumedBytes"]),
  bytesFetched: count,
  bytesBySource: (value) =>
    Object.values(value as object).every((bytes) => Number.isInteger(bytes)),
  passedOver: listOf({ host: text, code: text, reason: text }),
  keptBlobs: object({
    blobs: count,
    bytes: count,
    fetched: count,
    missing: listOf({ digest, code: text }),
  }),
};
const OF_SOME = ["manifestDigest", "target", "keptBlobs"];

const ERROR: Fields = {
  code: (value) => /^[A-Z][A-Z0-9_]+$/.test(String(value)),
  message: text,
  hint: text,
  details: (value) => typeof value === "object" && value !== null,
};
const error = object(ERROR, ["hint", "details"]);
const result = (value: unknown): boolean => object(RESULT, OF_SOME)(value);

const STATES: readonly LayerState[] = [
  "waiting",
  "downloading",
  "extracting",
  "staged",
  "complete",
  "exists",
];

const PREFETCHED: Fields = {
  reference: text,
  target: text,
  canonicalName: text,
  digest,
  imageId: digest,
  platform: text,
  status: oneOf("fetched", "up-to-date", "failed", "not-started"),
  error,
  bytesFetched: count,
  bytesReused: count,
  durationMs: count,
};

const EVENTS: Record<PullEvent["type"], Fields> = {
  delay: { delayMs: count, mostMs: count },
  plan: {
    images: count,
    upToDate: count,
    toFetch: count,
    failed: count,
    layersToFetch: count,
    bytesToFetch: count,
  },
  resolve: { image: text, canonicalName: text },
  pulling: { image: text, tagOrDigest: text, repository: text, digest },
  layers: {
    image: text,
    imageId: digest,
    platform: text,
    layers: listOf({ digest, diffId: digest, size: count }),
  },
  layer: { image: text, index: count, digest, state: oneOf(...STATES) },
  progress: {
    image: text,
    index: count,
    digest,
    current: count,
    total: count,
  },
  retry: { image: text, digest, attempt: count, delayMs: count, reason: text },
  wait: { image: text, reason: text },
  warning: { image: text, code: text, message: text },
  ratelimit: {
    registry: text,
    limit: count,
    remaining: count,
    windowSeconds: count,
    source: text,
  },
  result: { image: text, result },
  error: { image: text, error },
  summary: {
    pulled: count,
    failed: count,
    bytesFetched: count,
    durationMs: count,
    results: listOf(RESULT, OF_SOME),
    failures: listOf({ reference: text, target: text, error }, ["target"]),
    images: listOf(PREFETCHED, [
      "target",
      "canonicalName",
      "digest",
      "imageId",
      "platform",
      "error",
      "bytesReused",
    ]),
  },
};

const OPTIONAL: Partial<Record<PullEvent["type"], readonly string[]>> = {
  retry: ["digest"],
  warning: ["image"],
  ratelimit: ["windowSeconds", "source"],
  summary: ["images"],
};

/** What is missing, wrong or too much in an object. */
function problemsOf(
  value: unknown,
  fields: Fields,
  optional: readonly string[] = [],
): string[] {
  if (typeof value !== "object" || value === null) return ["no object"];
  const found = new Map(Object.entries(value));
  const problems: string[] = [];
  for (const [name, isRight] of Object.entries(fields)) {
    const given = found.has(name);
    if (!given && optional.includes(name)) continue;
    if (!isRight(found.get(name))) {
      problems.push(`${name}: ${JSON.stringify(found.get(name))}`);
    }
    found.delete(name);
  }
  for (const name of found.keys()) problems.push(`${name} is not known`);
  return problems;
}

/**
 * Checks a whole run: the fields of each event, and their order. States of a
 * layer only advance, except that a retry may begin it anew.
 */
export function expectEvents(events: readonly PullEvent[]): void {
  const problems = events.flatMap((event) => {
    const { type, ...fields } = event;
    const { target, ...rest } = { target: "given", ...fields };
    if (!text(target) || ("target" in event && !("image" in event))) {
      return [`${type}: target: ${JSON.stringify(target)}`];
    }
    return problemsOf(rest, EVENTS[type], OPTIONAL[type]).map(
      (problem) => `${type}: ${problem}`,
    );
  });
  expect(problems).toEqual([]);
  expect(events.filter(({ type }) => type === "summary")).toHaveLength(1);
  expect(events.at(-1)?.type).toBe("summary");
  for (const item of new Set(events.map(itemOf))) {
    if (item !== undefined) {
      expectOrder(events.filter((event) => itemOf(event) === item));
    }
  }
}

/** Of what an event is: the image, or one of its platforms. */
function itemOf(event: PullEvent): string | undefined {
  if (!("image" in event) || event.image === undefined) return undefined;
  return itemName({ ...event, image: event.image } as About);
}

/** The events of one image. */
function expectOrder(events: readonly PullEvent[]): void {
  const at = (type: string): number =>
    events.findIndex((event) => event.type === type);
  const steps = ["resolve", "pulling", "layers", "layer"]
    .map(at)
    .filter((position) => position >= 0);
  expect(steps).toEqual(steps.toSorted((a, b) => a - b));
  const last = events.at(-1);
  expect(last?.type).toMatch(/^(result|error)$/);
  const rank = new Map<number, number>();
  const current = new Map<number, number>();
  for (const event of events) {
    if (event.type === "retry") current.clear();
    if (event.type === "layer") {
      const next = STATES.indexOf(event.state);
      const before = rank.get(event.index) ?? -1;
      const anew = event.state === "downloading" && !current.has(event.index);
      expect(next > before || anew, `${event.index} ${event.state}`).toBe(true);
      rank.set(event.index, next);
    }
    if (event.type === "progress") {
      expect(event.current).toBeGreaterThan(current.get(event.index) ?? 0);
      expect(event.current).toBeLessThanOrEqual(event.total);
      current.set(event.index, event.current);
    }
  }
  if (last?.type !== "result") return;
  for (const state of rank.values()) {
    expect(["complete", "exists"]).toContain(STATES[state]);
  }
}
