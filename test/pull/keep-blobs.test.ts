// pull with keepBlobs: the registry's own blobs stay beside what is unpacked from them.
import {
  lstat,
  mkdir,
  readFile,
  readdir,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { pull } from "#src/index.js";
import {
  type ImageId,
  listKeptBlobs,
  openStore,
  originalImage,
  removeImages,
} from "#store/index.js";
import {
  imageOf,
  indexOf,
  MACHINE,
  sha256,
  type Blob,
  type Image,
} from "../helpers/image-builder.js";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import { listing, newRoot } from "../store/support/roots.js";
import { expectEvents } from "./support/event-schema.js";
import { bigLayer, smallImage, smallLayer } from "./support/layers.js";
import { prefetching } from "./support/prefetching.js";
import {
  fetches,
  IMPATIENT,
  publish,
  publishManifest,
  pulling,
  serve,
} from "./support/pulls.js";
import { expectSound } from "./support/stored.js";

const FOLDER = "tpull/blobs/sha256";
const pathOf = (root: string, { digest }: { digest: string }): string =>
  join(root, FOLDER, digest.slice(7));

/** Names of the files that are kept. */
const kept = async (root: string): Promise<string[]> =>
  (await readdir(join(root, FOLDER)).catch(() => [])).sort();

const hexOf = (...blobs: { digest: string }[]): string[] =>
  [...new Set(blobs.map(({ digest }) => digest.slice(7)))].sort();

/** Every file that is kept is what its name says, and nobody else may read it. */
async function expectTrue(root: string): Promise<void> {
  for (const name of await kept(root)) {
    const path = join(root, FOLDER, name);
    expect(sha256(await readFile(path))).toBe(`sha256:${name}`);
    expect((await lstat(path)).mode & 0o7777).toBe(0o600);
  }
}

async function original(root: string, image: Image, ...names: string[]) {
  const { layout } = await openStore(root);
  return originalImage(layout, image.config.digest as ImageId, names);
}

/** An image for this machine, behind an index. */
function publishIndex(registry: FaultRegistry, image: Image): Blob {
  publish(registry, "app", image);
  const index = indexOf([{ image, platform: MACHINE }]);
  publishManifest(registry, "app:1", index);
  return index;
}

it("keeps every blob as it was fetched, and the index that led to the image", async () => {
  const registry = await serve();
  const root = await newRoot();
  const image = imageOf([smallLayer("a"), bigLayer(600_000), smallLayer("b")]);
  const index = publishIndex(registry, image);
  const result = await pull(`${registry.host}/app:1`, {
    root,
    keepBlobs: true,
  });
  expect(await kept(root)).toEqual(hexOf(index, ...image.layers));
  await expectTrue(root);
  const bytes = image.layers.reduce((sum, { size }) => sum + size, 0);
  expect(result.keptBlobs).toEqual({
    blobs: 3,
    bytes,
    fetched: 0,
    missing: [],
  });
  for (const { digest } of image.layers) {
    expect(fetches(registry, digest)).toBe(1);
  }
  const name = `${registry.host}/app@${index.digest}`;
  const found = await original(root, image, name);
  expect(found?.manifest.digest).toBe(image.manifest.digest);
  expect(found?.manifest.bytes).toEqual(image.manifest.data);
  expect(found?.indexes.get(index.digest as never)?.[0]?.bytes).toEqual(
    index.data,
  );
  await expectSound(root);
});

it("leaves nothing where it is not asked for", async () => {
  const registry = await serve();
  const root = await newRoot();
  const reference = publish(registry, "app:1", smallImage(["a"]));
  const result = await pull(reference, { root });
  expect(result).not.toHaveProperty("keptBlobs");
  expect(await readdir(join(root, "tpull"))).not.toContain("blobs");
});

it("fetches the blobs of layers that are stored, and only those", async () => {
  const registry = await serve();
  const root = await newRoot();
  const image = smallImage(["a", "b", "a"]);
  const reference = publish(registry, "app:1", image);
  await pull(reference, { root });
  const files = await listing(join(root, "overlay2"));
  registry.requests.length = 0;
  const { results, events } = await pulling(reference, {
    root,
    keepBlobs: true,
  });
  expect(results[0]).toMatchObject({
    status: "up-to-date",
    keptBlobs: { blobs: 2, fetched: 2, missing: [] },
  });
  expect(results[0]!.bytesFetched).toBeGreaterThan(
    image.layers[0]!.size + image.layers[1]!.size,
  );
  expect(await kept(root)).toEqual(hexOf(...image.layers));
  expect(await listing(join(root, "overlay2"))).toEqual(files);
  expect(events.filter(({ type }) => type === "layer")).toMatchObject([
    { state: "downloading" },
    { state: "downloading" },
    { state: "exists" },
    { state: "exists" },
  ]);
  expectEvents(events);
  // From now on there is nothing to do: one HEAD.
  registry.requests.length = 0;
  const again = await pull(reference, { root, keepBlobs: true });
  expect(again).toMatchObject({
    status: "up-to-date",
    keptBlobs: { blobs: 2, fetched: 0 },
  });
  expect(registry.requests.map(({ method }) => method)).toEqual(["HEAD"]);
  await expectTrue(root);
  await expectSound(root);
});

it("keeps a blob that several images of a run have once", async () => {
  const registry = await serve();
  const root = await newRoot();
  const shared = smallLayer("shared");
  const images = ["a", "b", "c"].map((name) =>
    imageOf([shared, smallLayer(name)]),
  );
  const names = images.map((image, at) => publish(registry, `${at}:1`, image));
  await pulling(names.slice(0, 1), { root });
  const { failures, results } = await pulling(names, { root, keepBlobs: true });
  expect(failures).toEqual([]);
  expect(await kept(root)).toEqual(
    hexOf(...images.flatMap(({ layers }) => layers)),
  );
  expect(fetches(registry, shared.digest)).toBe(2);
  const fetched = results.map(({ keptBlobs }) => keptBlobs?.fetched ?? 0);
  expect(fetched.reduce((sum, one) => sum + one, 0)).toBe(2);
});

it("unpacks what is kept instead of fetching it", async () => {
  const registry = await serve();
  const root = await newRoot();
  const image = smallImage(["a", "b"]);
  const reference = publish(registry, "app:1", image);
  await pull(reference, { root, keepBlobs: true });
  await removeImages(await openStore(root), [reference]);
  expect(await kept(root)).toEqual(hexOf(...image.layers));
  registry.requests.length = 0;
  const result = await pull(reference, { root, keepBlobs: true });
  expect(registry.sent(/\/blobs\//).map(({ url }) => url.slice(-71))).toEqual([
    image.config.digest,
  ]);
  expect(result.layers).toMatchObject(
    image.layers.map(({ size }) => ({ source: "fetched", resumedBytes: size })),
  );
  await expectSound(root);
});

it.each(["other bytes", "fewer bytes", "a link", "a directory"])(
  "is not taken in by %s in the place of a blob",
  async (what) => {
    const registry = await serve();
    const root = await newRoot();
    const image = smallImage(["a", "b"]);
    const reference = publish(registry, "app:1", image);
    await pull(reference, { root, keepBlobs: true });
    await removeImages(await openStore(root), [reference]);
    const [blob] = image.layers;
    const path = pathOf(root, blob!);
    const secret = join(root, "..", "secret");
    await writeFile(secret, blob!.data);
    await rm(path);
    if (what === "a link") await symlink(secret, path);
    else if (what === "a directory") await mkdir(path);
    else {
      const bytes = Buffer.from(blob!.data as Buffer);
      bytes[20]! ^= 1;
      await writeFile(path, what === "fewer bytes" ? bytes.subarray(1) : bytes);
    }
    const { failures, results, events } = await pulling(reference, {
      root,
      keepBlobs: true,
    });
    expect(failures).toEqual([]);
    expect(fetches(registry, blob!.digest)).toBe(2);
    await rm(secret);
    if (what === "a directory") {
      expect(results[0]?.keptBlobs?.missing).toEqual([
        { digest: blob!.digest, code: "STORE_IO_FAILED" },
      ]);
      expect(events).toContainEqual(
        expect.objectContaining({ type: "warning", code: "BLOBS_NOT_KEPT" }),
      );
      await rm(path, { recursive: true });
    } else {
      expect(results[0]?.keptBlobs?.missing).toEqual([]);
      expect((await lstat(path)).isFile()).toBe(true);
    }
    await expectTrue(root);
    await expectSound(root);
  },
);

it("keeps no more than the limit, and says so", async () => {
  const registry = await serve();
  const root = await newRoot();
  const image = imageOf([bigLayer(50_000), bigLayer(20_000, 2)]);
  const reference = publish(registry, "app:1", image);
  const maxBytes = image.layers[1]!.size + 100;
  const { failures, results, events } = await pulling(reference, {
    root,
    keepBlobs: { maxBytes },
  });
  expect(failures).toEqual([]);
  expect(await kept(root)).toEqual(hexOf(image.layers[1]!));
  expect(results[0]?.keptBlobs).toEqual({
    blobs: 2,
    bytes: image.layers[1]!.size,
    fetched: 0,
    missing: [{ digest: image.layers[0]!.digest, code: "BLOBS_LIMIT_REACHED" }],
  });
  expect(events).toContainEqual(
    expect.objectContaining({
      type: "warning",
      code: "BLOBS_NOT_KEPT",
      message: expect.stringContaining("1 of 2 blobs") as string,
    }),
  );
  expect(fetches(registry, image.layers[0]!.digest)).toBe(1);
  await expectSound(root);
});

it("lets those go that were used longest ago, never its own", async () => {
  const registry = await serve();
  const root = await newRoot();
  const images = [1, 2, 3].map((seed) => imageOf([bigLayer(20_000, seed)]));
  const [one, two, three] = images.map((image, at) =>
    publish(registry, `${at}:1`, image),
  ) as [string, string, string];
  const size = images[0]!.layers[0]!.size;
  const keepBlobs = { maxBytes: 2 * size };
  await pull(one, { root, keepBlobs });
  await pull(two, { root, keepBlobs });
  await pull(one, { root, keepBlobs }); // up to date, and used
  await pull(three, { root, keepBlobs });
  expect(await kept(root)).toEqual(
    hexOf(images[0]!.layers[0]!, images[2]!.layers[0]!),
  );
  const { results } = await pulling([one, two, three], { root, keepBlobs });
  const missing = results.flatMap(({ keptBlobs }) => keptBlobs?.missing ?? []);
  expect(missing).toHaveLength(1);
  expect(listKeptBlobs(root)).toHaveLength(2);
});

it("keeps nothing of a blob that is not what it should be", async () => {
  const registry = await serve();
  const root = await newRoot();
  const image = smallImage(["a", "b"]);
  const reference = publish(registry, "app:1", image);
  const [bad, good] = image.layers;
  const bytes = Buffer.from(bad!.data as Buffer);
  bytes[30]! ^= 1;
  registry.blobs.set(bad!.digest, bytes);
  const first = await pulling(reference, { root, keepBlobs: true });
  expect(first.failures).toMatchObject([
    { error: { code: "DIGEST_MISMATCH" } },
  ]);
  expect(await kept(root)).not.toContain(bad!.digest.slice(7));
  expect(await readdir(join(root, "tpull")).catch(() => [])).not.toContain(
    ".tmp",
  );
  // And where the layer is there, and its blob is fetched alone.
  registry.blobs.set(bad!.digest, bad!.data as Buffer);
  await pull(reference, { root });
  registry.blobs.set(bad!.digest, bytes);
  const second = await pulling(reference, { root, keepBlobs: true });
  expect(second.failures).toMatchObject([
    { error: { code: "DIGEST_MISMATCH", details: { layer: bad!.digest } } },
  ]);
  expect(await kept(root)).toEqual(hexOf(good!));
  expect(await readdir(join(root, "tpull/blobs"))).toEqual(["sha256"]);
  await expectSound(root);
});

it("fetches a blob again from where the connection broke", async () => {
  const registry = await serve();
  const root = await newRoot();
  const image = imageOf([bigLayer(400_000)]);
  const reference = publish(registry, "app:1", image);
  const [layer] = image.layers;
  await pull(reference, { root });
  registry.faults.push({
    do: "truncate",
    after: 100_000,
    on: { path: /\/blobs\// },
  });
  const result = await pull(reference, {
    root,
    keepBlobs: true,
    registry: IMPATIENT,
  });
  expect(result.keptBlobs).toMatchObject({ fetched: 1, missing: [] });
  expect(fetches(registry, layer!.digest)).toBe(3);
  await expectTrue(root);
});

it("a prefetch keeps them, too, of new images and of stored ones", async () => {
  const registry = await serve();
  const root = await newRoot();
  const stored = smallImage(["a", "b"]);
  const fresh = smallImage(["a", "c"]);
  const names = [
    publish(registry, "stored:1", stored),
    publish(registry, "fresh:1", fresh),
  ];
  await pull(names[0]!, { root });
  const { result, events } = await prefetching(names, {
    root,
    keepBlobs: true,
  });
  expect(result.failures).toEqual([]);
  expectEvents(events);
  expect(await kept(root)).toEqual(hexOf(...stored.layers, ...fresh.layers));
  const again = await prefetching(names, { root, keepBlobs: true });
  expect(again.result.images.map(({ status }) => status)).toEqual([
    "up-to-date",
    "up-to-date",
  ]);
  await expectTrue(root);
  await expectSound(root);
});

it("is refused with a limit that is none", async () => {
  const root = await newRoot();
  for (const maxBytes of [-1, 1.5, Number.NaN]) {
    await expect(
      pull("localhost:1/a", { root, keepBlobs: { maxBytes } }),
    ).rejects.toMatchObject({ code: "OPTION_INVALID" });
  }
});

it("a blob that is fetched for its own sake goes on where an interrupted run ended", async () => {
  const registry = await serve();
  const root = await newRoot();
  const image = imageOf([bigLayer(3_000_000)]);
  const reference = publish(registry, "app:1", image);
  const [layer] = image.layers;
  await pull(reference, { root });
  const stop = new AbortController();
  registry.faults.push({
    do: "trickle",
    bytes: 200_000,
    everyMs: 30,
    on: { path: /\/blobs\// },
  });
  const { failures } = await pulling(reference, {
    root,
    keepBlobs: true,
    signal: stop.signal,
    onEvent: (event) => {
      if (event.type === "progress" && event.current > 1_000_000) stop.abort();
    },
  }).catch(() => ({ failures: ["stopped"] }));
  expect(failures).toHaveLength(1);
  expect(await kept(root)).toEqual([]);
  const again = await pull(reference, { root, keepBlobs: true });
  expect(again.keptBlobs).toMatchObject({ fetched: 1, missing: [] });
  expect(again.bytesFetched).toBeLessThan(layer!.size - 500_000);
  await expectTrue(root);
  await expectSound(root);
});
