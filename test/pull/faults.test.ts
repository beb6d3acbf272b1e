// A network and registries that go wrong: the pull ends right, or says why; it asks for little more than it needs.
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PullOptions } from "#src/index.js";
import type {
  Fault,
  FaultRegistry,
  RangeMode,
} from "../helpers/fault-registry.js";
import { imageOf, type Image } from "../helpers/image-builder.js";
import { removeTree } from "../helpers/run.js";
import { newRoot } from "../store/support/roots.js";
import { expectEvents } from "./support/event-schema.js";
import { bigLayer, smallLayer } from "./support/layers.js";
import {
  fetches,
  IMPATIENT,
  publish,
  pulling,
  serve,
  type Pulled,
} from "./support/pulls.js";
import { expectRefused, seedRoot } from "./support/refused.js";
import { expectImage, expectSound } from "./support/stored.js";

const BIG = bigLayer(400_000);
const IMAGE = imageOf([smallLayer("below"), BIG, smallLayer("above")]);
const ON_BIG = { path: new RegExp(BIG.digest) };
const ON_MANIFEST = { path: /manifests/ };
const ON_CONFIG = { path: new RegExp(IMAGE.config.digest) };

/** Where each request for the big layer began. */
function starts(registry: FaultRegistry): number[] {
  return registry
    .sent(ON_BIG.path)
    .map(({ headers }) =>
      Number(/bytes=(\d+)-/.exec(String(headers["range"]))?.[1] ?? 0),
    );
}

/** Pulls through faults; the store must be as if there had been none. */
async function expectPulled(
  registry: FaultRegistry,
  faults: Fault[],
  options: PullOptions = {},
  image: Image = IMAGE,
): Promise<Pulled> {
  const root = await newRoot();
  const name = publish(registry, "app:1", image);
  registry.faults.push(...faults);
  const pulled = await pulling(name, { root, ...options });
  expect(pulled.failures).toEqual([]);
  expect(registry.faults).toEqual([]);
  expectEvents(pulled.events);
  await expectSound(root);
  const repository = `${registry.host}/app`;
  await expectImage(root, image, repository, [
    name,
    `${repository}@${image.manifest.digest}`,
  ]);
  return pulled;
}

describe("a broken download", () => {
  it("goes on where it broke", async () => {
    const registry = await serve();
    await expectPulled(registry, [
      { do: "truncate", after: 150_000, on: ON_BIG },
      { do: "truncate", after: 100_000, on: ON_BIG },
    ]);
    expect(starts(registry)).toEqual([0, 150_000, 250_000]);
  });

  it("goes on after a reset", async () => {
    const registry = await serve();
    await expectPulled(registry, [
      { do: "reset", on: ON_BIG },
      { do: "reset", after: 300_000, on: ON_BIG },
    ]);
    expect(starts(registry)).toHaveLength(3);
  });

  it("goes on when the bytes stop coming, or never begin", async () => {
    const registry = await serve();
    const slow = { ...IMPATIENT, headersTimeoutMs: 150 };
    await expectPulled(
      registry,
      [
        { do: "stall", on: ON_BIG },
        { do: "stall", after: 120_000, on: ON_BIG },
      ],
      { registry: slow },
    );
    expect(starts(registry)).toEqual([0, 0, 120_000]);
  });

  it("goes on when bytes only trickle", async () => {
    const registry = await serve();
    await expectPulled(registry, [
      { do: "trickle", bytes: 1, everyMs: 5, on: ON_BIG },
    ]);
    expect(starts(registry)).toHaveLength(2);
  });

  const modes: [RangeMode, number][] = [
    ["off", 2],
    ["wrong-start", 3],
    ["wrong-total", 3],
    ["no-header", 3],
    ["multipart", 3],
    ["capped", 4],
    ["refused", 3],
    ["refused-silently", 3],
  ];
  it.each(modes)("goes on where ranges are %s", async (mode, most) => {
    const registry = await serve();
    registry.ranges = mode;
    await expectPulled(registry, [
      { do: "truncate", after: 150_000, on: ON_BIG },
    ]);
    expect(fetches(registry, BIG.digest)).toBeLessThanOrEqual(most);
  });

  it("that ended too early in good order is taken up once", async () => {
    const registry = await serve();
    await expectPulled(registry, [
      { do: "shorten", after: 150_000, on: ON_BIG },
    ]);
    expect(starts(registry)).toEqual([0, 150_000]);
  });

  it("whose parts do not fit together is fetched once more from the beginning", async () => {
    const registry = await serve();
    const { events } = await expectPulled(registry, [
      { do: "truncate", after: 150_000, on: ON_BIG },
      { do: "corrupt", at: 10, on: { ...ON_BIG, range: true } },
    ]);
    expect(starts(registry)).toEqual([0, 150_000, 0]);
    const states = events.flatMap((event) =>
      event.type === "layer" && event.digest === BIG.digest
        ? [event.state]
        : [],
    );
    expect(states.filter((state) => state === "downloading")).toHaveLength(2);
  });

  it("of config or manifest is repeated", async () => {
    const registry = await serve();
    await expectPulled(registry, [
      { do: "reset", on: ON_MANIFEST },
      { do: "truncate", after: 20, on: ON_MANIFEST },
      { do: "reset", on: ON_CONFIG },
      { do: "truncate", after: 20, on: ON_CONFIG },
    ]);
  });

  it("of every layer at once does not matter either", async () => {
    const registry = await serve();
    const layers = [1, 2, 3, 4, 5, 6].map((seed) => bigLayer(90_000, seed));
    await expectPulled(
      registry,
      layers.map(({ digest }) => ({
        do: "truncate",
        after: 30_000,
        on: { path: new RegExp(digest) },
      })),
      {},
      imageOf(layers),
    );
    expect(registry.sent(/blobs/)).toHaveLength(1 + 2 * layers.length);
  });
});

describe("a registry in trouble", () => {
  it("is asked again after errors of its own", async () => {
    const registry = await serve();
    const failing = { do: "status", status: 500, times: 3 } as const;
    await expectPulled(registry, [
      { ...failing, on: ON_MANIFEST },
      { ...failing, status: 502, on: ON_CONFIG },
      { ...failing, status: 503, on: ON_BIG },
    ]);
    expect(fetches(registry, BIG.digest)).toBe(4);
  });

  it("is left alone for as long as it asks", async () => {
    const registry = await serve();
    const waits: number[] = [];
    let now = 1_000_000;
    const retry = {
      baseMs: 1,
      now: () => now,
      sleep: async (milliseconds: number) => {
        waits.push(milliseconds);
        now += milliseconds;
      },
    };
    const busy = {
      do: "status",
      status: 429,
      headers: { "retry-after": "7" },
    } as const;
    const { events } = await expectPulled(
      registry,
      [
        { ...busy, on: ON_MANIFEST },
        { ...busy, on: ON_BIG },
      ],
      { registry: { retry } },
    );
    expect(waits.filter((wait) => wait === 7000).length).toBeGreaterThan(1);
    const delays = events.flatMap((event) =>
      event.type === "retry" ? [event.delayMs] : [],
    );
    expect(delays).toEqual([7000, 7000]);
  });

  it("whose token ends during the pull gives a new one", async () => {
    const registry = await serve({ auth: {} });
    const root = await newRoot();
    const name = publish(registry, "app:1", IMAGE);
    registry.faults.push({
      do: "truncate",
      after: 150_000,
      on: { path: ON_BIG.path },
    });
    const { failures } = await pulling(name, {
      root,
      onEvent: ({ type }) => {
        if (type === "retry") registry.tokens?.revokeAll();
      },
    });
    expect(failures).toEqual([]);
    expect(starts(registry).slice(-2)).toEqual([150_000, 150_000]);
    expect(registry.tokens?.asked).toHaveLength(2);
    await expectSound(root);
  });

  it("that sends on to another host sends no token there", async () => {
    const storage = await serve();
    const registry = await serve({ auth: {}, redirectBlobsTo: storage });
    for (const { digest, data } of [IMAGE.config, ...IMAGE.layers]) {
      storage.blobs.set(digest, data as Buffer);
    }
    storage.faults.push({ do: "truncate", after: 150_000, on: ON_BIG });
    const { events } = await expectPulled(registry, []);
    const links = storage.requests.filter(({ url }) => url.includes("signed"));
    expect(links.length).toBeGreaterThanOrEqual(5);
    for (const { headers } of links) {
      expect(headers.authorization).toBeUndefined();
    }
    // A link is good for one download: the rest is asked for at the registry.
    expect(starts(registry)).toEqual([0, 150_000]);
    expect(JSON.stringify(events)).not.toMatch(/secret-signature|token-\d/);
  });
});

describe("a pull that cannot succeed", () => {
  let folder = "";
  let seed = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tpull-seed-"));
    seed = await seedRoot(folder);
  });
  afterAll(() => removeTree(folder));

  const always = { times: 1000 } as const;
  /** Of the fault; requests for the layer at most; code. */
  const cases: [string, Fault, number, string][] = [
    ["resets", { do: "reset", on: ON_BIG, ...always }, 3, "NETWORK_RESET"],
    [
      "cut bodies",
      { do: "truncate", after: 100, on: ON_BIG, ...always },
      3,
      "NETWORK_RESET",
    ],
    [
      "silence",
      { do: "stall", after: 100, on: ON_BIG, ...always },
      3,
      "NETWORK_STALLED",
    ],
    [
      "errors of the registry",
      { do: "status", status: 500, on: ON_BIG, ...always },
      3,
      "REGISTRY_ERROR",
    ],
    [
      "too many requests",
      { do: "status", status: 429, on: ON_BIG, ...always },
      3,
      "TOO_MANY_REQUESTS",
    ],
    [
      "a refusal",
      { do: "status", status: 403, on: ON_BIG, ...always },
      1,
      "DENIED",
    ],
    [
      "half a layer every time",
      { do: "shorten", after: 200_000, on: ON_BIG, ...always },
      4,
      "SIZE_MISMATCH",
    ],
    [
      "a layer that does not end",
      { do: "lengthen", by: 500_000, on: ON_BIG, ...always },
      1,
      "SIZE_MISMATCH",
    ],
    [
      "a layer that is announced too long",
      { do: "lengthen", by: 1, announced: true, on: ON_BIG, ...always },
      1,
      "SIZE_MISMATCH",
    ],
    [
      "another layer of the same length",
      { do: "corrupt", at: 399_000, on: ON_BIG, ...always },
      1,
      "DIGEST_MISMATCH",
    ],
    [
      "resets of the manifest",
      { do: "reset", on: ON_MANIFEST, ...always },
      0,
      "NETWORK_RESET",
    ],
    [
      "a config that does not come",
      { do: "stall", on: ON_CONFIG, ...always },
      1,
      "NETWORK_TIMEOUT",
    ],
    [
      "a sign-in page for a layer",
      {
        do: "status",
        status: 200,
        headers: { "content-type": "text/html" },
        body: "<html>",
        on: ON_BIG,
        ...always,
      },
      4,
      "SIZE_MISMATCH",
    ],
  ];
  it.each(cases)("because of %s", async (_, fault, most, code) => {
    const registry = await serve();
    const name = publish(registry, "app:1", IMAGE);
    const { error } = await expectRefused(
      name,
      seed,
      () => {
        registry.faults.splice(0, Infinity, { ...fault });
        registry.requests.length = 0;
      },
      {
        registry: {
          ...IMPATIENT,
          // Only where it is waited for: a busy machine may be silent, too.
          ...(fault.do === "stall" && { stallMs: 150, headersTimeoutMs: 150 }),
          retry: { retries: 2, baseMs: 1, maxMs: 2 },
        },
      },
    );
    expect(error.code).toBe(code);
    expect(fetches(registry, BIG.digest)).toBeLessThanOrEqual(most);
    if (fault.on === ON_BIG) {
      expect(error.message).toContain(BIG.digest);
      expect(error.details).toMatchObject({ image: name });
    }
  });

  it("because the parts of a layer never fit, after one more try", async () => {
    const registry = await serve();
    const name = publish(registry, "app:1", IMAGE);
    const { error } = await expectRefused(name, seed, () => {
      registry.requests.length = 0;
      registry.faults.splice(
        0,
        Infinity,
        { do: "truncate", after: 150_000, on: { ...ON_BIG, range: false } },
        { do: "corrupt", at: 10, on: { ...ON_BIG, range: true } },
        { do: "truncate", after: 150_000, on: { ...ON_BIG, range: false } },
        { do: "corrupt", at: 10, on: { ...ON_BIG, range: true } },
      );
    });
    expect(error.code).toBe("DIGEST_MISMATCH");
    expect(starts(registry)).toEqual([0, 150_000, 0, 150_000]);
  });

  it("because nobody may pull", async () => {
    const registry = await serve({ auth: { users: {} } });
    const name = publish(registry, "app:1", IMAGE);
    const { error } = await expectRefused(name, seed);
    expect(error.code).toBe("UNAUTHORIZED");
    expect(error.message).toContain("Sent no credentials");
  });

  it("because nothing listens there", async () => {
    const registry = await serve();
    const name = publish(registry, "app:1", IMAGE);
    await registry.close();
    const { error } = await expectRefused(name, seed);
    expect(error.code).toBe("NETWORK_REFUSED");
  });
});
