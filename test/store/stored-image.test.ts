import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore } from "#store/index.js";
import { fakeImage, stage, stageAll, storeImage } from "./support/images.js";
import { listing, litter, newRoot, writing } from "./support/roots.js";

const driver = "image/overlay2";

describe("a stored image", () => {
  const image = fakeImage("app", "one", "two", "three");
  const chain = image.layers.map(({ chainId }) => chainId);

  it("can be read back as it was stored", async () => {
    const root = await newRoot();
    const records = await writing(root, (writer) => storeImage(writer, image));
    const store = await openStore(root);
    expect(await store.layerChain(chain[2]!)).toEqual(records);
    expect(await store.layer(chain[1]!)).toEqual({
      chainId: chain[1],
      diffId: image.layers[1]!.diffId,
      parent: chain[0],
      cacheId: records[1]!.cacheId,
      size: 3,
    });
    const { imageId, naming, config } = image.image;
    expect((await store.imageConfig(imageId))?.toString()).toBe(config);
    expect(await store.reference("app:latest")).toBe(imageId);
    expect(await store.reference(`app@${naming.digest!}`)).toBe(imageId);
    expect(await store.reference("app:other")).toBeUndefined();
    expect(await store.chainsOf(image.layers[1]!.diffId)).toEqual([chain[1]]);
    expect(await store.diffIdOf(image.origins[0]!.digest)).toBe(
      image.layers[0]!.diffId,
    );
    expect(await litter(root)).toEqual([]);
  });

  it("lies on disk byte for byte as dockerd would have put it", async () => {
    const root = await newRoot();
    const records = await writing(root, (writer) => storeImage(writer, image));
    const links = await Promise.all(
      records.map(({ cacheId }) =>
        readFile(join(root, "overlay2", cacheId, "link"), "latin1"),
      ),
    );
    for (const link of links) expect(link).toMatch(/^[A-Z2-7]{26}$/);
    const [base, middle, top] = records.map(
      ({ cacheId }) => `/overlay2/${cacheId}`,
    ) as [string, string, string];
    const expected = new Map([
      [base, "0710 directory"],
      [`${base}/committed`, '0600 ""'],
      [`${base}/diff`, "0755 directory"],
      [`${base}/link`, `0644 "${links[0]!}"`],
      [middle, "0710 directory"],
      [`${middle}/committed`, '0600 ""'],
      [`${middle}/diff`, "0755 directory"],
      [`${middle}/link`, `0644 "${links[1]!}"`],
      [`${middle}/lower`, `0644 "l/${links[0]!}"`],
      [`${middle}/work`, "0700 directory"],
      [top, "0710 directory"],
      [`${top}/diff`, "0755 directory"],
      [`${top}/link`, `0644 "${links[2]!}"`],
      [`${top}/lower`, `0644 "l/${links[1]!}:l/${links[0]!}"`],
      [`${top}/work`, "0700 directory"],
      ["/overlay2", "0710 directory"],
      ["/overlay2/l", "0700 directory"],
      ["/image", "0700 directory"],
      ["/volumes", "0701 directory"],
      ["/volumes/metadata.db", '0600 ""'],
      ["/tpull", "0700 directory"],
      ["/tpull/manifests", "0700 directory"],
      ["/tpull/partial", "0700 directory"],
      ["/tpull/staging", "0700 directory"],
      ["/tpull/unused", "0700 directory"],
      ["/", "0710 directory"],
    ]);
    for (const [index, link] of links.entries()) {
      const target = `-> ../${records[index]!.cacheId}/diff`;
      expected.set(`/overlay2/l/${link}`, `0777 ${target}`);
    }
    for (const [index, { cacheId, diffId, parent }] of records.entries()) {
      const home = `/${driver}/layerdb/sha256/${chain[index]!.slice(7)}`;
      expected.set(home, "0700 directory");
      expected.set(`${home}/cache-id`, `0644 "${cacheId}"`);
      expected.set(`${home}/diff`, `0644 "${diffId}"`);
      const size = image.layers[index]!.content.length;
      expected.set(`${home}/size`, `0644 "${size}"`);
      if (parent !== undefined) {
        expected.set(`${home}/parent`, `0644 "${parent}"`);
      }
    }
    for (const path of [
      "",
      "/imagedb",
      "/imagedb/content",
      "/imagedb/content/sha256",
      "/imagedb/metadata",
      "/imagedb/metadata/sha256",
      "/layerdb",
      "/distribution",
    ]) {
      expected.set(`/${driver}${path}`, "0700 directory");
    }
    for (const path of [
      "/layerdb/sha256",
      "/layerdb/tmp",
      "/distribution/diffid-by-digest",
      "/distribution/diffid-by-digest/sha256",
      "/distribution/v2metadata-by-diffid",
      "/distribution/v2metadata-by-diffid/sha256",
    ]) {
      expected.set(`/${driver}${path}`, "0755 directory");
    }
    for (const { digest, diffId, repository } of image.origins) {
      const maps = `/${driver}/distribution`;
      expected.set(
        `${maps}/diffid-by-digest/sha256/${digest.slice(7)}`,
        `0644 "${diffId}"`,
      );
      const entry = `[{"Digest":"${digest}","SourceRepository":"${repository}","HMAC":""}]`;
      expected.set(
        `${maps}/v2metadata-by-diffid/sha256/${diffId.slice(7)}`,
        `0644 ${JSON.stringify(entry)}`,
      );
    }
    const { imageId, config, naming } = image.image;
    expected.set(
      `/${driver}/imagedb/content/sha256/${imageId.slice(7)}`,
      `0600 ${JSON.stringify(config)}`,
    );
    const names = `{"Repositories":{"app":{"app:latest":"${imageId}","app@${naming.digest!}":"${imageId}"}}}`;
    expected.set(
      `/${driver}/repositories.json`,
      `0600 ${JSON.stringify(names)}`,
    );
    const actual = (await listing(root)).filter(
      (line) => !/\/diff\/file |tar-split\.json\.gz /.test(line),
    );
    const sorted = [...expected].map(([path, what]) => `${path} ${what}`);
    expect(actual.sort()).toEqual(sorted.sort());
  });

  it("is not written a second time", async () => {
    const root = await newRoot();
    await writing(root, (writer) => storeImage(writer, image));
    const before = await listing(root);
    await writing(root, async (writer) => {
      expect(await stageAll(writer, image.layers)).toEqual([]);
      await writer.recordDistribution(image.origins);
      const { imageId, naming, config } = image.image;
      await writer.putImage({ config: Buffer.from(config), imageId });
      expect(await writer.tagImage(imageId, naming)).toEqual({
        changed: false,
      });
    });
    expect(await listing(root)).toEqual(before);
  });

  it("shares the layers of an image that begins alike", async () => {
    const root = await newRoot();
    const other = fakeImage("other", "one", "two", "different");
    const [, second] = await writing(root, (w) => storeImage(w, image));
    const added = await writing(root, (writer) => storeImage(writer, other));
    expect(added).toHaveLength(1);
    expect(added[0]!.parent).toBe(second!.chainId);
    expect(await litter(root)).toEqual([]);
  });

  it("can hold the same tar twice", async () => {
    const root = await newRoot();
    const twice = fakeImage("twice", "same", "same");
    const records = await writing(root, (writer) => storeImage(writer, twice));
    expect(new Set(records.map(({ cacheId }) => cacheId)).size).toBe(2);
    const store = await openStore(root);
    expect((await store.chainsOf(twice.layers[0]!.diffId)).sort()).toEqual(
      records.map(({ chainId }) => chainId).sort(),
    );
  });

  it("can be committed in several groups and any claim order", async () => {
    const root = await newRoot();
    await writing(root, async (writer) => {
      const [one, two, three] = image.layers;
      const top = await stage(writer, three!);
      const base = await stage(writer, one!);
      await writer.commitLayers([base!]);
      const middle = await stage(writer, two!);
      await writer.commitLayers([middle!, top!]);
      await storeImage(writer, image);
    });
    const store = await openStore(root);
    expect(await store.layerChain(chain[2]!)).toHaveLength(3);
    expect(await litter(root)).toEqual([]);
  });

  it("may have no layers", async () => {
    const root = await newRoot();
    await writing(root, (writer) => storeImage(writer, fakeImage("scratch")));
    const store = await openStore(root);
    expect(await store.reference("scratch:latest")).toBeDefined();
  });
});

describe("the limit of 125 layers", () => {
  const contents = (count: number) =>
    Array.from({ length: count }, (_, index) => `layer ${index}`);

  it("is kept for a whole image in one group and across groups", async () => {
    const root = await newRoot();
    const deep = fakeImage("deep", ...contents(125));
    const records = await writing(root, (writer) => storeImage(writer, deep));
    const lower = await readFile(
      join(root, "overlay2", records[124]!.cacheId, "lower"),
      "latin1",
    );
    expect(lower.split(":")).toHaveLength(124);
    expect(lower).toHaveLength(3595);
    const deeper = fakeImage("deeper", ...contents(126));
    await expect(
      writing(root, (writer) => storeImage(writer, deeper)),
    ).rejects.toMatchObject({ code: "TOO_MANY_LAYERS" });
    expect(await litter(root)).toEqual([]);
  });
});
