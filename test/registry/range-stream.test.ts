// One stream of a blob, and how far it may be made to go.
import { expect, it } from "vitest";
import { Body } from "#src/registry/body.js";
import { RangeStream } from "#src/registry/range-stream.js";
import { DEFAULT_RETRY_POLICY } from "#src/registry/retry.js";
import type { Session } from "#src/registry/session.js";
import { noise } from "./client.js";

const BYTES = noise(1000);
const DIGEST = `sha256:${"0".repeat(64)}` as const;

/** Every request is answered with the whole blob in one chunk. */
const session = {
  policy: DEFAULT_RETRY_POLICY,
  withoutRanges: new Set(),
  link: { received: () => undefined, refusesRanges: () => undefined },
  places: {
    candidates: async () => [{ origin: true, url: "http://h.test" }],
    endpoint: async () => ({ host: "h.test", origin: true }),
    served: () => undefined,
  },
  send: async (ask: object) => ({
    ask,
    status: 200,
    headers: { "content-length": "1000" },
    body: Body.of(BYTES),
  }),
} as unknown as Session;

function stream(to: number): RangeStream {
  return new RangeStream(session, {
    registry: "h.test",
    repository: "app",
    blob: { digest: DIGEST as never, size: BYTES.length },
    from: 0,
    to,
    extra: false,
    signal: new AbortController().signal,
    onRetry: () => undefined,
    onReceived: () => undefined,
    onResume: () => undefined,
  });
}

it("that came to its end is not made longer: what followed is gone", async () => {
  const one = stream(400);
  expect(await one.read()).toEqual(BYTES.subarray(0, 400));
  expect(one.extend(1000)).toBe(false);
  expect(await one.read()).toBeUndefined();
});
