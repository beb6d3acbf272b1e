/** Several streams for one blob, over a link that lets each have only so much. */
import type { Digest } from "#store/digest.js";
import type { RegistryClientOptions } from "#src/registry/client.js";
import * as fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Fault, FaultRegistry } from "../helpers/fault-registry.js";
import { Link, type LinkOptions } from "../helpers/link.js";
import {
  collect,
  connect,
  HASTY,
  noise,
  serve,
  type TestClient,
} from "./client.js";

const MB = 1024 * 1024;
const SIZE = 16 * MB;
const LAYER = noise(SIZE);
const EACH = 10 * MB;

interface Setting {
  readonly registry: FaultRegistry;
  readonly link: Link;
  readonly client: TestClient;
  readonly repository: { registry: string; repository: string };
  readonly blob: { digest: Digest; size: number };
}

async function setUp(
  options: RegistryClientOptions = {},
  linkOptions: LinkOptions = { connectionRate: EACH, roundTripMs: 10 },
): Promise<Setting> {
  const registry = await serve();
  const { digest, size } = registry.addBlob(LAYER);
  const link = await Link.to(registry.host, linkOptions);
  onTestFinished(() => link.stop());
  return {
    registry,
    link,
    client: connect({ flow: HASTY, stallMs: 1000, ...options }),
    repository: { registry: link.host, repository: "team/app" },
    blob: { digest: digest as Digest, size },
  };
}

function rangesOf({ registry }: Setting): string[] {
  return registry.requests.flatMap(({ headers }) =>
    headers["range"] === undefined ? [] : [String(headers["range"])],
  );
}

describe("a large blob on a link that limits each connection", () => {
  test("comes over several, right and in order, at a multiple of the speed of one", async () => {
    // Little enough for a busy machine, which has all ends of the link to itself.
    const each = 3 * MB;
    const slow = { connectionRate: each, roundTripMs: 10 };
    const { client, repository, blob, link } = await setUp({}, slow);
    const resumed: number[] = [];
    const received: number[] = [];
    const begun = performance.now();
    const bytes = await collect(
      client.blob(repository, blob, {
        onResume: (offset) => resumed.push(offset),
        onReceived: (_, length) => received.push(length),
      }),
    );
    const seconds = (performance.now() - begun) / 1000;
    expect(bytes.equals(LAYER)).toBe(true);
    expect(SIZE / seconds).toBeGreaterThan(2 * each);
    expect(link.mostAtOnce).toBeGreaterThanOrEqual(4);
    expect(resumed.length).toBeGreaterThanOrEqual(3);
    expect(resumed).toEqual(resumed.toSorted((a, b) => a - b));
    // A stream that is cut short has brought some of what another one brings.
    const total = received.reduce((a, b) => a + b);
    expect(total).toBeGreaterThanOrEqual(SIZE);
    expect(total).toBeLessThan(SIZE * 1.05);
    expect(client.retries).toEqual([]);
    expect(link.bytes).toBeLessThan(SIZE * 1.25);
  });

  test("asks for one range first, and for no second one before that is answered", async () => {
    const setting = await setUp();
    const { registry, client, repository, blob } = setting;
    let answer = (): void => undefined;
    registry.faults.push({
      on: { range: true },
      do: "answer",
      answer: (request, response) => {
        const [, from] = /bytes=(\d+)-$/.exec(String(request.headers.range))!;
        answer = () => {
          const range = `bytes ${from}-${SIZE - 1}/${SIZE}`;
          response.writeHead(206, { "content-range": range });
          response.end(LAYER.subarray(Number(from)));
        };
      },
    });
    const reading = collect(client.blob(repository, blob));
    await expect.poll(() => rangesOf(setting)).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(rangesOf(setting)).toHaveLength(1);
    answer();
    expect((await reading).equals(LAYER)).toBe(true);
    expect(rangesOf(setting).length).toBeGreaterThan(1);
  });

  test("with one stream allowed comes over one", async () => {
    const setting = await setUp({ maxStreams: 1 });
    const { client, repository, blob } = setting;
    const part = { to: 6 * MB };
    const bytes = await collect(client.blob(repository, blob, part));
    expect(bytes.equals(LAYER.subarray(0, 6 * MB))).toBe(true);
    expect(rangesOf(setting)).toEqual([`bytes=0-${6 * MB - 1}`]);
  });

  test("asked for again, because it came out wrong, comes in one piece", async () => {
    const setting = await setUp();
    const { client, repository, blob } = setting;
    await collect(client.blob(repository, blob));
    const ranges = rangesOf(setting).length;
    expect(ranges).toBeGreaterThan(0);
    const resumed: number[] = [];
    const again = client.blob(repository, blob, {
      onResume: (offset) => resumed.push(offset),
    });
    expect((await collect(again)).equals(LAYER)).toBe(true);
    expect(rangesOf(setting)).toHaveLength(ranges);
    expect(resumed).toEqual([]);
  });

  test("is let go of, with all connections, when the reader leaves", async () => {
    const { client, repository, blob, link } = await setUp();
    let length = 0;
    for await (const chunk of client.blob(repository, blob)) {
      length += chunk.length;
      if (link.mostAtOnce >= 4 && length > SIZE / 4) break;
    }
    expect(length).toBeLessThan(SIZE);
    const { bytes } = link;
    await new Promise((resolve) => setTimeout(resolve, 200));
    // What was on its way.
    expect(link.bytes - bytes).toBeLessThan(4 * MB);
    expect(client.retries).toEqual([]);
  });

  test("ends at once when its signal fires", async () => {
    const { client, repository, blob, link } = await setUp();
    const stop = new AbortController();
    const { signal } = stop;
    const reading = collect(client.blob(repository, blob, { signal }));
    await expect.poll(() => link.mostAtOnce).toBeGreaterThanOrEqual(3);
    stop.abort();
    await expect(reading).rejects.toMatchObject({ code: "ABORTED" });
  });
});

describe("one stream is enough", () => {
  test("for a reader that is slower than the network", async () => {
    const setting = await setUp({}, {});
    const { client, repository, blob } = setting;
    let length = 0;
    for await (const chunk of client.blob(repository, blob)) {
      length += chunk.length;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(length).toBe(SIZE);
    expect(rangesOf(setting)).toEqual([]);
  });

  test("under a limit of our own", async () => {
    const setting = await setUp({ limitRate: 4 * EACH });
    const { client, repository, blob } = setting;
    const limited = connect({ flow: HASTY, limitRate: 6 * MB });
    const begun = performance.now();
    const part = { to: 6 * MB };
    await collect(limited.blob(repository, blob, part));
    expect(performance.now() - begun).toBeGreaterThan(900);
    expect(rangesOf(setting)).toHaveLength(1);
    const bytes = await collect(client.blob(repository, blob));
    expect(bytes.equals(LAYER)).toBe(true);
  });

  test("where the link is full: a trial or two, and most of the blob in one piece", async () => {
    const setting = await setUp({}, { rate: 2 * EACH, roundTripMs: 10 });
    const { client, repository, blob } = setting;
    const bytes = await collect(client.blob(repository, blob));
    expect(bytes.equals(LAYER)).toBe(true);
    expect(rangesOf(setting).length).toBeLessThanOrEqual(4);
  });
});

describe("hosts that do not want it", () => {
  test("one that answers a range with the whole: asked once, for any blob", async () => {
    const setting = await setUp();
    const { registry, client, repository, blob, link } = setting;
    registry.ranges = "off";
    const bytes = await collect(client.blob(repository, blob));
    expect(bytes.equals(LAYER)).toBe(true);
    expect(rangesOf(setting)).toHaveLength(1);
    expect(link.bytes).toBeLessThan(SIZE + 4 * MB);
    const other = registry.addBlob(Buffer.from(LAYER.toReversed()));
    const digest = other.digest as Digest;
    await collect(client.blob(repository, { digest, size: SIZE }));
    expect(rangesOf(setting)).toHaveLength(1);
    expect(client.retries).toEqual([]);
  });

  test.each(["none", "bytes"])("Accept-Ranges: %s", async (value) => {
    const setting = await setUp();
    const { registry, client, repository, blob } = setting;
    registry.faults.push({
      do: "headers",
      headers: { "accept-ranges": value },
    });
    const bytes = await collect(client.blob(repository, blob));
    expect(bytes.equals(LAYER)).toBe(true);
    expect(rangesOf(setting).length > 0).toBe(value === "bytes");
  });

  test.each<[string, Fault]>([
    ["429", { do: "status", status: 429, headers: { "retry-after": "0" } }],
    ["503", { do: "status", status: 503 }],
    ["403", { do: "status", status: 403 }],
    ["another range", { do: "headers", headers: { "content-range": "x" } }],
    ["a reset", { do: "reset" }],
  ])(
    "%s for every range: a few are asked for, and the blob arrives",
    async (_name, fault) => {
      const setting = await setUp();
      const { registry, client, repository, blob } = setting;
      registry.faults.push({ on: { range: true }, times: 1000, ...fault });
      const bytes = await collect(client.blob(repository, blob));
      expect(bytes.equals(LAYER)).toBe(true);
      expect(rangesOf(setting).length).toBeLessThanOrEqual(2);
      expect(client.retries).toEqual([]);
    },
  );
});

test("whatever goes wrong with the parts, the bytes are right", async () => {
  const setting = await setUp();
  const { registry, repository, blob } = setting;
  const after = fc.integer({ min: 0, max: 3 * MB });
  const fault: fc.Arbitrary<Fault> = fc.oneof(
    fc.record({ do: fc.constant("reset"), after }),
    fc.record({ do: fc.constant("truncate"), after }),
    fc.record({ do: fc.constant("stall"), after }),
    fc.record({ do: fc.constant("shorten"), after }),
    fc.record({
      do: fc.constant("status"),
      status: fc.constantFrom(404, 416, 429, 500, 503),
    }),
  );
  let split = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat({ max: 3 }), fault), { maxLength: 5 }),
      async (faults) => {
        registry.faults.length = 0;
        registry.requests.length = 0;
        for (const [good, fault] of faults) {
          for (let n = 0; n < good; n++) {
            const pass: Fault = { do: "headers", headers: {} };
            registry.faults.push({ on: { range: true }, ...pass });
          }
          registry.faults.push({ on: { range: true }, ...fault });
        }
        // Each time by a client that knows nothing of the host yet.
        const client = connect({ flow: HASTY, stallMs: 60 });
        const bytes = await collect(client.blob(repository, blob));
        expect(bytes.equals(LAYER)).toBe(true);
        if (rangesOf(setting).length > 1) split += 1;
        await client.close();
      },
    ),
    { numRuns: 6 },
  );
  expect(split).toBeGreaterThan(1);
});
