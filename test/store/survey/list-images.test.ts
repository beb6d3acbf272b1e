import { rm, writeFile } from "node:fs/promises";
import { describe, expect, it, test } from "vitest";
import { listImages, type ListOptions, openStore } from "#store/index.js";
import { newRoot } from "../support/roots.js";
import { type PlantedRoot, plantedRoot, sha256 } from "../support/planted.js";

async function list(root: string, options: ListOptions = {}) {
  return await listImages(await openStore(root), options);
}

/** What images are called, the first name of each; `-` for one without. */
async function names(root: PlantedRoot, options: ListOptions = {}) {
  const { images } = await list(root.root, options);
  return images.map(({ tags, digests }) => tags[0] ?? digests[0] ?? "-");
}

const day = (number: number): string =>
  `2024-05-${String(number).padStart(2, "0")}T00:00:00Z`;
const digest = (repository: string): string =>
  `${repository}@${sha256(repository)}`;

describe("an image in the list", () => {
  it("has all that is known of it", async () => {
    const root = await plantedRoot();
    const parent = await root.plant({ config: { author: "parent" } });
    const { id } = await root.plant({
      layers: [
        ["base", 1000],
        ["top", 24],
      ],
      config: {
        created: "2024-05-06T07:08:09.120+02:00",
        os: "Linux",
        architecture: "arm",
        variant: "v7",
        config: { Labels: { b: "2", a: "<&>", "10": "x", "9": "y" } },
      },
      names: ["zeta:1", "quay.io/x:2", "b/c:3", digest("zeta")],
      parent: parent.id,
    });
    const { images, damage } = await list(root.root);
    expect(damage).toEqual([]);
    expect(images).toEqual([
      {
        id,
        // In the order of docker.io/b/c, docker.io/library/zeta, quay.io/x.
        tags: ["b/c:3", "zeta:1", "quay.io/x:2"],
        digests: [digest("zeta")],
        created: "2024-05-06T07:08:09.12+02:00",
        size: 1024,
        os: "Linux",
        architecture: "arm",
        variant: "v7",
        labels: { a: "<&>", b: "2", "9": "y", "10": "x" },
        parent: parent.id,
      },
    ]);
  });

  it("has little where its config says little", async () => {
    const root = await plantedRoot();
    const { id } = await root.plant({ names: ["x:1"] });
    expect((await list(root.root)).images).toEqual([
      {
        id,
        tags: ["x:1"],
        digests: [],
        size: 0,
        os: "linux",
        architecture: "",
        labels: {},
      },
    ]);
  });
});

describe("order", () => {
  it("is the newest first, those of one second by name, those without a date last", async () => {
    const root = await plantedRoot();
    for (const [name, created] of [
      ["no-date:1", undefined],
      ["old:1", day(1)],
      ["b:1", `${day(2).slice(0, -1)}.1Z`],
      ["a:1", `${day(2).slice(0, -1)}.9Z`],
      ["east:1", "2024-05-03T00:30:00+02:00"],
      ["new:1", day(3)],
      ["ancient:1", "1066-10-14T09:00:00Z"],
    ] as const) {
      await root.plant({ config: { created, author: name }, names: [name] });
    }
    expect(await names(root)).toEqual([
      "new:1",
      "east:1",
      "a:1",
      "b:1",
      "old:1",
      "ancient:1",
      "no-date:1",
    ]);
  });
});

/**
 * Three generations: grandparent without a name, parent with a tag, child
 * dangling; one image with only a digest, and one with tag and digest.
 */
async function family(): Promise<PlantedRoot> {
  const root = await plantedRoot();
  const make = async (number: number, names: string[], parent?: string) =>
    await root.plant({
      config: {
        created: day(number),
        config: { Labels: { number: String(number), [`n${number}`]: "" } },
      },
      names,
      ...(parent === undefined ? {} : { parent }),
    });
  const { id: grandparent } = await make(1, []);
  const { id: parent } = await make(2, ["parent:1"], grandparent);
  await make(3, [], parent);
  await make(4, [digest("only")]);
  await make(5, ["user/both:1", "user/both:2", digest("user/both"), "alias:1"]);
  return root;
}

const [ONLY, BOTH] = [digest("only"), "alias:1"];

describe("filters", () => {
  test.each<[string, ListOptions, string[]]>([
    ["nothing", {}, [BOTH, ONLY, "-", "parent:1"]],
    ["all", { all: true }, [BOTH, ONLY, "-", "parent:1", "-"]],
    ["dangling", { dangling: true }, [ONLY, "-"]],
    ["dangling of all", { dangling: true, all: true }, [ONLY, "-"]],
    ["not dangling", { dangling: false }, [BOTH, ONLY, "parent:1"]],
    ["a name", { reference: ["parent"] }, ["parent:1"]],
    ["a name and tag", { reference: ["parent:1"] }, ["parent:1"]],
    ["another tag", { reference: ["parent:2"] }, []],
    ["a pattern", { reference: ["*/both"] }, ["user/both:1"]],
    ["a pattern of tags", { reference: ["*:1"] }, [BOTH, "parent:1"]],
    ["a digest", { reference: [ONLY] }, [ONLY]],
    ["one of two patterns", { reference: ["only", "p*"] }, [ONLY, "parent:1"]],
    ["dangling of a name", { reference: ["only*"], dangling: true }, [ONLY]],
    [
      "a name of all",
      { reference: ["*"], all: true },
      [BOTH, ONLY, "parent:1"],
    ],
    ["a label", { label: ["n3"] }, ["-"]],
    ["a label's value", { label: ["number=4"] }, [ONLY]],
    ["a label's other value", { label: ["n4=4"] }, []],
    ["an empty value", { label: ["n4="] }, [ONLY]],
    ["two labels", { label: ["n4", "number=4"] }, [ONLY]],
    ["two labels of two", { label: ["n4", "number=5"] }, []],
    ["before", { before: [ONLY] }, ["-", "parent:1"]],
    ["before both", { before: [BOTH, "parent:1"] }, []],
    ["since", { since: ["parent:1"] }, [BOTH, ONLY, "-"]],
    ["since both", { since: ["parent:1", ONLY] }, [BOTH]],
    ["between", { since: ["parent:1"], before: ["user/both:2"] }, [ONLY, "-"]],
    ["until", { until: [day(4)] }, ["-", "parent:1"]],
    ["until two", { until: [day(4), "2024-05-03Z"] }, ["parent:1"]],
    ["until ago", { until: ["48h"], now: Date.parse(day(5)) }, ["parent:1"]],
    [
      "until and before",
      { until: [day(5)], before: [ONLY] },
      ["-", "parent:1"],
    ],
  ])("%s", async (_, options, expected) => {
    expect(await names(await family(), options)).toEqual(expected);
  });

  it("of names leave only the names that fit", async () => {
    const root = await family();
    const { images } = await list(root.root, { reference: ["*/*:2"] });
    expect(images).toMatchObject([{ tags: ["user/both:2"], digests: [] }]);
  });

  it("of time leave out what has no date, unless the measure has none", async () => {
    const root = await family();
    await root.plant({ config: { author: "x" }, names: ["no-date:1"] });
    await root.plant({
      config: { created: "0001-01-01T00:00:00Z" },
      names: ["zero:1"],
    });
    expect(await names(root, { until: [day(2)] })).toEqual(["zero:1"]);
    expect(await names(root, { since: [BOTH] })).toEqual([]);
    const everything = await names(root);
    expect(everything).toHaveLength(6);
    expect(await names(root, { before: ["no-date:1"] })).toEqual(everything);
    expect(await names(root, { before: ["zero:1"] })).toEqual(everything);
    expect(await names(root, { since: ["no-date:1"] })).toEqual(everything);
  });

  test.each<[ListOptions, string]>([
    [{ reference: ["["] }, "FILTER_INVALID"],
    [{ until: ["yesterday"] }, "FILTER_INVALID"],
    [{ before: ["nobody"] }, "IMAGE_NOT_FOUND"],
    [{ since: ["nobody:1"] }, "IMAGE_NOT_FOUND"],
  ])("%j ends with %s", async (options, code) => {
    const root = await family();
    await expect(list(root.root, options)).rejects.toMatchObject({ code });
  });
});

describe("damage", () => {
  it("of one image leaves the others", async () => {
    const root = await family();
    const gone = await root.plant({ layers: [["gone", 1]], names: ["gone:1"] });
    const cut = await root.plant({
      layers: [["cut", 1]],
      config: { author: "x" },
    });
    const wrong = await root.plant({
      config: { author: "y" },
      names: ["wrong:1"],
    });
    const odd = await root.plant({
      config: `{"rootfs":{},"created":"x"}`,
      names: ["odd:1"],
    });
    root.name("nobody:1", sha256("nobody"));
    await root.writeNames();
    await rm(root.layerFile(gone.chain[0]!, "size"));
    await writeFile(root.layerFile(cut.chain[0]!, "size"), "1\n");
    await writeFile(root.config(wrong.id), "{}");
    const { images, damage } = await list(root.root);
    expect(images).toHaveLength(4);
    const found = damage.map(({ code, imageId, names }) => ({
      code,
      imageId,
      names,
    }));
    expect(found).toHaveLength(5);
    expect(found).toEqual(
      expect.arrayContaining([
        { code: "LAYER_MISSING", imageId: gone.id, names: ["gone:1"] },
        { code: "LAYER_MISSING", imageId: cut.id, names: [] },
        { code: "CONFIG_DAMAGED", imageId: wrong.id, names: ["wrong:1"] },
        { code: "CONFIG_DAMAGED", imageId: odd.id, names: ["odd:1"] },
        {
          code: "CONFIG_MISSING",
          imageId: sha256("nobody"),
          names: ["nobody:1"],
        },
      ]),
    );
    await expect(list(root.root, { before: ["gone:1"] })).rejects.toMatchObject(
      {
        code: "IMAGE_DAMAGED",
      },
    );
  });

  it("of a child makes its parent one that nothing was built from", async () => {
    const root = await plantedRoot();
    const { id } = await root.plant({});
    const child = await root.plant({
      layers: [["x", 1]],
      names: ["child:1"],
      parent: id,
    });
    expect(await names(root)).toEqual(["child:1"]);
    await rm(root.layerFile(child.chain[0]!, "diff"));
    expect(await names(root)).toEqual(["-"]);
  });

  it("of the file of names leaves the images without names", async () => {
    const root = await family();
    await writeFile(root.path("image/overlay2/repositories.json"), "{");
    const { images, damage } = await list(root.root);
    expect(images).toHaveLength(3);
    expect(images.every(({ tags }) => tags.length === 0)).toBe(true);
    expect(damage).toMatchObject([{ code: "REPOSITORIES_DAMAGED" }]);
  });

  it("of notes is no damage of the image", async () => {
    const root = await plantedRoot();
    await root.plant({ names: ["x:1"], parent: "nonsense" });
    const { images, damage } = await list(root.root);
    expect(damage).toEqual([]);
    expect(images[0]).not.toHaveProperty("parent");
  });
});

it("an absent root has no images", async () => {
  expect(await list(await newRoot())).toEqual({ images: [], damage: [] });
});
