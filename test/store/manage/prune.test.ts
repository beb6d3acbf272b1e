// What nobody uses goes, and only that.
import {
  cp,
  mkdir,
  readdir,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  digestOf,
  type ImageId,
  openStore,
  prune,
  type Pruned,
  type PruneOptions,
  tagImage,
} from "#store/index.js";
import { addContainer, noteParent } from "../support/docker-state.js";
import {
  type FakeImage,
  fakeImage,
  leaveLayers,
  stageAll,
  storeImage,
} from "../support/images.js";
import {
  layersIn,
  listing,
  litter,
  newRoot,
  rootWith,
  writing,
} from "../support/roots.js";

const DRIVER = "image/overlay2";
const app = fakeImage("app", "one", "two");
const other = fakeImage("other", "one", "three");
const lone = fakeImage("lone", "four");
const ALL = [app, other, lone];
const ID = "c0".repeat(32);

/** These images, and `names` for some of them; by default their own. */
async function stored(
  images: readonly FakeImage[],
  names?: Record<string, FakeImage>,
): Promise<string> {
  const root = await newRoot();
  await writing(root, async (writer) => {
    for (const image of images) await storeImage(writer, image);
  });
  if (names === undefined) return root;
  const repositories: Record<string, Record<string, ImageId>> = {};
  for (const [name, { image }] of Object.entries(names)) {
    const repository = name.replace(/(@.*|:[^:/]*)$/, "");
    repositories[repository] = {
      ...repositories[repository],
      [name]: image.imageId,
    };
  }
  await writeFile(
    join(root, DRIVER, "repositories.json"),
    JSON.stringify({ Repositories: repositories }),
  );
  return root;
}

async function pruned(root: string, options?: PruneOptions): Promise<Pruned> {
  const store = await openStore(root);
  const forecast = await prune(store, { ...options, dryRun: true });
  const result = await prune(store, options);
  // What would go, goes.
  expect(result).toEqual(forecast);
  return result;
}

const idsOf = ({ images }: Pruned): string[] =>
  images.flatMap(({ deleted }) => deleted.slice(0, 1));

async function imagesIn(root: string): Promise<string[]> {
  const folder = join(root, DRIVER, "imagedb/content/sha256");
  return (await readdir(folder)).sort();
}

const hexes = (...images: FakeImage[]): string[] =>
  images.map(({ image }) => image.imageId.slice(7)).sort();

describe("by default", () => {
  it("images without a tag go, with their digests", async () => {
    const digest = `other@${other.image.naming.digest}`;
    const root = await stored(ALL, { "app:1": app, [digest]: other });
    const result = await pruned(root);
    const [base, top] = other.layers;
    expect(result.images).toContainEqual({
      untagged: [digest],
      deleted: [other.image.imageId, top!.chainId],
    });
    expect(result.images).toContainEqual({
      untagged: [],
      deleted: [lone.image.imageId, lone.layers[0]!.chainId],
    });
    expect(result.images).toHaveLength(2);
    expect(result.freedBytes).toBe("three".length + "four".length);
    expect(await imagesIn(root)).toEqual(hexes(app));
    expect(await layersIn(root)).toContain(base!.chainId.slice(7));
    expect(await litter(root)).toEqual([]);
  });

  it("an image that others were built from stays with them", async () => {
    const child = fakeImage("child", "one", "two", "six");
    const root = await stored([app, child], { "child:1": child });
    await noteParent(root, child.image.imageId, app.image.imageId);
    expect((await pruned(root)).images).toEqual([]);
    await rm(join(root, DRIVER, "repositories.json"));
    const result = await pruned(root);
    expect(result.images).toHaveLength(1);
    expect(result.images[0]!.deleted).toHaveLength(2 + 3);
    expect(await litter(root)).toEqual([]);
  });

  it("nothing goes that has a tag, and nothing is written", async () => {
    const root = await stored(ALL);
    const before = await listing(root);
    expect(await pruned(root)).toEqual({
      images: [],
      leftovers: [],
      freedBytes: 0,
      damage: [],
    });
    expect(await listing(root)).toEqual(before);
  });
});

describe("all", () => {
  it("images go with all their names", async () => {
    const root = await stored(ALL);
    await tagImage(await openStore(root), "app", ["app:1", "x/y:1"]);
    const { images, freedBytes } = await pruned(root, { all: true });
    const untagged = images.flatMap((image) => image.untagged).sort();
    expect(untagged).toContain("x/y:1");
    expect(untagged).toHaveLength(3 * 2 + 2);
    expect(freedBytes).toBe("onetwothreefour".length);
    expect(await imagesIn(root)).toEqual([]);
    expect(await layersIn(root)).toEqual([]);
    expect(await litter(root)).toEqual([]);
  });

  it.each([
    ["stopped", { image: app.image.imageId }],
    ["running", { image: app.image.imageId, running: true }],
    ["unreadable", { top: app.layers[1]!.chainId }],
    [
      "other, as a volume,",
      { image: lone.image.imageId, volume: app.image.imageId },
    ],
  ])("but what a %s container uses, with every name", async (_, container) => {
    const root = await stored(ALL);
    await tagImage(await openStore(root), "app", ["app:1", "x/y:1"]);
    await addContainer(root, { id: ID, ...container });
    const names = await (await openStore(root)).references();
    const { images } = await pruned(root, { all: true });
    expect(images.flatMap(({ untagged }) => untagged).join()).not.toMatch(
      /app|x\/y/,
    );
    const left = await (await openStore(root)).references();
    expect(left.get("app")).toEqual(names.get("app"));
    expect(left.get("x/y")).toEqual(names.get("x/y"));
    expect(await imagesIn(root)).toContain(hexes(app)[0]);
  });

  it("but an image that another tpull is about to name comes back", async () => {
    const root = await stored([lone]);
    await writing(root, async (writer) => {
      await writer.commitLayers(await stageAll(writer, app.layers));
      const config = Buffer.from(app.image.config);
      const { imageId } = app.image;
      await writer.putImage({ config, imageId });
      const store = await openStore(root);
      const { images } = await prune(store, { all: true });
      expect(images).toHaveLength(2);
      expect(await layersIn(root)).toHaveLength(2);
      await writer.tagImage(imageId, app.image.naming);
    });
    expect(await imagesIn(root)).toEqual(hexes(app));
    expect(await litter(root)).toEqual([]);
  });
});

describe("filters", () => {
  const configured = (name: string, more: object): FakeImage =>
    reconfigured(fakeImage(name, name), more);
  const labelled = (name: string, Labels: object): FakeImage =>
    configured(name, { config: { Labels } });
  const red = labelled("red", { color: "red", size: "big" });
  const blue = labelled("blue", { color: "blue" });
  const plain = configured("plain", { config: null });
  const old = configured("old", { created: "2020-01-02T03:04:05.123456789Z" });
  const recent = configured("recent", { created: "2026-01-02T03:04:05+02:00" });

  it.each<[string, PruneOptions, FakeImage[]]>([
    ["a label", { labels: ["color"] }, [red, blue]],
    ["a label and its value", { labels: ["color=red"] }, [red]],
    ["two labels", { labels: ["color", "size=big"] }, [red]],
    ["no label", { withoutLabels: ["color"] }, [plain, old, recent]],
    [
      "not a value",
      { withoutLabels: ["color=red"] },
      [blue, plain, old, recent],
    ],
    [
      "not two labels at once",
      { withoutLabels: ["color", "size"] },
      [blue, plain, old, recent],
    ],
    ["an odd label", { labels: ["__proto__"] }, []],
    ["a time", { until: Date.parse("2026-01-02T01:04:05Z") }, [old, recent]],
    ["a time before", { until: Date.parse("2026-01-02T01:04:04.999Z") }, [old]],
    [
      "a time and a label",
      { until: Date.parse("2026-01-03"), labels: ["color"] },
      [],
    ],
  ])("by %s", async (_, options, going) => {
    const root = await stored([red, blue, plain, old, recent]);
    const result = await pruned(root, { all: true, ...options });
    expect(idsOf(result).sort()).toEqual(
      going.map(({ image }) => image.imageId).sort(),
    );
  });
});

/** The image with more in its config. */
function reconfigured(image: FakeImage, more: object): FakeImage {
  const parsed = JSON.parse(image.image.config) as object;
  const [layer] = image.layers;
  const made = fakeImage(image.image.naming.repository, layer!.content);
  const config = JSON.stringify({ ...parsed, ...more });
  const imageId = digestOf(config) as string as ImageId;
  return { ...made, image: { ...made.image, config, imageId } };
}

describe("with a limit", () => {
  /** Three images of 3+3, 5 and 4 bytes with a layer in common, tagged in this order. */
  async function aged(): Promise<string> {
    const root = await stored(ALL);
    const content = join(root, DRIVER, "imagedb/content/sha256");
    for (const [at, { image }] of [lone, other].entries()) {
      await utimes(join(content, image.imageId.slice(7)), at + 1, at + 1);
    }
    await utimes(join(content, app.image.imageId.slice(7)), 0, 0);
    await tagImage(await openStore(root), "app", "tagged"); // the newest of all
    return root;
  }
  const total = "one".length + "two".length + "three".length + "four".length;

  it.each([
    [total, []],
    [total - 1, [lone]],
    [total - 4, [lone]],
    [total - 5, [lone, other]],
    [total - 4 - 5 - 1, [lone, other, app]],
    [0, [lone, other, app]],
  ])("of %d bytes the oldest go first", async (keepBytes, going) => {
    const result = await pruned(await aged(), { all: true, keepBytes });
    expect(idsOf(result)).toEqual(going.map(({ image }) => image.imageId));
  });

  it("only what may go does", async () => {
    const root = await aged();
    expect((await pruned(root, { keepBytes: 0 })).images).toEqual([]);
  });
});

describe("removals that were interrupted", () => {
  it("by a crash of dockerd are finished", async () => {
    const root = await stored([app]);
    const name = app.layers[1]!.chainId.slice(7);
    const layers = join(root, DRIVER, "layerdb/sha256");
    const gone = `${name}-${"5".repeat(64)}-removing`;
    await rename(join(layers, name), join(layers, gone));
    await rm(join(root, DRIVER, "imagedb/content/sha256"), { recursive: true });
    await mkdir(join(root, DRIVER, "imagedb/content/sha256"));
    expect(await pruned(root)).toMatchObject({
      images: [],
      leftovers: [{ kind: "layer", chainId: app.layers[1]!.chainId, bytes: 3 }],
      freedBytes: 3,
    });
    expect(await layersIn(root)).toEqual([app.layers[0]!.chainId.slice(7)]);
    expect(await readdir(join(root, "overlay2"))).toHaveLength(2);
    expect(await readdir(join(root, "overlay2/l"))).toHaveLength(1);
  });

  it("are finished although the layer is there again", async () => {
    const root = await stored([app]);
    const layers = join(root, DRIVER, "layerdb/sha256");
    const gone = `${app.layers[1]!.chainId.slice(7)}-${"5".repeat(64)}-removing`;
    await mkdir(join(layers, gone));
    const cacheId = "ab".repeat(32);
    await writeFile(join(layers, gone, "cache-id"), cacheId);
    await writeFile(join(layers, gone, "size"), "17");
    await mkdir(join(root, "overlay2", cacheId, "diff"), { recursive: true });
    expect((await pruned(root)).freedBytes).toBe(17);
    expect(await layersIn(root)).toHaveLength(2);
    expect(await litter(root)).toEqual([]);
  });

  it("leave a directory that a layer uses where it is", async () => {
    const root = await stored([app]);
    const layers = join(root, DRIVER, "layerdb/sha256");
    const name = app.layers[1]!.chainId.slice(7);
    await cp(
      join(layers, name),
      join(layers, `${name}-${"5".repeat(64)}-removing`),
      { recursive: true },
    );
    await pruned(root);
    expect(await layersIn(root)).toHaveLength(2);
    expect(await litter(root)).toEqual([]);
  });

  it("of a pull wait for it", async () => {
    const root = await stored([lone]);
    await writing(root, (writer) => leaveLayers(writer, app));
    expect((await pruned(root, { all: true })).images).toHaveLength(1);
    expect(await layersIn(root)).toHaveLength(2);
  });
});

describe("damage", () => {
  it("stays, is told, and stops nothing", async () => {
    const root = await stored(ALL, { "x:1": app });
    const content = join(root, DRIVER, "imagedb/content/sha256");
    await writeFile(join(content, hexes(other)[0]!), "broken");
    const result = await pruned(root);
    expect(idsOf(result)).toEqual([lone.image.imageId]);
    expect(result.damage).toMatchObject([
      { code: "CONFIG_DAMAGED", imageId: other.image.imageId },
    ]);
    expect(await imagesIn(root)).toEqual(hexes(app, other));
  });

  it("of the file of names keeps everything", async () => {
    const root = await stored(ALL);
    await writeFile(join(root, DRIVER, "repositories.json"), "{");
    const store = await openStore(root);
    for (const dryRun of [true, false]) {
      await expect(prune(store, { all: true, dryRun })).rejects.toMatchObject({
        code: "REPOSITORIES_INVALID",
      });
    }
    expect(await imagesIn(root)).toHaveLength(3);
  });
});

describe("a root", () => {
  it("that does not exist is not made", async () => {
    const root = await newRoot();
    expect((await pruned(root, { all: true })).images).toEqual([]);
    await expect(stat(root)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("that is another's is refused", async () => {
    const root = await rootWith("image/zfs/");
    const store = await openStore(root);
    await expect(prune(store)).rejects.toMatchObject({
      code: "ROOT_OF_OTHER_DRIVER",
    });
  });
});
