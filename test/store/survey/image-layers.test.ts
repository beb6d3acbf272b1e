// The layers of one image, under all the names that each of them has.
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { digestOf, imageLayers, openStore } from "#store/index.js";
import {
  type FakeImage,
  fakeImage,
  storeImage,
  withConfig,
} from "../support/images.js";
import { newRoot, writing } from "../support/roots.js";

const CREATED = "2026-01-02T03:04:05.6Z";

/** An image of two layers whose history has steps without a layer, too. */
const app = withConfig(fakeImage("app", "one", "two"), {
  history: [
    { created: CREATED, created_by: "ADD rootfs.tar /" },
    { created_by: "ENV A=b", empty_layer: true },
    { created_by: "RUN make", comment: "by hand" },
    { created_by: "CMD sh", empty_layer: true },
  ],
});

/** A manifest whose blobs are as large as their layers' number says. */
function manifestOf({ image, layers, origins }: FakeImage): Buffer {
  const document = {
    config: { mediaType: "x", digest: image.imageId, size: 1 },
    layers: layers.map((_, at) => ({
      mediaType: "y",
      digest: origins[at]!.digest,
      size: 1000 + at,
    })),
  };
  return Buffer.from(JSON.stringify(document));
}

async function rootOf(
  ...images: { image: FakeImage; kept?: boolean }[]
): Promise<string> {
  const root = await newRoot();
  for (const { image, kept = true } of images) {
    await writing(root, async (writer) => {
      await storeImage(writer, image);
      if (!kept) return;
      await writer.keepManifest(image.image.imageId, manifestOf(image));
    });
  }
  return root;
}

const layersOf = async (root: string, name: string) =>
  imageLayers(await openStore(root), name);

describe("the layers of an image", () => {
  it("are told with all that is known of them", async () => {
    const root = await rootOf({ image: app });
    const store = await openStore(root);
    const records = await store.layerChain(app.layers[1]!.chainId);
    const [first, second] = records!;
    const link = (cacheId: string): Promise<string> =>
      readFile(join(root, "overlay2", cacheId, "link"), "latin1");
    expect(await layersOf(root, "app")).toEqual({
      root,
      imageId: app.image.imageId,
      tags: ["app:latest"],
      digests: [`app@${app.image.naming.digest}`],
      manifest: digestOf(manifestOf(app)),
      size: 6,
      compressedSize: 2001,
      layers: [
        {
          ...app.layers[0],
          content: undefined,
          parent: undefined,
          digest: app.origins[0]!.digest,
          compressedSize: 1000,
          origins: [
            {
              digest: app.origins[0]!.digest,
              repository: "docker.io/library/app",
            },
          ],
          cacheId: first!.cacheId,
          linkId: await link(first!.cacheId),
          size: 3,
          step: {
            createdBy: "ADD rootfs.tar /",
            created: CREATED,
            comment: "",
          },
          sharedWith: [],
          directory: join(root, "overlay2", first!.cacheId, "diff"),
        },
        expect.objectContaining({
          chainId: second!.chainId,
          diffId: second!.diffId,
          compressedSize: 1001,
          step: {
            createdBy: "RUN make",
            created: undefined,
            comment: "by hand",
          },
        }),
      ],
      damage: [],
    });
  });

  it("are those that other images begin with, too", async () => {
    const root = await rootOf(
      { image: app },
      { image: fakeImage("longer", "one", "two", "three") },
      { image: fakeImage("shorter", "one") },
      { image: fakeImage("elsewhere", "two", "one") },
    );
    const { layers } = await layersOf(root, "app");
    const shared = layers.map(({ sharedWith }) =>
      sharedWith.map(({ name }) => name),
    );
    expect(shared).toEqual([
      ["longer:latest", "shorter:latest"],
      ["longer:latest"],
    ]);
  });

  it("share the name of an image that has none", async () => {
    const other = fakeImage("other", "one");
    const root = await rootOf({ image: app });
    await writing(root, async (writer) => {
      await writer.putImage({
        config: Buffer.from(other.image.config),
        imageId: other.image.imageId,
      });
    });
    const { layers } = await layersOf(root, "app");
    expect(layers[0]!.sharedWith).toEqual([
      {
        imageId: other.image.imageId,
        name: other.image.imageId.slice(7, 19),
      },
    ]);
  });

  it("have the sizes of blobs that another image's manifest tells", async () => {
    const other = fakeImage("other", "one", "else");
    const origins = [app.origins[0]!, other.origins[1]!];
    const same = { ...other, origins };
    const root = await rootOf({ image: app, kept: false }, { image: same });
    const found = await layersOf(root, "app");
    expect(found.layers.map((one) => one.compressedSize)).toEqual([
      1000,
      undefined,
    ]);
    expect(found.compressedSize).toBeUndefined();
    expect(found.manifest).toBeUndefined();
  });

  it("name all blobs and repositories, the newest first", async () => {
    const root = await rootOf({ image: app, kept: false });
    const { diffId } = app.layers[0]!;
    const again = {
      digest: digestOf("another blob"),
      diffId,
      repository: "registry.example/base",
    };
    await writing(root, (writer) => writer.recordDistribution([again]));
    const [base] = (await layersOf(root, "app")).layers;
    expect(base!.digest).toBe(again.digest);
    expect(base!.origins.map(({ repository }) => repository)).toEqual([
      "registry.example/base",
      "docker.io/library/app",
    ]);
  });

  it("are found by the beginning of the image's ID", async () => {
    const root = await rootOf({ image: app });
    const { tags } = await layersOf(root, app.image.imageId.slice(7, 12));
    expect(tags).toEqual(["app:latest"]);
  });

  it("may be none", async () => {
    const root = await rootOf({ image: fakeImage("bare") });
    expect(await layersOf(root, "bare")).toMatchObject({
      size: 0,
      compressedSize: 0,
      layers: [],
    });
  });
});

describe("where something is missing or wrong", () => {
  it("an image without a history has layers without steps", async () => {
    for (const history of [undefined, null, [{ created_by: "one" }]]) {
      const image = withConfig(fakeImage("app", "one", "two"), { history });
      const root = await rootOf({ image });
      const { layers } = await layersOf(root, "app");
      expect(layers).toHaveLength(2);
      expect(layers[1]!.step).toBeUndefined();
    }
  });

  it("damaged maps and links cost only what they say", async () => {
    const root = await rootOf({ image: app, kept: false });
    const [{ diffId, chainId } = app.layers[0]!] = app.layers;
    const maps = join(root, "image/overlay2/distribution");
    await writeFile(
      join(maps, "v2metadata-by-diffid/sha256", diffId.slice(7)),
      "[{",
    );
    const record = await (await openStore(root)).layer(chainId);
    await rm(join(root, "overlay2", record!.cacheId, "link"));
    const found = await layersOf(root, "app");
    expect(found.damage).toEqual([]);
    expect(found.layers[0]).toMatchObject({
      digest: undefined,
      origins: [],
      linkId: undefined,
      size: 3,
    });
  });

  it("an unknown image and a damaged one are told apart", async () => {
    const root = await rootOf({ image: app });
    await expect(layersOf(root, "none")).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
    });
    const { chainId } = app.layers[1]!;
    const layerdb = join(root, "image/overlay2/layerdb/sha256");
    await rm(join(layerdb, chainId.slice(7), "size"));
    await expect(layersOf(root, "app")).rejects.toMatchObject({
      code: "IMAGE_DAMAGED",
      message: expect.stringContaining("layer 2 of 2"),
    });
  });

  it("damage elsewhere is nobody's concern", async () => {
    const other = fakeImage("other", "one", "three");
    const root = await rootOf({ image: app }, { image: other });
    const { chainId } = other.layers[1]!;
    const layerdb = join(root, "image/overlay2/layerdb/sha256");
    await rm(join(layerdb, chainId.slice(7)), { recursive: true });
    const found = await layersOf(root, "app");
    expect(found.damage).toEqual([]);
    expect(found.layers[0]!.sharedWith).toHaveLength(1);
  });
});
