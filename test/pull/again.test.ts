// What is there already is not fetched again, and what images share is fetched once.
import { rm } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { pull } from "#src/index.js";
import {
  chainIdsOf,
  imageOf,
  indexOf,
  MACHINE,
} from "../helpers/image-builder.js";
import { checkStore } from "../helpers/store/check.js";
import { storedLayers, storedReferences } from "../helpers/store/data-root.js";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import { listing, newRoot } from "../store/support/roots.js";
import { bigLayer, smallImage, smallLayer } from "./support/layers.js";
import {
  addBlob,
  fetches,
  publish,
  publishManifest,
  pulling,
  requestCounts,
  serve,
} from "./support/pulls.js";
import { expectImage, expectSound } from "./support/stored.js";

describe("an image that is up to date", () => {
  /** Pulls, looks, forgets the requests, and pulls again. */
  async function twice(
    registry: FaultRegistry,
    reference: string,
    between: () => void = () => undefined,
  ) {
    const root = await newRoot();
    const first = await pull(reference, { root });
    const before = await listing(root);
    registry.requests.length = 0;
    between();
    const { results, events } = await pulling(reference, { root });
    expect(await listing(root)).toEqual(before);
    expect(results).toMatchObject([
      {
        ...withoutWhatManifestsSay(first),
        status: "up-to-date",
        bytesFetched: expect.any(Number),
        bytesBySource: expect.any(Object),
        layers: first.layers.map((layer) => ({
          ...withoutWhatManifestsSay(layer),
          source: "reused",
        })),
      },
    ]);
    return events;
  }

  it("costs one HEAD", async () => {
    const registry = await serve();
    const reference = publish(registry, "app:1", smallImage(["a", "b"]));
    const events = await twice(registry, reference);
    expect(requestCounts(registry)).toEqual({ "HEAD manifests": 1 });
    expect(events.map(({ type }) => type)).toEqual([
      "resolve",
      "pulling",
      "result",
      "summary",
    ]);
  });

  it("costs one HEAD also through an index", async () => {
    const registry = await serve();
    const image = smallImage(["a", "b"]);
    publish(registry, "app", image);
    const index = indexOf([{ image, platform: MACHINE }]);
    await twice(registry, publishManifest(registry, "app:1", index));
    expect(requestCounts(registry)).toEqual({ "HEAD manifests": 1 });
  });

  it("costs nothing where a digest names it", async () => {
    const registry = await serve();
    const reference = publish(registry, "app", smallImage(["a", "b"]));
    await twice(registry, reference);
    expect(requestCounts(registry)).toEqual({});
  });

  it("costs the manifest where HEAD is no help", async () => {
    const registry = await serve();
    const reference = publish(registry, "app:1", smallImage(["a", "b"]));
    await twice(registry, reference, () => {
      registry.faults.push({
        do: "status",
        status: 405,
        on: { method: "HEAD" },
      });
    });
    expect(requestCounts(registry)).toEqual({
      "HEAD manifests": 1,
      "GET manifests": 1,
    });
  });
});

describe("a tag", () => {
  it("that has moved gets the new image; the old one keeps its digest", async () => {
    const registry = await serve();
    const root = await newRoot();
    const old = smallImage(["base", "old"]);
    const name = publish(registry, "app:1", old);
    await pull(name, { root });
    const image = smallImage(["base", "new"]);
    publish(registry, "app:1", image);
    registry.requests.length = 0;
    const result = await pull(name, { root });
    expect(result).toMatchObject({
      status: "downloaded",
      digest: image.manifest.digest,
      layers: [{ source: "reused" }, { source: "fetched" }],
    });
    expect(fetches(registry, image.layers[0]!.digest)).toBe(0);
    const repository = `${registry.host}/app`;
    await expectSound(root);
    await expectImage(root, image, repository, [
      name,
      `${repository}@${image.manifest.digest}`,
    ]);
    await expectImage(root, old, repository, [
      `${repository}@${old.manifest.digest}`,
    ]);
  });

  it("more for an image that is there costs one manifest", async () => {
    const registry = await serve();
    const root = await newRoot();
    const image = smallImage(["a", "b"]);
    await pull(publish(registry, "app:1", image), { root });
    const second = publish(registry, "app:2", image);
    registry.requests.length = 0;
    const { results, events } = await pulling(second, { root });
    expect(requestCounts(registry)).toEqual({ "GET manifests": 1 });
    expect(results[0]).toMatchObject({
      status: "downloaded",
      layers: [{ source: "reused" }, { source: "reused" }],
    });
    expect(results[0]!.bytesFetched).toBe(image.manifest.size);
    expect(events.filter(({ type }) => type === "layer")).toEqual([]);
    await expectSound(root);
    expect([...(await storedReferences(root)).keys()].sort()).toEqual([
      `${registry.host}/app:1`,
      `${registry.host}/app:2`,
      `${registry.host}/app@${image.manifest.digest}`,
    ]);
  });
});

describe("a layer", () => {
  it("of the store is reused, and said to exist", async () => {
    const registry = await serve();
    const root = await newRoot();
    await pull(publish(registry, "one:1", smallImage(["a", "b"])), { root });
    const image = smallImage(["a", "b", "c"]);
    const name = publish(registry, "two:1", image);
    registry.requests.length = 0;
    const { results, events } = await pulling(name, { root });
    expect(registry.sent(/blobs/)).toHaveLength(2); // config and top layer
    expect(results[0]!.layers.map(({ source }) => source)).toEqual([
      "reused",
      "reused",
      "fetched",
    ]);
    const last = new Map<number, string>();
    for (const event of events) {
      if (event.type === "layer") last.set(event.index, event.state);
    }
    expect(Object.fromEntries(last)).toEqual({
      0: "exists",
      1: "exists",
      2: "complete",
    });
    await expectSound(root);
    await expectImage(root, image, `${registry.host}/two`, [
      name,
      `${registry.host}/two@${image.manifest.digest}`,
    ]);
  });

  it("of the store is copied where it lies on another one", async () => {
    const registry = await serve();
    const root = await newRoot();
    await pull(publish(registry, "one:1", smallImage(["a", "b"])), { root });
    const image = smallImage(["c", "b", "a"]);
    const name = publish(registry, "two:1", image);
    registry.requests.length = 0;
    const { layers } = await pull(name, { root });
    expect(layers.map(({ source }) => source)).toEqual([
      "fetched",
      "copied",
      "copied",
    ]);
    expect(fetches(registry, image.layers[1]!.digest)).toBe(0);
    expect(fetches(registry, image.layers[2]!.digest)).toBe(0);
    await expectSound(root);
  });

  it("that an image has several times is fetched once", async () => {
    const registry = await serve();
    const root = await newRoot();
    const twin = smallLayer("twin");
    const image = imageOf([twin, smallLayer("a"), twin, twin]);
    const { layers } = await pull(publish(registry, "app:1", image), { root });
    expect(fetches(registry, twin.digest)).toBe(1);
    expect(layers.map(({ source }) => source)).toEqual([
      "fetched",
      "fetched",
      "copied",
      "copied",
    ]);
    expect((await storedLayers(root)).size).toBe(4);
    await expectSound(root);
  });

  it("that is damaged in the store is written anew", async () => {
    const registry = await serve();
    const root = await newRoot();
    await pull(publish(registry, "one:1", smallImage(["a", "b"])), { root });
    const [damaged] = (await storedLayers(root)).values();
    await rm(`${damaged!.record}/tar-split.json.gz`);
    const image = smallImage(["a", "b", "c"]);
    const { events, results } = await pulling(
      publish(registry, "two:1", image),
      { root },
    );
    expect(results).toHaveLength(1);
    expect(events).toContainEqual(
      expect.objectContaining({ type: "warning", code: "LAYER_DAMAGED" }),
    );
    // The files of the damaged one stay: other layers may be mounted from them.
    expect(await checkStore(root, { leftoversAllowed: true })).toEqual([]);
  });
});

describe("images of one call", () => {
  const base = bigLayer(200_000);
  const images = ["a", "b", "c", "d", "e", "f"].map((name) =>
    imageOf([base, smallLayer("shared"), smallLayer(name)]),
  );

  it("share what they have in common", async () => {
    const registry = await serve();
    const root = await newRoot();
    const names = images.map((image, index) =>
      publish(registry, `app-${index}:1`, image),
    );
    const { results, failures, events } = await pulling(names, { root });
    expect(failures).toEqual([]);
    expect(results.map(({ reference }) => reference)).toEqual(names);
    const blobs = new Set(
      images.flatMap((image) => [
        image.config.digest,
        ...image.layers.map(({ digest }) => digest),
      ]),
    );
    for (const digest of blobs) expect(fetches(registry, digest)).toBe(1);
    // What came over the wire is counted once.
    const sent = [...blobs].reduce(
      (sum, digest) => sum + registry.blobs.get(digest)!.length,
      images.reduce((sum, { manifest }) => sum + manifest.size, 0),
    );
    expect(events.at(-1)).toMatchObject({
      type: "summary",
      pulled: images.length,
      failed: 0,
      bytesFetched: sent,
    });
    await expectSound(root);
    for (const [index, image] of images.entries()) {
      const repository = `${registry.host}/app-${index}`;
      await expectImage(root, image, repository, [
        `${repository}:1`,
        `${repository}@${image.manifest.digest}`,
      ]);
    }
  });

  it("may be one image twice", async () => {
    const registry = await serve();
    const root = await newRoot();
    const name = publish(registry, "app:1", images[0]!);
    const { results } = await pulling([name, name], { root });
    expect(results).toHaveLength(2);
    expect(results[0]!.imageId).toBe(results[1]!.imageId);
    expect(fetches(registry, base.digest)).toBe(1);
    await expectSound(root);
  });

  it("do not fail with one another", async () => {
    const registry = await serve();
    const root = await newRoot();
    const lost = smallLayer("lost");
    const good = [images[0]!, images[1]!];
    const bad = imageOf([base, lost]);
    const names = [
      publish(registry, "good:0", good[0]!),
      publish(registry, "bad:1", bad),
      `${registry.host}/none:1`,
      "Upper/Case",
      publish(registry, "good:1", good[1]!),
    ];
    registry.blobs.delete(lost.digest);
    const { results, failures, events } = await pulling(names, { root });
    expect(results.map(({ reference }) => reference)).toEqual([
      names[0],
      names[4],
    ]);
    expect(
      failures.map(({ reference, error }) => [reference, error.code]),
    ).toEqual([
      [names[1], "BLOB_UNKNOWN"],
      [names[2], "MANIFEST_UNKNOWN"],
      ["Upper/Case", "REFERENCE_INVALID"],
    ]);
    const ends = events.filter(
      ({ type }) => type === "result" || type === "error",
    );
    expect(ends).toHaveLength(names.length);
    expect(events.at(-1)).toMatchObject({
      type: "summary",
      pulled: 2,
      failed: 3,
      results,
      failures,
    });
    await expectSound(root);
  });

  it("leave nothing of the one that failed", async () => {
    const registry = await serve();
    const root = await newRoot();
    const lost = bigLayer(1000, 99);
    const names = [
      publish(registry, "good:1", images[0]!),
      publish(registry, "bad:1", imageOf([base, smallLayer("only"), lost])),
    ];
    registry.blobs.delete(lost.digest);
    await pulling(names, { root });
    await expectSound(root);
    expect([...(await storedLayers(root)).keys()].sort()).toEqual(
      chainIdsOf(images[0]!)
        .map((chain) => chain.slice(7))
        .sort(),
    );
  });

  it("help each other out where one registry lacks a blob", async () => {
    const image = imageOf([base, smallLayer("above")]);
    const here = await serve();
    const there = await serve();
    const names = [here, there].map((registry) =>
      publish(registry, "app:1", image),
    );
    here.blobs.delete(base.digest);
    for (const order of [names, names.toReversed()]) {
      const root = await newRoot();
      const { failures } = await pulling(order, { root });
      expect(failures).toEqual([]);
      await expectSound(root);
    }
  });

  it("do not rely on what another image says of a shared layer", async () => {
    const registry = await serve();
    const good = imageOf([base, smallLayer("above")]);
    const lie = { ...base, size: base.size + 1 };
    const liar = imageOf([lie, smallLayer("beside")]);
    const names = [
      publish(registry, "liar:1", liar),
      publish(registry, "good:1", good),
    ];
    addBlob(registry, base);
    const root = await newRoot();
    const { results } = await pulling(names, { root });
    expect(results.map(({ reference }) => reference)).toContain(names[1]);
    await expectSound(root);
  });
});

/** An image that is up to date is told by its digest alone, without its manifest. */
function withoutWhatManifestsSay<Result extends object>(
  result: Result,
): object {
  return Object.fromEntries(
    Object.entries(result).filter(
      ([key]) => key !== "manifestDigest" && key !== "compressedSize",
    ),
  );
}
