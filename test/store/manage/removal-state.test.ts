// Removals in stores that are not as they should be, or that others use.
import {
  chmod,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  type ImageId,
  openStore,
  removeImages,
  type RemoveImagesOptions,
  tagImage,
} from "#store/index.js";
import { addContainer, noteParent } from "../support/docker-state.js";
import {
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
  writing,
} from "../support/roots.js";

const DRIVER = "image/overlay2";
const app = fakeImage("app", "one", "two");
const { imageId } = app.image;
const base: string = app.layers[0]!.chainId;
const top: string = app.layers[1]!.chainId;
const other = fakeImage("other", "one", "three");

const configOf = (root: string, id: ImageId = imageId): string =>
  join(root, DRIVER, "imagedb/content/sha256", id.slice(7));
const layerOf = (root: string, chain: string): string =>
  join(root, DRIVER, "layerdb/sha256", chain.slice(7));
const namesFile = (root: string): string =>
  join(root, DRIVER, "repositories.json");

async function rootWith(...images: (typeof app)[]): Promise<string> {
  const root = await newRoot();
  await writing(root, async (writer) => {
    for (const image of images) await storeImage(writer, image);
  });
  return root;
}

async function rmi(root: string, name: string, options?: RemoveImagesOptions) {
  const result = await removeImages(await openStore(root), [name], options);
  for (const { error } of result.failed) throw error;
  return result.removed[0]!;
}

describe("layers stay", () => {
  it("that a running tpull relies on, until it ends", async () => {
    const root = await rootWith(app);
    await writing(root, async (writer) => {
      expect(await stageAll(writer, app.layers)).toEqual([]);
      expect((await rmi(root, "app")).deleted).toEqual([imageId]);
      expect(await layersIn(root)).toHaveLength(2);
      await storeImage(writer, fakeImage("another", "five"));
    });
    expect(await layersIn(root)).toHaveLength(1);
    expect(await litter(root)).toEqual([]);
  });

  it("and the image comes back when a running tpull was about to name it", async () => {
    const root = await rootWith(app);
    await writing(root, async (writer) => {
      const config = Buffer.from(app.image.config);
      await stageAll(writer, app.layers);
      await writer.putImage({ config, imageId });
      await rmi(root, imageId);
      expect(
        await (await openStore(root)).imageConfig(imageId),
      ).toBeUndefined();
      await writer.tagImage(imageId, app.image.naming);
    });
    const store = await openStore(root);
    expect(await store.reference("app:latest")).toBe(imageId);
    expect(await store.layerChain(app.layers[1]!.chainId)).toHaveLength(2);
    expect(await litter(root)).toEqual([]);
  });

  it("that a build works on", async () => {
    const root = await rootWith(app);
    await mkdir(join(root, "buildkit"));
    await writeFile(join(root, "buildkit/snapshots.db"), `\0${base}\0`);
    expect((await rmi(root, "app")).deleted).toEqual([imageId, top]);
    expect(await layersIn(root)).toEqual([base.slice(7)]);
    await rm(join(root, "buildkit/snapshots.db"));
    await writing(root, async () => undefined);
    expect(await litter(root)).toEqual([]);
  });

  it("that a container is on, until it is gone", async () => {
    const root = await rootWith(app);
    const id = "c0".repeat(32);
    await addContainer(root, {
      id,
      image: imageId,
      top: app.layers[0]!.chainId,
    });
    expect((await rmi(root, "app", { force: true })).deleted).toEqual([
      imageId,
      top,
    ]);
    expect(await layersIn(root)).toEqual([base.slice(7)]);
    await rm(join(root, DRIVER, "layerdb/mounts", id), { recursive: true });
    await removeImages(await openStore(root), ["nothing"]);
    expect(await layersIn(root)).toEqual([]);
    expect(await litter(root)).toEqual([]);
  });

  it("under one that waits for its image", async () => {
    const root = await rootWith(app);
    await writing(root, (writer) => leaveLayers(writer, other));
    expect((await rmi(root, "app")).deleted).toEqual([imageId, top]);
    const staying = other.layers.map(({ chainId }) => chainId.slice(7));
    expect(await layersIn(root)).toEqual(staying.sort());
    // Its time is over.
    await utimes(
      join(root, "tpull/unused", other.layers[1]!.chainId.slice(7)),
      0,
      0,
    );
    await removeImages(await openStore(root), ["nothing"]);
    expect(await layersIn(root)).toEqual([]);
    expect(await litter(root)).toEqual([]);
  });
});

describe("what goes with an image", () => {
  it("are its notes and its manifest; where its layers came from stays known", async () => {
    const root = await rootWith(app);
    await tagImage(await openStore(root), "app", "x");
    await mkdir(join(root, "tpull/manifests"), { recursive: true });
    await writeFile(join(root, "tpull/manifests", imageId.slice(7)), "{}");
    const maps = (await listing(join(root, DRIVER, "distribution"))).length;
    await rmi(root, imageId, { force: true });
    expect(
      await readdir(join(root, DRIVER, "imagedb/metadata/sha256")),
    ).toEqual([]);
    expect(await readdir(join(root, "tpull/manifests"))).toEqual([]);
    expect(await listing(join(root, DRIVER, "distribution"))).toHaveLength(
      maps,
    );
  });

  it("is not a strange thing in the root", async () => {
    const root = await rootWith(app);
    const theirs = ["overlay2/orphan/x", "engine-id", "containers/notes/x"];
    for (const path of theirs) {
      await mkdir(join(root, path, ".."), { recursive: true });
      await writeFile(join(root, path), "x");
    }
    await rmi(root, "app");
    for (const path of theirs)
      expect(await readFile(join(root, path), "utf8")).toBe("x");
  });
});

describe("a damaged image", () => {
  const damages: [string, (root: string) => Promise<void>, number][] = [
    ["whose config is not there", (root) => rm(configOf(root)), 2],
    ["whose config is empty", (root) => writeFile(configOf(root), ""), 2],
    [
      "whose config has another hash",
      (root) =>
        writeFile(configOf(root), app.image.config.replace("app", "xyz")),
      0,
    ],
    [
      "whose top layer is not there",
      (root) => rm(layerOf(root, top), { recursive: true }),
      0,
    ],
    [
      "whose base layer is not there",
      (root) => rm(layerOf(root, base), { recursive: true }),
      0,
    ],
    [
      "whose layer has no size",
      (root) => rm(join(layerOf(root, top), "size")),
      0,
    ],
    [
      "whose base has a bad parent",
      (root) => writeFile(join(layerOf(root, base), "parent"), "x"),
      0,
    ],
    [
      "whose config is a directory",
      async (root) => {
        await rm(configOf(root));
        await mkdir(join(configOf(root), "x"), { recursive: true });
      },
      2,
    ],
  ];

  it.each(damages)("%s goes by its name", async (_, damage, layersLeft) => {
    const root = await rootWith(app, other);
    await damage(root);
    const { untagged, deleted } = await rmi(root, "app");
    expect(untagged).toHaveLength(2);
    if (!_.endsWith("config is not there")) expect(deleted).toContain(imageId);
    const store = await openStore(root);
    expect(await store.references()).not.toContain("app");
    expect(await readdir(join(root, DRIVER, "imagedb/content/sha256"))).toEqual(
      [other.image.imageId.slice(7)],
    );
    const layers = await layersIn(root);
    const own = layers.filter((chain) => chain === top.slice(7));
    expect(own).toHaveLength(layersLeft === 2 ? 1 : 0);
    // What is whole is not touched.
    if (!/base/.test(_)) {
      expect(await store.layerChain(other.layers[1]!.chainId)).toHaveLength(2);
    }
  });

  it.each(damages.slice(1))("%s goes by its ID", async (_, damage) => {
    const root = await rootWith(app);
    await damage(root);
    await rmi(root, imageId.slice(7, 20));
    expect(await readFile(namesFile(root), "utf8")).toBe('{"Repositories":{}}');
    expect(await readdir(join(root, DRIVER, "imagedb/content/sha256"))).toEqual(
      [],
    );
  });

  it("is no reason for another one to stay, and its children lose it", async () => {
    const child = fakeImage("child", "one", "two", "three");
    const root = await rootWith(app, child);
    await noteParent(root, child.image.imageId, imageId);
    await writeFile(configOf(root), "");
    expect((await rmi(root, "app")).deleted).toEqual([imageId]);
    const notes = join(
      root,
      DRIVER,
      "imagedb/metadata/sha256",
      child.image.imageId.slice(7),
    );
    expect(await readdir(notes)).toEqual([]);
    expect((await rmi(root, "child")).deleted).toHaveLength(4);
    expect(await litter(root)).toEqual([]);
  });
});

describe("a stray name", () => {
  const strays: [string, string, string, string][] = [
    ["of an image that is not there", "x", "x:1", `sha256:${"7".repeat(64)}`],
    ["that stands for no ID", "x", "x:1", "rubbish"],
    [
      "filed under a canonical repository",
      "docker.io/library/x",
      "docker.io/library/x:1",
      imageId,
    ],
    ["filed under another repository", "y", "x:1", imageId],
    ["that is no reference", "??", "??:1", imageId],
  ];
  it.each(strays)("%s goes", async (_, repository, reference, id) => {
    const root = await rootWith(app);
    const { Repositories } = JSON.parse(
      await readFile(namesFile(root), "utf8"),
    ) as {
      Repositories: Record<string, object>;
    };
    const before = JSON.stringify({ Repositories });
    const extended = { ...Repositories, [repository]: { [reference]: id } };
    await writeFile(
      namesFile(root),
      JSON.stringify({ Repositories: extended }),
    );
    expect(await rmi(root, reference)).toEqual({
      name: reference,
      untagged: [reference],
      deleted: [],
    });
    expect(await readFile(namesFile(root), "utf8")).toBe(before);
    expect(await layersIn(root)).toHaveLength(2);
  });

  it("with which its image's ID begins goes, too", async () => {
    const root = await rootWith(app);
    const Repositories = {
      7: { "7:latest": `sha256:${"7".repeat(64)}` },
    };
    await writeFile(namesFile(root), JSON.stringify({ Repositories }));
    expect(await rmi(root, "7")).toMatchObject({
      untagged: ["7:latest"],
      deleted: [],
    });
  });

  it("takes the digests of its repository with it, as another would", async () => {
    const root = await rootWith(app);
    await rm(configOf(root));
    expect((await rmi(root, "app")).untagged).toHaveLength(2);
    expect(await readFile(namesFile(root), "utf8")).toBe('{"Repositories":{}}');
  });
});

describe("a root", () => {
  it("that does not exist is not made", async () => {
    const root = await newRoot();
    await expect(rmi(root, "app")).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
    });
    await expect(stat(root)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("in which nothing was found is left as it was", async () => {
    const root = await newRoot();
    await mkdir(root);
    await chmod(root, 0o750);
    await expect(rmi(root, "app")).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
    });
    expect(await listing(root)).toEqual(["/ 0750 directory"]);
  });

  it("with a malformed file of names is refused", async () => {
    const root = await rootWith(app);
    await writeFile(namesFile(root), "{");
    await expect(rmi(root, imageId)).rejects.toMatchObject({
      code: "REPOSITORIES_INVALID",
    });
    expect(await layersIn(root)).toHaveLength(2);
  });
});
