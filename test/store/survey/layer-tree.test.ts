// How the layers of a store sit on each other, and who needs them.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type LayerNode, layerTree, openStore } from "#store/index.js";
import {
  type FakeImage,
  fakeImage,
  leaveLayers,
  storeImage,
  withConfig,
} from "../support/images.js";
import { newRoot, writing } from "../support/roots.js";

const layerdb = "image/overlay2/layerdb";

async function rootOf(...images: FakeImage[]): Promise<string> {
  const root = await newRoot();
  for (const image of images) {
    await writing(root, (writer) => storeImage(writer, image));
  }
  return root;
}

const treeOf = async (root: string, name?: string) =>
  layerTree(await openStore(root), name);

/** A node as `size use [images] (children)`. */
function drawn({ size, use, images, children }: LayerNode): string {
  const names = images.map(({ name }) => name).join();
  const above = children.map(drawn).join(" ");
  return `${size} ${use}${names && ` [${names}]`}${above && ` (${above})`}`;
}

/** Takes an image away as `docker rmi` would not: its layers stay. */
async function removeImage(root: string, { image }: FakeImage): Promise<void> {
  const driver = join(root, "image/overlay2");
  await rm(join(driver, "imagedb/content/sha256", image.imageId.slice(7)));
  await writeFile(join(driver, "repositories.json"), '{"Repositories":{}}');
}

const base = fakeImage("base", "1");
const left = fakeImage("left", "1", "22");
const right = fakeImage("right", "1", "333", "4444");

describe("the tree", () => {
  it("has each layer once, with the images that end there", async () => {
    const root = await rootOf(right, left, base, fakeImage("alone", "55555"));
    const tree = await treeOf(root);
    expect(tree.tree.map(drawn)).toEqual([
      "5 image [alone:latest]",
      "1 image [base:latest] (2 image [left:latest] 3 image (4 image [right:latest]))",
    ]);
    expect(tree).toMatchObject({
      root,
      layers: 5,
      size: 15,
      orphans: { layers: 0, size: 0 },
      unreadable: [],
      damage: [],
    });
  });

  it("knows which step made a layer", async () => {
    const stepped = withConfig(left, {
      history: [{ created_by: "ADD x" }, { created_by: "RUN y" }],
    });
    const { tree } = await treeOf(await rootOf(stepped));
    expect(tree[0]?.step?.createdBy).toBe("ADD x");
    expect(tree[0]?.children[0]?.step?.createdBy).toBe("RUN y");
  });

  it("can be that of one image", async () => {
    const root = await rootOf(right, left, base, fakeImage("alone", "5"));
    const { tree, layers } = await treeOf(root, "right");
    expect(tree.map(drawn)).toEqual([
      "1 image [base:latest] (3 image (4 image [right:latest]))",
    ]);
    expect(tree[0]?.hidden).toBe(1);
    expect(tree[0]?.children[0]?.hidden).toBeUndefined();
    expect(layers).toBe(3);
  });

  it("is empty where there is nothing", async () => {
    expect(await treeOf(await newRoot())).toMatchObject({
      tree: [],
      layers: 0,
      damage: [],
    });
  });

  it("says so of an unknown image", async () => {
    await expect(treeOf(await rootOf(base), "none")).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
    });
  });
});

describe("a layer that no image has", () => {
  it("is an orphan", async () => {
    const root = await rootOf(left);
    await removeImage(root, left);
    const tree = await treeOf(root);
    expect(tree.tree.map(drawn)).toEqual(["1 none (2 none)"]);
    expect(tree.orphans).toEqual({ layers: 2, size: 3 });
  });

  it("waits for its image where a pull was stopped", async () => {
    const root = await newRoot();
    await writing(root, (writer) => leaveLayers(writer, left));
    expect((await treeOf(root)).tree.map(drawn)).toEqual([
      "1 waiting (2 waiting)",
    ]);
  });

  it("is needed by the container on top of it, and so are those below", async () => {
    const root = await rootOf(left);
    await removeImage(root, left);
    const mount = join(root, layerdb, "mounts", "c".repeat(64));
    await mkdir(mount, { recursive: true });
    await writeFile(join(mount, "parent"), left.layers[1]!.chainId);
    expect((await treeOf(root)).tree.map(drawn)).toEqual([
      "1 container (2 container)",
    ]);
  });

  it("is needed by the builder that mentions it", async () => {
    const root = await rootOf(right);
    await removeImage(root, right);
    await mkdir(join(root, "buildkit"));
    await writeFile(
      join(root, "buildkit/snapshots.db"),
      `…${right.layers[1]!.chainId}…`,
    );
    expect((await treeOf(root)).tree.map(drawn)).toEqual([
      "1 build (3 build (4 none))",
    ]);
  });

  it("is no orphan while an image names it that is not whole", async () => {
    const root = await rootOf(right);
    const { chainId } = right.layers[2]!;
    await rm(join(root, layerdb, "sha256", chainId.slice(7)), {
      recursive: true,
    });
    const tree = await treeOf(root);
    expect(tree.tree.map(drawn)).toEqual(["1 image (3 image)"]);
    expect(tree.damage).toMatchObject([{ code: "LAYER_MISSING" }]);
  });
});

describe("a layer that cannot be read", () => {
  it("is named, and what is on top of it stands apart", async () => {
    const root = await rootOf(right);
    const { chainId } = right.layers[1]!;
    await writeFile(
      join(root, layerdb, "sha256", chainId.slice(7), "size"),
      "",
    );
    const { tree, unreadable } = await treeOf(root);
    expect(tree.map(drawn).sort()).toEqual(["1 image", "4 image"]);
    expect(tree.map(({ cutOff }) => cutOff === true).sort()).toEqual([
      false,
      true,
    ]);
    expect(unreadable).toEqual([chainId]);
  });

  it("may be one of two that are on top of each other", async () => {
    const root = await rootOf(right);
    const [bottom, , top] = right.layers;
    await writeFile(
      join(root, layerdb, "sha256", bottom!.chainId.slice(7), "parent"),
      top!.chainId,
    );
    const { tree, unreadable } = await treeOf(root);
    expect(tree).toEqual([]);
    expect([...unreadable].sort()).toEqual(
      right.layers.map(({ chainId }) => chainId).sort(),
    );
  });
});
