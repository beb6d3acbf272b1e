// The manifests that images were pulled by: kept as hints, believed only where they fit.
import { lstat, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  digestOf,
  forgetManifest,
  type ImageId,
  keptManifests,
  openStore,
  readManifestHint,
} from "#store/index.js";
import { type FakeImage, fakeImage, storeImage } from "./support/images.js";
import { listing, newRoot, writing } from "./support/roots.js";

const LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/** A manifest of the image, as a registry may have it; `changes` replace its fields. */
function manifestOf({ image, layers }: FakeImage, changes: object = {}) {
  return Buffer.from(
    JSON.stringify(
      {
        schemaVersion: 2,
        mediaType: "application/vnd.docker.distribution.manifest.v2+json",
        config: { mediaType: "x", digest: image.imageId, size: 99 },
        layers: layers.map(({ diffId }, at) => ({
          mediaType: LAYER,
          digest: digestOf(`blob of ${diffId}`),
          size: 100 + at,
        })),
        ...changes,
      },
      null,
      3,
    ),
  );
}

/** A root with the image in it, and its manifest. */
async function rootWithManifest(image: FakeImage): Promise<string> {
  const root = await newRoot();
  await writing(root, async (writer) => {
    await storeImage(writer, image);
    await writer.keepManifest(image.image.imageId, manifestOf(image));
  });
  return root;
}

async function hint(root: string, imageId: ImageId) {
  return readManifestHint((await openStore(root)).layout, imageId);
}

const pathOf = (root: string, imageId: ImageId): string =>
  join(root, "tpull/manifests", imageId.slice(7));

describe("a kept manifest", () => {
  const image = fakeImage("app", "one", "two");
  const { imageId } = image.image;

  it("is the manifest itself, and tells how large the blobs were", async () => {
    const root = await rootWithManifest(image);
    const path = pathOf(root, imageId);
    expect(await readFile(path)).toEqual(manifestOf(image));
    expect((await lstat(path)).mode & 0o7777).toBe(0o600);
    expect(await hint(root, imageId)).toEqual({
      digest: digestOf(manifestOf(image)),
      mediaType: "application/vnd.docker.distribution.manifest.v2+json",
      configSize: 99,
      layers: image.layers.map(({ diffId }, at) => ({
        digest: digestOf(`blob of ${diffId}`),
        size: 100 + at,
        mediaType: LAYER,
      })),
    });
  });

  it("is replaced by that of a later pull, and not written twice", async () => {
    const root = await rootWithManifest(image);
    const again = await listing(root);
    const before = await lstat(pathOf(root, imageId));
    await writing(root, (writer) =>
      writer.keepManifest(imageId, manifestOf(image)),
    );
    expect(await listing(root)).toEqual(again);
    expect((await lstat(pathOf(root, imageId))).ino).toBe(before.ino);
    const other = manifestOf(image, { annotations: { other: "one" } });
    await writing(root, (writer) => writer.keepManifest(imageId, other));
    expect((await hint(root, imageId))?.digest).toBe(digestOf(other));
  });

  it("can be forgotten", async () => {
    const root = await rootWithManifest(image);
    const { layout } = await openStore(root);
    expect(keptManifests(layout)).toEqual([
      { imageId, bytes: manifestOf(image).length },
    ]);
    expect(forgetManifest(layout, imageId)).toBe(true);
    expect(forgetManifest(layout, imageId)).toBe(false);
    expect(keptManifests(layout)).toEqual([]);
    expect(await hint(root, imageId)).toBeUndefined();
  });

  it("is done without where it cannot be written", async () => {
    const root = await rootWithManifest(image);
    await rm(pathOf(root, imageId));
    await mkdir(join(pathOf(root, imageId), "in-the-way"), { recursive: true });
    const before = await listing(root);
    await writing(root, (writer) =>
      writer.keepManifest(imageId, manifestOf(image)),
    );
    expect(await listing(root)).toEqual(before);
    expect(await hint(root, imageId)).toBeUndefined();
  });
});

describe("no hint is", () => {
  const image = fakeImage("app", "one", "two");
  const other = fakeImage("other", "three");
  const { imageId } = image.image;
  const layer = { digest: digestOf("a"), size: 1, mediaType: LAYER };

  it.each<[string, string | Buffer]>([
    ["an empty file", ""],
    ["half a manifest", manifestOf(image).subarray(0, 300)],
    ["other JSON", "[1]"],
    ["null", "null"],
    ["another image's manifest", manifestOf(other)],
    ["one without a config", manifestOf(image, { config: undefined })],
    ["one with too few layers", manifestOf(image, { layers: [layer] })],
    ["one with other layers", manifestOf(image, { layers: "both" })],
    [
      "one with a layer that is none",
      manifestOf(image, { layers: [layer, { ...layer, size: "1" }] }),
    ],
    [
      "one with a negative size",
      manifestOf(image, { layers: [layer, { ...layer, size: -1 }] }),
    ],
    [
      "one with a digest that is none",
      manifestOf(image, { layers: [layer, { ...layer, digest: "sha256:1" }] }),
    ],
    ["a far too long one", Buffer.alloc(5 * 1024 * 1024, " ")],
  ])("%s", async (_, content) => {
    const root = await rootWithManifest(image);
    await writeFile(pathOf(root, imageId), content);
    expect(await hint(root, imageId)).toBeUndefined();
  });

  it("that of an image which is not in the store", async () => {
    const root = await rootWithManifest(image);
    const gone = other.image.imageId;
    await writeFile(pathOf(root, gone), manifestOf(other));
    expect(await hint(root, gone)).toBeUndefined();
    expect(keptManifests((await openStore(root)).layout)).toHaveLength(2);
  });

  it("a directory, or what is named otherwise", async () => {
    const root = await rootWithManifest(image);
    await rm(pathOf(root, imageId));
    await mkdir(pathOf(root, imageId));
    await writeFile(join(root, "tpull/manifests/README"), "?");
    expect(await hint(root, imageId)).toBeUndefined();
    expect(keptManifests((await openStore(root)).layout)).toEqual([]);
  });
});

it("a root without tpull's own state has no manifests", async () => {
  const root = await newRoot();
  const { layout } = await openStore(root);
  const { imageId } = fakeImage("app").image;
  expect(readManifestHint(layout, imageId)).toBeUndefined();
  expect(keptManifests(layout)).toEqual([]);
  expect(forgetManifest(layout, imageId)).toBe(false);
});
