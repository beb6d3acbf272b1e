// Sessions that end without an image, and what the store does not accept.
import { chmod, lstat, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { digestOf, type ImageId, openStore } from "#store/index.js";
import { fakeImage, stage, stageAll, storeImage } from "./support/images.js";
import { listing, litter, newRoot, writing } from "./support/roots.js";

const driver = "image/overlay2";

describe("an unfinished session", () => {
  const image = fakeImage("app", "one", "two");

  it("leaves no trace of a root that did not exist", async () => {
    const root = await newRoot();
    const deep = join(root, "a/b");
    await writing(deep, async (writer) => {
      await stageAll(writer, image.layers);
    });
    expect(await listing(root)).toEqual([]);
  });

  it("leaves no trace in a root that did", async () => {
    const root = await newRoot();
    await mkdir(root, { mode: 0o755 });
    await chmod(root, 0o2775);
    await writeFile(join(root, "mine"), "");
    const before = await listing(root);
    await writing(root, async (writer) => {
      await stageAll(writer, image.layers);
    });
    expect(await listing(root)).toEqual(before);
  });

  it("takes committed layers back when no image came of them", async () => {
    const root = await newRoot();
    const base = fakeImage("base", "one");
    await writing(root, (writer) => storeImage(writer, base));
    const before = await listing(root);
    await writing(root, async (writer) => {
      const three = fakeImage("three", "one", "two", "three");
      await writer.commitLayers(await stageAll(writer, three.layers));
    });
    expect(await listing(root)).toEqual(before);
    await rm(root, { recursive: true });
    await writing(root, async (writer) => {
      await writer.commitLayers(await stageAll(writer, image.layers));
    });
    expect(await listing(root)).toEqual([]);
  });

  it("takes back only what failed when one of two images was stored", async () => {
    const root = await newRoot();
    const failed = fakeImage("failed", "one", "never");
    await writing(root, async (writer) => {
      await storeImage(writer, fakeImage("base", "one"));
      await writer.commitLayers(await stageAll(writer, failed.layers));
    });
    const store = await openStore(root);
    expect(await store.layer(failed.layers[0]!.chainId)).toBeDefined();
    expect(await store.layer(failed.layers[1]!.chainId)).toBeUndefined();
    expect(await litter(root)).toEqual([]);
  });

  it("can be ended twice, and a claim discarded twice", async () => {
    const root = await newRoot();
    const writer = await (await openStore(root)).beginWrite();
    const staged = await stage(writer, image.layers[0]!);
    await staged!.claim.discard();
    await staged!.claim.discard();
    await writer[Symbol.asyncDispose]();
    await writer[Symbol.asyncDispose]();
    expect(await listing(root)).toEqual([]);
  });
});

describe("a discarded claim", () => {
  it("can be claimed again in the same session", async () => {
    const root = await newRoot();
    const image = fakeImage("app", "one");
    await writing(root, async (writer) => {
      const first = await stage(writer, image.layers[0]!);
      await first!.claim.discard();
      await storeImage(writer, image);
    });
    expect(await litter(root)).toEqual([]);
  });
});

describe("a file where a staging directory has to be", () => {
  it("is an error, not an endless wait", async () => {
    const root = await newRoot();
    const image = fakeImage("app", "one");
    await writing(root, (writer) => storeImage(writer, fakeImage("other")));
    const name = image.layers[0]!.chainId.slice(7);
    await writeFile(join(root, "tpull/staging", name), "");
    await expect(
      writing(root, (writer) => stageAll(writer, image.layers)),
    ).rejects.toMatchObject({ code: "STORE_IO_FAILED" });
  });
});

describe("what the store insists on", () => {
  const image = fakeImage("app", "one", "two");
  const { imageId, config, naming } = image.image;

  it("stores no config under a wrong ID", async () => {
    const root = await newRoot();
    await expect(
      writing(root, (writer) =>
        writer.putImage({ config: Buffer.from(`${config} `), imageId }),
      ),
    ).rejects.toMatchObject({ code: "IMAGE_ID_MISMATCH" });
    expect(await listing(root)).toEqual([]);
  });

  it("stores no image before its layers", async () => {
    const root = await newRoot();
    await expect(
      writing(root, async (writer) => {
        const [base] = image.layers;
        await writer.commitLayers([(await stage(writer, base!))!]);
        await writer.putImage({ config: Buffer.from(config), imageId });
      }),
    ).rejects.toMatchObject({ code: "IMAGE_LAYERS_MISSING", retryable: true });
    expect(await listing(root)).toEqual([]);
  });

  it.each(["{", "null", "{}", '{"rootfs":{"diff_ids":["x"]}}'])(
    "stores no config like %s",
    async (text) => {
      const root = await newRoot();
      const id = digestOf(text) as string as ImageId;
      await expect(
        writing(root, (writer) =>
          writer.putImage({ config: Buffer.from(text), imageId: id }),
        ),
      ).rejects.toMatchObject({ code: "IMAGE_CONFIG_INVALID" });
    },
  );

  it("names no image that is not there", async () => {
    const root = await newRoot();
    await expect(
      writing(root, (writer) => writer.tagImage(imageId, naming)),
    ).rejects.toMatchObject({ code: "IMAGE_NOT_IN_STORE" });
  });

  it("commits no layer without its parent", async () => {
    const root = await newRoot();
    await expect(
      writing(root, async (writer) => {
        const top = await stage(writer, image.layers[1]!);
        await writer.commitLayers([top!]);
      }),
    ).rejects.toMatchObject({ code: "LAYER_PARENT_MISSING" });
    expect(await listing(root)).toEqual([]);
  });

  it("replaces a damaged config", async () => {
    const root = await newRoot();
    await writing(root, (writer) => storeImage(writer, image));
    const path = join(root, driver, "imagedb/content/sha256", imageId.slice(7));
    await writeFile(path, "damaged");
    const store = await openStore(root);
    expect(await store.imageConfig(imageId)).toBeUndefined();
    await writing(root, (writer) => storeImage(writer, image));
    expect((await store.imageConfig(imageId))?.toString()).toBe(config);
    expect((await lstat(path)).mode & 0o777).toBe(0o600);
  });
});
