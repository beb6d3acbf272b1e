// What a pull would do, said without doing it; and that the pull then does just that.
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore, plan, pullAll } from "#src/index.js";
import type { Digest } from "#store/index.js";
import { imageOf, indexOf, MACHINE } from "../helpers/image-builder.js";
import { listing, newRoot, temporaryFolder } from "../store/support/roots.js";
import { bigLayer, smallImage, smallLayer } from "./support/layers.js";
import {
  failureOf,
  IMPATIENT,
  publish,
  publishManifest,
  requestCounts,
  serve,
} from "./support/pulls.js";
import type { FaultRegistry } from "../helpers/fault-registry.js";

/** What a pull asks and fetches, by itself. */
async function pulled(
  registry: FaultRegistry,
  names: string[],
  options: Parameters<typeof pullAll>[1],
): Promise<{ bytes: number; requests: number }> {
  registry.requests.length = 0;
  const { results } = await pullAll(names, { registry: IMPATIENT, ...options });
  const bytes = results.reduce((sum, one) => sum + one.bytesFetched, 0);
  return { bytes, requests: registry.requests.length };
}

describe("a plan", () => {
  it("is what the pull does: bytes, requests, shared layers", async () => {
    const registry = await serve();
    const root = await newRoot();
    const shared = smallLayer("shared");
    const first = imageOf([shared, smallLayer("a")]);
    const second = imageOf([shared, smallLayer("b"), smallLayer("c")]);
    const names = [
      publish(registry, "app:1", first),
      publish(registry, "app:2", second),
    ];
    const made = await plan(names, { root });
    expect(made.failures).toEqual([]);
    expect(made).toMatchObject({
      layersPresent: 0,
      layersToFetch: 4,
      hubPulls: 0,
    });
    expect(made.images).toMatchObject([
      {
        reference: names[0],
        imageId: first.config.digest,
        status: "to-fetch",
        layers: [{ source: "fetched" }, { source: "fetched" }],
      },
      {
        reference: names[1],
        layers: [
          { source: "shared" },
          { source: "fetched" },
          { source: "fetched" },
        ],
      },
    ]);
    expect(made.disk).toMatchObject({ root, fits: "yes" });
    expect(made.disk.estimatedBytes).toBeGreaterThan(made.disk.certainBytes);
    expect(existsSync(root)).toBe(false);
    expect(registry.sent(/blobs/)).toHaveLength(2);

    const { bytes, requests } = await pulled(registry, names, { root });
    expect(made.bytesToFetch).toBe(bytes);
    expect(made.bytesByRegistry).toEqual({ [registry.host]: bytes });
    expect(made.requests).toBe(requests);
  });

  it("knows what is there", async () => {
    const registry = await serve();
    const root = await newRoot();
    const shared = smallLayer("shared");
    const old = publish(registry, "app:1", imageOf([shared]));
    await pullAll([old], { root });
    const name = publish(registry, "app:2", imageOf([shared, smallLayer("b")]));
    const before = await listing(root);
    registry.requests.length = 0;
    const made = await plan([old, name], { root });
    expect(await listing(root)).toEqual(before);
    expect(made.images).toMatchObject([
      {
        status: "up-to-date",
        bytesToFetch: 0,
        requests: 1,
        layers: [{ source: "present" }],
      },
      {
        status: "to-fetch",
        layers: [{ source: "present" }, { source: "fetched" }],
      },
    ]);
    expect(made).toMatchObject({ layersPresent: 1, layersToFetch: 1 });
    const { bytes, requests } = await pulled(registry, [old, name], { root });
    expect(made.bytesToFetch).toBe(bytes);
    expect(made.requests).toBe(requests);
  });

  it("asks nothing for a digest that is there", async () => {
    const registry = await serve();
    const root = await newRoot();
    const name = publish(registry, "app", smallImage(["a"]));
    await pullAll([name], { root });
    registry.requests.length = 0;
    const made = await plan([name], { root });
    expect(made).toMatchObject({ requests: 0, bytesToFetch: 0 });
    expect(registry.requests).toEqual([]);
  });

  it("takes what has the same content under another parent as copied", async () => {
    const registry = await serve();
    const root = await newRoot();
    const layer = smallLayer("twin");
    await pullAll([publish(registry, "app:1", imageOf([layer]))], { root });
    const name = publish(
      registry,
      "app:2",
      imageOf([smallLayer("base"), layer]),
    );
    const made = await plan([name], { root });
    expect(made.images[0]?.layers.map(({ source }) => source)).toEqual([
      "fetched",
      "copied",
    ]);
    const { bytes } = await pulled(registry, [name], { root });
    expect(made.bytesToFetch).toBe(bytes);
  });

  it("leaves out what an interrupted pull has kept", async () => {
    const registry = await serve();
    const root = await newRoot();
    const [layer] = [bigLayer(1_000_000)];
    const name = publish(registry, "app:1", imageOf([layer]));
    const { layout } = await openStore(root);
    const directory = layout.partialBlob(layer.digest as Digest);
    await mkdir(directory, { recursive: true });
    const bytes = (layer.data as Buffer).subarray(0, 300_000);
    await writeFile(join(directory, "0"), bytes);
    const made = await plan([name], { root });
    expect(made.images[0]?.layers).toMatchObject([{ keptBytes: 300_000 }]);
    const rest = layer.size - 300_000;
    expect(made.bytesToFetch).toBeGreaterThan(rest);
    expect(made.bytesToFetch).toBeLessThan(rest + 5000);
  });

  it("has an image for each platform and tag", async () => {
    const registry = await serve();
    const root = await newRoot();
    const s390x = { os: "linux", architecture: "s390x" };
    const entries = [MACHINE, s390x].map((platform) => {
      const image = imageOf([smallLayer(platform.architecture)], { platform });
      publish(registry, "app", image);
      return { image, platform };
    });
    publishManifest(registry, "app:1", indexOf(entries));
    const repository = `${registry.host}/app`;
    const options = { root, platform: "all", allTags: true };
    const made = await plan([repository], options);
    expect(
      made.images.map(({ reference, target }) => [reference, target]),
    ).toEqual([
      [`${repository}:1`, `linux/${MACHINE.architecture}`],
      [`${repository}:1`, "linux/s390x"],
    ]);
    const first = await pulled(registry, [repository], options);
    expect(made.bytesToFetch).toBe(first.bytes);
    // The list of tags is asked for, too.
    expect(made.requests).toBe(first.requests - 1);
    const again = await plan([repository], options);
    const second = await pulled(registry, [repository], options);
    expect(again.bytesToFetch).toBe(second.bytes);
    expect(again.requests).toBe(second.requests - 1);
  });

  it("has failures beside images, with the near tags and the platforms that there are", async () => {
    const registry = await serve();
    const root = await newRoot();
    const name = publish(registry, "app:1.27", smallImage(["a"]));
    publishManifest(
      registry,
      "app:multi",
      indexOf([{ image: smallImage(["a"]), platform: MACHINE }]),
    );
    const wrong = name.replace("1.27", "1.28");
    const made = await plan([wrong, name], { root });
    expect(made.images.map(({ reference }) => reference)).toEqual([name]);
    expect(made.failures).toMatchObject([
      {
        reference: wrong,
        error: {
          code: "MANIFEST_UNKNOWN",
          hint: expect.stringContaining("1.27"),
        },
      },
    ]);
    const none = await plan([name.replace("1.27", "multi")], {
      root,
      platform: "linux/s390x",
    });
    expect(none.failures[0]?.error).toMatchObject({
      code: "PLATFORM_NOT_FOUND",
      message: expect.stringContaining(`linux/${MACHINE.architecture}`),
    });
  });

  it("counts what the Hub counts, and says what is left there", async () => {
    const registry = await serve();
    publish(registry, "library/app:1", smallImage(["a"]));
    registry.faults.push({
      on: { path: /manifests/ },
      times: 9,
      do: "headers",
      headers: {
        "ratelimit-limit": "100;w=21600",
        "ratelimit-remaining": "12;w=21600",
      },
    });
    const made = await plan(["app:1"], {
      root: await newRoot(),
      registry: { endpoint: () => registry.url },
    });
    expect(made).toMatchObject({
      hubPulls: 1,
      rateLimits: [
        {
          registry: "docker.io",
          limit: 100,
          remaining: 12,
          windowSeconds: 21_600,
        },
      ],
    });
  });

  it("neither needs nor takes the right to write", async () => {
    const registry = await serve();
    const name = publish(registry, "app:1", smallImage(["a"]));
    const root = join(await temporaryFolder(), "a/b/c");
    const made = await plan([name], { root });
    expect(made.disk.freeBytes).toBeGreaterThan(0);
    expect(requestCounts(registry)).toEqual({
      "GET manifests": 1,
      "GET blobs": 1,
    });
  });

  it("ends with its signal", async () => {
    const registry = await serve();
    const name = publish(registry, "app:1", smallImage(["a"]));
    const signal = AbortSignal.abort();
    const made = plan([name], { root: await newRoot(), signal });
    expect((await failureOf(made)).code).toBe("ABORTED");
  });
});
