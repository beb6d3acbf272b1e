import { rm } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { imageHistory, openStore } from "#store/index.js";
import { type PlantedRoot, plantedRoot, sha256 } from "../support/planted.js";

async function steps({ root }: PlantedRoot, name: string) {
  return (await imageHistory(await openStore(root), name)).steps;
}

const HISTORY = [
  { created: "2024-05-01T00:00:00Z", created_by: "ADD" },
  { created: "2024-05-02T00:00:00.50Z", created_by: "CMD", empty_layer: true },
  { created_by: "RUN\tx", comment: "<c>", empty_layer: false },
];
const LAYERS = [
  ["one", 100],
  ["two", 20],
] as const;

describe("imageHistory", () => {
  it("lists the last step first, with the size of its layer", async () => {
    const root = await plantedRoot();
    const { id } = await root.plant({
      layers: LAYERS,
      config: history(HISTORY),
      names: ["x:2", "x:1", `x@${sha256("x")}`],
    });
    expect(await steps(root, "x:1")).toEqual([
      {
        id,
        createdBy: "RUN\tx",
        size: 20,
        comment: "<c>",
        emptyLayer: false,
        tags: ["x:1", "x:2"],
      },
      {
        created: "2024-05-02T00:00:00.5Z",
        createdBy: "CMD",
        size: 0,
        comment: "",
        emptyLayer: true,
        tags: [],
      },
      {
        created: "2024-05-01T00:00:00Z",
        createdBy: "ADD",
        size: 100,
        comment: "",
        emptyLayer: false,
        tags: [],
      },
    ]);
  });

  it("names the images that docker noted as parents, as far as they are here", async () => {
    const root = await plantedRoot();
    const one = await root.plant({
      config: history([]),
      parent: sha256("gone"),
      names: ["one:1"],
    });
    const two = await root.plant({
      config: { ...history([]), author: "two" },
      parent: one.id,
    });
    const { id } = await root.plant({
      config: { ...history(EMPTY_STEPS), author: "three" },
      parent: two.id,
    });
    const found = await steps(root, id);
    expect(found.map((step) => step.id)).toEqual([
      id,
      two.id,
      one.id,
      undefined,
    ]);
    expect(found[2]?.tags).toEqual(["one:1"]);
  });

  it("stops at a parent that is damaged, or at the last step", async () => {
    const root = await plantedRoot();
    const parent = await root.plant({ layers: [["p", 1]] });
    const { id } = await root.plant({
      config: history(EMPTY_STEPS),
      parent: parent.id,
    });
    await rm(root.layerFile(parent.chain[0]!, "size"));
    const found = await steps(root, id);
    expect(found.map((step) => step.id)).toEqual([
      id,
      undefined,
      undefined,
      undefined,
    ]);
    const short = await root.plant({ config: history([]), parent: id });
    expect(await steps(root, short.id)).toEqual([]);
  });

  it("does not run in circles of parents", async () => {
    const root = await plantedRoot();
    const config = history(EMPTY_STEPS);
    const id = sha256(JSON.stringify({ rootfs: ROOTFS, ...config }));
    expect(await root.plant({ config, parent: id })).toMatchObject({ id });
    expect((await steps(root, id)).map((step) => step.id)).toEqual([
      id,
      id,
      id,
      id,
    ]);
  });

  it("may tell of less layers than there are, but not of more", async () => {
    const root = await plantedRoot();
    await root.plant({
      layers: LAYERS,
      config: history(HISTORY.slice(0, 2)),
      names: ["less:1"],
    });
    await root.plant({
      layers: LAYERS.slice(0, 1),
      config: history(HISTORY),
      names: ["more:1"],
    });
    expect((await steps(root, "less:1")).map(({ size }) => size)).toEqual([
      0, 100,
    ]);
    await expect(steps(root, "more:1")).rejects.toMatchObject({
      code: "HISTORY_INVALID",
      message: expect.stringContaining("more:1") as string,
    });
  });
});

const ROOTFS = { type: "layers", diff_ids: [] };
const EMPTY_STEPS = Array.from({ length: 4 }, () => ({ empty_layer: true }));

function history(steps: readonly object[]): { history: readonly object[] } {
  return { history: steps };
}
