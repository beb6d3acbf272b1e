// Many images by one plan: what is asked, in which order, and what is said of it.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  plan,
  prefetch,
  type PrefetchResult,
  pullAll,
  type Requested,
} from "#src/index.js";
import { placeOf, slotOf } from "#src/prefetch/jitter.js";
import {
  imageOf,
  indexOf,
  MACHINE,
  type Image,
} from "../helpers/image-builder.js";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import { storedReferences } from "../helpers/store/data-root.js";
import { TPULL } from "../helpers/tpull-cli.js";
import { listing, newRoot } from "../store/support/roots.js";
import { expectEvents } from "./support/event-schema.js";
import { bigLayer, smallImage, smallLayer } from "./support/layers.js";
import { prefetching } from "./support/prefetching.js";
import {
  fetches,
  failureOf,
  IMPATIENT,
  publish,
  publishManifest,
  requestCounts,
  serve,
} from "./support/pulls.js";
import { expectAsBefore, expectImage, expectSound } from "./support/stored.js";

/** What was asked for more than once. */
function askedAgain({ requests }: FaultRegistry): string[] {
  const asked = requests.map(({ method, url }) => `${method} ${url}`);
  return asked.filter((one, at) => asked.indexOf(one) !== at);
}

/** The layers of images in the order in which their blobs were asked for. */
function orderOf(registry: FaultRegistry, images: readonly Image[]): number[] {
  const blobs = registry.requests.flatMap(
    ({ url }) => /\/blobs\/(.*)$/.exec(url)?.[1] ?? [],
  );
  return blobs
    .map((digest) =>
      images.findIndex(({ layers }) => layers[0]?.digest === digest),
    )
    .filter((at) => at >= 0);
}

describe("a prefetch", () => {
  it("asks for nothing twice, and shares what is shared", async () => {
    const registry = await serve();
    const root = await newRoot();
    const shared = smallLayer("shared");
    const images = ["a", "b", "c"].map((name) =>
      imageOf([shared, smallLayer(name)]),
    );
    const names = images.map((image, at) =>
      publish(registry, `app:${at}`, image),
    );
    // Another name of the same image.
    names.push(publish(registry, "app:again", images[0]!));
    const made = await plan(names, { root, registry: IMPATIENT });
    registry.requests.length = 0;
    const { result, events } = await prefetching(names, { root });
    expect(result.failures).toEqual([]);
    expect(askedAgain(registry)).toEqual([]);
    expect(fetches(registry, shared.digest)).toBe(1);
    expect(result.images.map(({ reference }) => reference)).toEqual(names);
    const layers = [shared, ...images.map(({ layers }) => layers[1]!)];
    const bytes = layers.reduce((sum, { size }) => sum + size, 0);
    expect(events).toContainEqual({
      type: "plan",
      images: 4,
      upToDate: 0,
      toFetch: 4,
      failed: 0,
      layersToFetch: 4,
      bytesToFetch: bytes,
    });
    // What a plan counts for documents that are the same is asked for once.
    expect(result.bytesFetched).toBeLessThan(made.bytesToFetch);
    const sent = registry.requests.length;
    expect(requestCounts(registry)).toEqual({
      "GET manifests": 4,
      "GET blobs": sent - 4,
    });
    expect(sent).toBe(4 + 3 + 4);
    expectEvents(events);
    await expectSound(root);
  });

  it("asks once for what is named twice", async () => {
    const registry = await serve();
    const root = await newRoot();
    const name = publish(registry, "app:1", smallImage(["a", "b"]));
    const { result } = await prefetching([name, name], { root });
    expect(result.images).toMatchObject([
      { reference: name, status: "fetched" },
      { reference: name, status: "fetched", bytesFetched: 0 },
    ]);
    expect(askedAgain(registry)).toEqual([]);
    await expectSound(root);
  });

  it("says of each image what it was and what it took, and does nothing the next time", async () => {
    const registry = await serve();
    const root = await newRoot();
    const base = bigLayer(300_000, 1);
    const old = imageOf([base]);
    const there = publish(registry, "there:1", old);
    await pullAll([there], { root, registry: IMPATIENT });
    const image = imageOf([base, bigLayer(100_000, 2)]);
    const name = publish(registry, "app:1", image);
    const first = await prefetching([name, there], { root });
    expect(first.result.images).toEqual([
      {
        reference: name,
        canonicalName: name,
        digest: image.manifest.digest,
        imageId: image.config.digest,
        platform: `linux/${MACHINE.architecture}`,
        status: "fetched",
        bytesFetched:
          image.layers[1]!.size + image.config.size + image.manifest.size,
        bytesReused: base.size,
        durationMs: expect.any(Number) as number,
      },
      expect.objectContaining({
        reference: there,
        status: "up-to-date",
        bytesFetched: 0,
        bytesReused: base.size,
      }),
    ]);
    const before = await listing(root);
    const blobs = image.layers.reduce((sum, { size }) => sum + size, 0);
    registry.requests.length = 0;
    const second = await prefetching([name, there], { root });
    expect(requestCounts(registry)).toEqual({ "HEAD manifests": 2 });
    expect(second.result.images).toMatchObject([
      { status: "up-to-date", bytesFetched: 0, bytesReused: blobs },
      { status: "up-to-date", bytesFetched: 0 },
    ]);
    expect(await listing(root)).toEqual(before);
  });

  it("brings the largest first, and reports in the order asked for", async () => {
    const registry = await serve();
    const root = await newRoot();
    const sizes = [20_000, 400_000, 100_000, 10_000, 300_000, 200_000];
    const images = sizes.map((size, at) => imageOf([bigLayer(size, at + 1)]));
    const names = images.map((image, at) =>
      publish(registry, `app:${at}`, image),
    );
    const { result } = await prefetching(names, { root, concurrency: 1 });
    expect(result.images.map(({ reference }) => reference)).toEqual(names);
    expect(orderOf(registry, images)).toEqual([1, 4, 5, 2, 0, 3]);
    await expectSound(root);
  });

  it("counts as little what an interrupted pull has kept, or is here", async () => {
    const registry = await serve();
    const root = await newRoot();
    const base = bigLayer(500_000, 1);
    await pullAll([publish(registry, "base:1", imageOf([base]))], {
      root,
      registry: IMPATIENT,
    });
    const images = [
      imageOf([base, bigLayer(10_000, 2)]),
      imageOf([bigLayer(200_000, 3)]),
    ];
    const names = images.map((image, at) =>
      publish(registry, `app:${at}`, image),
    );
    registry.requests.length = 0;
    await prefetching(names, { root, concurrency: 1 });
    const blobs = registry.requests.map(({ url }) => url);
    const at = (digest: string): number =>
      blobs.findIndex((url) => url.endsWith(digest));
    expect(at(images[1]!.layers[0]!.digest)).toBeLessThan(
      at(images[0]!.layers[1]!.digest),
    );
    expect(at(base.digest)).toBe(-1);
  });

  it("takes mixed platforms and a pinned digest after the tag has moved", async () => {
    const registry = await serve();
    const root = await newRoot();
    const s390x = { os: "linux", architecture: "s390x" };
    const theirs = imageOf([smallLayer("theirs")], { platform: s390x });
    const ours = smallImage(["ours"]);
    for (const image of [theirs, ours]) publish(registry, "multi", image);
    const multi = publishManifest(
      registry,
      "multi:1",
      indexOf([
        { image: ours, platform: MACHINE },
        { image: theirs, platform: s390x },
      ]),
    );
    const old = smallImage(["old"]);
    const moved = publish(registry, "moved:1", old);
    publish(registry, "moved:1", smallImage(["new"]));
    const requests: Requested[] = [
      { reference: multi, platforms: ["linux/s390x"] },
      { reference: moved, digest: old.manifest.digest },
      { reference: multi, platforms: `linux/${MACHINE.architecture}` },
    ];
    const { result } = await prefetching(requests, { root });
    expect(
      result.images.map(({ reference, target, imageId }) => [
        reference,
        target,
        imageId,
      ]),
    ).toEqual([
      [multi, "linux/s390x", theirs.config.digest],
      [multi, `linux/${MACHINE.architecture}`, ours.config.digest],
      [moved, undefined, old.config.digest],
    ]);
    expect(askedAgain(registry)).toEqual([]);
    expect((await storedReferences(root)).get(multi)).toBe(ours.config.digest);
    await expectImage(root, old, `${registry.host}/moved`, [
      moved,
      `${registry.host}/moved@${old.manifest.digest}`,
    ]);
    await expectSound(root);
    registry.requests.length = 0;
    const again = await prefetching([requests[1]!], { root });
    expect(again.result.images[0]?.status).toBe("up-to-date");
    expect(registry.requests).toEqual([]);
  });
});

describe("meanwhile", () => {
  it("another prefetch of the same images shares the work", async () => {
    const registry = await serve();
    const root = await newRoot();
    const shared = bigLayer(300_000, 1);
    const images = [2, 3, 4].map((seed) =>
      imageOf([shared, bigLayer(100_000, seed)]),
    );
    const names = images.map((image, at) =>
      publish(registry, `app:${at}`, image),
    );
    const both = await Promise.all(
      [1, 2].map(() => prefetching(names, { root })),
    );
    for (const { result, events } of both) {
      expect(result.failures).toEqual([]);
      expect(result.images.map(({ status }) => status)).toEqual([
        "fetched",
        "fetched",
        "fetched",
      ]);
      expectEvents(events);
    }
    for (const { layers } of images) {
      for (const { digest } of layers)
        expect(fetches(registry, digest)).toBe(1);
    }
    await expectSound(root);
  });

  it("what was here when it was planned may go, and is fetched then", async () => {
    const registry = await serve();
    const root = await newRoot();
    const base = smallLayer("base");
    const there = publish(registry, "there:1", imageOf([base]));
    await pullAll([there], { root, registry: IMPATIENT });
    const image = imageOf([base, smallLayer("more")]);
    const name = publish(registry, "app:1", image);
    registry.requests.length = 0;
    const { result } = await prefetching([name], {
      root,
      onEvent: ({ type }) => {
        if (type !== "plan") return;
        execFileSync(process.execPath, [TPULL, "rmi", "--root", root, there]);
      },
    });
    expect(result.images).toMatchObject([
      { status: "fetched", bytesReused: 0 },
    ]);
    expect(fetches(registry, base.digest)).toBe(1);
    await expectImage(root, image, `${registry.host}/app`, [
      name,
      `${registry.host}/app@${image.manifest.digest}`,
    ]);
    await expectSound(root);
  });
});

describe("an image that fails", () => {
  /** Three images, of which the second cannot be found. */
  async function withMissing(): Promise<{
    registry: FaultRegistry;
    names: string[];
  }> {
    const registry = await serve();
    const names = ["a", "b", "c"].map((name) =>
      publish(registry, `${name}:1`, smallImage([name])),
    );
    names[1] = names[1]!.replace(/1$/, "none");
    return { registry, names };
  }

  it("by not being there keeps all others from being fetched", async () => {
    const { registry, names } = await withMissing();
    const root = await newRoot();
    const { result, events } = await prefetching(names, { root });
    expect(result.images).toMatchObject([
      {
        reference: names[0],
        status: "not-started",
        digest: expect.any(String),
      },
      {
        reference: names[1],
        status: "failed",
        error: { code: "MANIFEST_UNKNOWN" },
      },
      { reference: names[2], status: "not-started" },
    ]);
    expect(result.results).toEqual([]);
    expect(result.failures).toHaveLength(1);
    // Manifests and configs were looked at, and no layer.
    expect(registry.sent(/blobs/)).toHaveLength(2);
    expect(existsSync(root)).toBe(false);
    expect(events.at(-1)).toMatchObject({
      type: "summary",
      failed: 1,
      images: result.images,
    });
  });

  it("leaves the others alone with keepGoing", async () => {
    const { names } = await withMissing();
    const root = await newRoot();
    const options = { root, keepGoing: true };
    const { result, events } = await prefetching(names, options);
    expect(result.images.map(({ status }) => status)).toEqual([
      "fetched",
      "failed",
      "fetched",
    ]);
    expectEvents(events);
    await expectSound(root);
  });

  it("on its way lets those end that have begun, and none begin", async () => {
    const registry = await serve();
    const images = [600, 500, 400, 300, 200, 100].map((size, at) =>
      imageOf([bigLayer(size * 1000, at + 1)]),
    );
    const names = images.map((image, at) =>
      publish(registry, `app:${at}`, image),
    );
    registry.blobs.delete(images[0]!.layers[0]!.digest);
    const root = await newRoot();
    const stopped = await prefetching(names, { root, concurrency: 1 });
    const statuses = stopped.result.images.map(({ status }) => status);
    // Four at once: the first fails, the three beside it end.
    expect(statuses).toEqual([
      "failed",
      "fetched",
      "fetched",
      "fetched",
      "not-started",
      "not-started",
    ]);
    expect(stopped.result.failures).toMatchObject([
      { reference: names[0], error: { code: "BLOB_UNKNOWN" } },
    ]);
    const options = { root, concurrency: 1, keepGoing: true };
    const going = await prefetching(names, options);
    expect(going.result.images.map(({ status }) => status)).toEqual([
      "failed",
      "up-to-date",
      "up-to-date",
      "up-to-date",
      "fetched",
      "fetched",
    ]);
    expect(going.result.images[0]?.durationMs).toBeGreaterThan(0);
    await expectSound(root);
  });

  it("by what it is asked for as is told like any other", async () => {
    const { names } = await withMissing();
    const root = await newRoot();
    const asked = ["no/Such:Name", names[0]!];
    const { result } = await prefetching(asked, { root, keepGoing: true });
    expect(result.images).toMatchObject([
      {
        reference: asked[0],
        status: "failed",
        error: { code: "REFERENCE_INVALID" },
        bytesFetched: 0,
      },
      { status: "fetched" },
    ]);
  });

  it("by the time being up says so, and goes on the next time", async () => {
    const registry = await serve();
    const root = await newRoot();
    const big = bigLayer(400_000);
    const names = [
      publish(registry, "big:1", imageOf([big])),
      publish(registry, "small:1", smallImage(["a"])),
    ];
    registry.faults.push({
      do: "stall",
      after: 300_000,
      on: { path: new RegExp(big.digest) },
    });
    const { result } = await prefetching(names, {
      root,
      timeoutMs: 1500,
      registry: { ...IMPATIENT, stallMs: 20_000 },
    });
    expect(result.images).toMatchObject([
      { status: "failed", error: { code: "TIMEOUT" } },
      { status: "fetched" },
    ]);
    // What came of the layer counts, although nothing came of the image.
    const [failed, fetched] = result.images;
    expect(failed!.bytesFetched).toBeGreaterThan(300_000);
    expect(failed!.bytesFetched).toBeLessThan(310_000);
    expect(result.bytesFetched).toBe(
      failed!.bytesFetched + fetched!.bytesFetched,
    );
    const next = await prefetching(names, { root });
    expect(next.result.images.map(({ status }) => status)).toEqual([
      "fetched",
      "up-to-date",
    ]);
    await expectSound(root);
  });
});

describe("a prefetch that is stopped", () => {
  it("while it waits for its slot asks for nothing", async () => {
    const registry = await serve();
    const root = await newRoot();
    const name = publish(registry, "app:1", smallImage(["a"]));
    const stop = new AbortController();
    const seen: unknown[] = [];
    let known: PrefetchResult | undefined;
    const begun = performance.now();
    const failure = await failureOf(
      prefetch([name], {
        root,
        onRunFailed: (result) => {
          known = result;
        },
        jitterMs: 500 * 3_600_000,
        signal: stop.signal,
        onEvent: (event) => {
          seen.push(event.type);
          stop.abort();
        },
      }),
    );
    expect(failure.code).toBe("ABORTED");
    expect(performance.now() - begun).toBeLessThan(1000);
    expect(seen).toEqual(["delay"]);
    expect(known?.images).toMatchObject([
      { reference: name, status: "not-started" },
    ]);
    expect(known?.durationMs).toBe(0);
    expect(registry.requests).toEqual([]);
    expect(existsSync(root)).toBe(false);
  });

  it("while it fetches throws, and leaves nothing but what is of use", async () => {
    const registry = await serve();
    const root = await newRoot();
    const names = [1, 2, 3, 4, 5, 6].map((at) =>
      publish(registry, `app:${at}`, imageOf([bigLayer(50_000, at)])),
    );
    const stop = new AbortController();
    const known: [string, string][] = [];
    const failure = await failureOf(
      prefetch(names, {
        root,
        registry: IMPATIENT,
        concurrency: 1,
        signal: stop.signal,
        onEvent: ({ type }) => {
          if (type === "progress") stop.abort();
        },
        onRunFailed: ({ images }) => {
          for (const { reference, status } of images) {
            known.push([reference, status]);
          }
        },
      }),
    );
    expect(failure.code).toBe("ABORTED");
    expect(known.map(([name]) => name)).toEqual(names);
    expect(known.slice(4)).toEqual([
      [names[4], "not-started"],
      [names[5], "not-started"],
    ]);
    await expectAsBefore(root, []);
  });
});

describe("options", () => {
  it.each([
    ["jitterMs", { jitterMs: 0 }],
    ["jitterMs", { jitterMs: Number.NaN }],
    ["concurrency", { concurrency: 0 }],
    ["platform", { platform: ["all", "linux/386"] }],
  ])("%s %j is refused", async (name, options) => {
    const root = await newRoot();
    const failure = await failureOf(prefetch(["a"], { root, ...options }));
    expect(failure.code).toBe("OPTION_INVALID");
    expect(failure.message).toContain(name);
  });
});

describe("the slot of a machine", () => {
  const machine = (at: number): string => at.toString(16).padStart(32, "0");

  it("is its own, and stays", () => {
    expect(placeOf(3_600_000, machine(1), "/a")).toBe(
      placeOf(3_600_000, machine(1), "/a"),
    );
    expect(placeOf(3_600_000, machine(1), "/a")).not.toBe(
      placeOf(3_600_000, machine(1), "/b"),
    );
  });

  it("is anywhere in the time, as often here as there", () => {
    const tenths = Array.from({ length: 10 }, () => 0);
    for (let at = 1; at <= 5000; at += 1) {
      const place = placeOf(10, machine(at), "/var/lib/tpull");
      expect(place).toBeGreaterThanOrEqual(0);
      expect(place).toBeLessThan(10);
      tenths[Math.floor(place)]! += 1;
    }
    for (const count of tenths) {
      expect(count).toBeGreaterThan(400);
      expect(count).toBeLessThan(600);
    }
  });

  it("is waited for", async () => {
    const registry = await serve();
    const root = await newRoot();
    const name = publish(registry, "app:1", smallImage(["a"]));
    const { result, events } = await prefetching([name], {
      root,
      jitterMs: 300,
    });
    expect(result.failures).toEqual([]);
    const [delay] = events;
    if (delay?.type !== "delay") throw new Error("no delay");
    expect(delay.mostMs).toBe(300);
    expect(delay.delayMs).toBeLessThan(300);
    if (existsSync("/etc/machine-id")) {
      expect(delay.delayMs).toBe(Math.floor(await slotOf(300, root)));
    }
  });
});

describe("a prefetch through the right to write", () => {
  it("is refused by a root that is none, before the registry is asked", async () => {
    const registry = await serve();
    const name = publish(registry, "app:1", smallImage(["a"]));
    const failure = await failureOf(
      prefetch([name], { root: "/dev/null/root", registry: IMPATIENT }),
    );
    expect(failure.code).toMatch(/ROOT/);
    expect(registry.requests).toEqual([]);
  });
});
