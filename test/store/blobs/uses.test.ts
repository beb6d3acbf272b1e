// Whose kept blobs are: what df says of them, and what prune and rmi leave.
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import {
  digestOf,
  diskUsage,
  type Leftover,
  listKeptBlobs,
  openStore,
  originalImage,
  prune,
  pruneBlobs,
  pruneLeftovers,
  type PruneOptions,
  removeImages,
} from "#store/index.js";
import { fakeImage } from "../support/images.js";
import {
  blobsOf,
  indexOf,
  keepBytes,
  manifestOf,
  storeKept,
} from "../support/kept.js";
import { listing, newRoot, writing } from "../support/roots.js";
import { ChildSession } from "../support/sessions.js";

const app = fakeImage("app", "one", "two");
const web = fakeImage("web", "one", "three");
const nobodys = Buffer.from("a blob of no image");

const digests = (...all: Buffer[]) =>
  [...new Set(all.map((bytes) => digestOf(bytes)))].sort();
const kept = (root: string) =>
  listKeptBlobs(root)
    .map(({ digest }) => digest)
    .sort();

/** Two images that share a blob, one of them behind an index, and a blob of neither. */
async function someRoot(): Promise<string> {
  const root = await newRoot();
  await writing(root, async (writer) => {
    await storeKept(writer, app, indexOf(app));
    await storeKept(writer, web);
    await keepBytes(writer, nobodys);
  });
  return root;
}

const all = () =>
  digests(...blobsOf(app), ...blobsOf(web), indexOf(app), nobodys);

/** Prunes, after a dry run that has to say the same and change nothing. */
async function pruned(
  root: string,
  options: PruneOptions = {},
): Promise<readonly Leftover[]> {
  const store = await openStore(root);
  const before = await listing(root);
  const forecast = await prune(store, { ...options, dryRun: true });
  expect(await listing(root)).toEqual(before);
  const result = await prune(store, options);
  expect(result).toEqual(forecast);
  return result.leftovers;
}

it("df counts them, and those that no image uses as reclaimable", async () => {
  const root = await someRoot();
  const { keptBlobs, totals } = await diskUsage(await openStore(root));
  const bytes = [...blobsOf(app), blobsOf(web)[1]!, indexOf(app)].reduce(
    (sum, { length }) => sum + length,
    0,
  );
  expect(totals.keptBlobs).toEqual({
    count: 5,
    active: 4,
    size: bytes + nobodys.length,
    reclaimable: nobodys.length,
  });
  const usersOf = (blob: Buffer) =>
    keptBlobs.find(({ digest }) => digest === digestOf(blob))?.images;
  const ids = [app, web].map(({ image }) => image.imageId);
  expect(usersOf(blobsOf(app)[0]!)?.toSorted()).toEqual(ids.toSorted());
  expect(usersOf(indexOf(app))).toEqual([app.image.imageId]);
  expect(usersOf(nobodys)).toEqual([]);
});

it("df tells of what a killed pull left of one, and not of one on its way", async () => {
  const root = await someRoot();
  const child = new ChildSession(root, app, {
    blobs: ["a blob on its way"],
    hold: "keeping",
  });
  await child.saying("held");
  const store = await openStore(root);
  expect((await diskUsage(store)).leftovers).toEqual([]);
  await child.kill();
  expect((await diskUsage(store)).leftovers).toMatchObject([
    { kind: "temporary-file", size: 10 },
  ]);
});

it("prune removes those that no image uses", async () => {
  const root = await someRoot();
  expect(await pruned(root)).toEqual([
    { kind: "kept-blob", digest: digestOf(nobodys), bytes: nobodys.length },
  ]);
  expect(await pruned(root)).toEqual([]);
  const store = await openStore(root);
  await removeImages(store, ["app:latest"]);
  // Removing an image leaves its blobs to prune.
  expect(kept(root)).toEqual(all().filter((one) => one !== digestOf(nobodys)));
  expect((await pruned(root)).map(({ bytes }) => bytes)).toHaveLength(2);
  expect(kept(root)).toEqual(digests(...blobsOf(web)));
  expect(
    originalImage(store.layout, web.image.imageId, [])?.manifest.bytes,
  ).toEqual(manifestOf(web));
});

it("prune removes with images what only they used", async () => {
  const root = await someRoot();
  const gone = await pruned(root, { all: true });
  expect(gone.filter(({ kind }) => kind === "kept-blob")).toHaveLength(5);
  expect(kept(root)).toEqual([]);
});

it("prune leaves those that were used since a time", async () => {
  const root = await someRoot();
  const until = Date.now() - 60_000;
  expect(await pruned(root, { until })).toEqual([]);
  expect(kept(root)).toEqual(all());
});

it("prune leaves those that a running tpull relies on", async () => {
  const root = await someRoot();
  const store = await openStore(root);
  {
    await using writer = await store.beginWrite();
    expect(await writer.useKeptBlob(digestOf(nobodys), nobodys.length)).toBe(
      true,
    );
    expect(await pruned(root)).toEqual([]);
    const { leftovers } = await pruneBlobs(store);
    expect(leftovers).toHaveLength(4);
  }
  expect(kept(root)).toEqual(digests(nobodys));
});

it("pruneBlobs removes all of them, and no image", async () => {
  const root = await someRoot();
  const store = await openStore(root);
  const before = await listing(root);
  const forecast = await pruneBlobs(store, { dryRun: true });
  expect(await listing(root)).toEqual(before);
  const result = await pruneBlobs(store);
  expect(result).toEqual(forecast);
  expect(result.leftovers).toHaveLength(5);
  expect(kept(root)).toEqual([]);
  expect([...(await store.references()).keys()].sort()).toEqual(["app", "web"]);
  expect(await pruneBlobs(store, { before: 0 })).toMatchObject({
    leftovers: [],
  });
  const none = await newRoot();
  await pruneBlobs(await openStore(none));
  expect(await listing(none)).toEqual([]);
});

it("prune --partial leaves them alone", async () => {
  const root = await someRoot();
  await pruneLeftovers(await openStore(root));
  expect(kept(root)).toEqual(all());
});

it("they make no image whole of which a part is missing or not the right one", async () => {
  const root = await someRoot();
  const { layout } = await openStore(root);
  const original = () => originalImage(layout, app.image.imageId, []);
  expect(original()).toBeDefined();
  const [first] = blobsOf(app);
  const path = layout.keptBlob(digestOf(first!));
  await writeFile(path, "shorter");
  expect(original()).toBe(undefined);
  await writeFile(path, first!);
  expect(original()).toBeDefined();
  const [manifest] = await readdir(layout.manifests);
  await rm(join(layout.manifests, manifest!));
  await rm(layout.manifest(app.image.imageId), { force: true });
  expect(original()).toBe(undefined);
});

it("an index that is none, or leads nowhere, costs nothing", async () => {
  const root = await newRoot();
  const lost = Buffer.from(
    JSON.stringify({
      manifests: Array.from({ length: 1000 }, (_, at) => ({
        digest: digestOf(String(at % 10)),
      })),
    }),
  );
  for (const top of [lost, Buffer.from("no JSON"), Buffer.from("[]")]) {
    await writing(root, (writer) => storeKept(writer, app, top));
    const { layout } = await openStore(root);
    const name = `app@${digestOf(top)}`;
    const found = originalImage(layout, app.image.imageId, [name, "app@x"]);
    expect(found?.indexes.size).toBe(0);
  }
});

it("indexes in indexes are a way of any depth that a registry has, and none that was planted", async () => {
  const root = await newRoot();
  const around = (inner: Buffer) =>
    Buffer.from(JSON.stringify({ manifests: [{ digest: digestOf(inner) }] }));
  const inner = indexOf(app);
  const middle = around(inner);
  const top = around(middle);
  await writing(root, async (writer) => {
    await storeKept(writer, app, top);
    for (const bytes of [inner, middle]) await keepBytes(writer, bytes);
  });
  const store = await openStore(root);
  const { layout } = store;
  const wayFrom = (outermost: Buffer) => {
    const name = `app@${digestOf(outermost)}`;
    const { indexes } = originalImage(layout, app.image.imageId, [name])!;
    return indexes.get(digestOf(outermost))?.map(({ digest }) => digest);
  };
  expect(wayFrom(top)).toEqual(
    [top, middle, inner].map((one) => digestOf(one)),
  );

  // As deep as no stack is: they end somewhere on the way.
  let outermost = top;
  for (let depth = 0; depth < 12_000; depth += 1) {
    outermost = around(outermost);
    await writeFile(layout.keptBlob(digestOf(outermost)), outermost);
  }
  expect(wayFrom(outermost)).toBe(undefined);
  const { imageId } = app.image;
  await writing(root, (writer) =>
    writer.tagImage(imageId, {
      ...app.image.naming,
      digest: digestOf(outermost),
    }),
  );
  const { keptBlobs } = await diskUsage(store);
  expect(keptBlobs.length).toBeGreaterThan(12_000);
});
