import { mkdir, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { inspectImage, openStore } from "#store/index.js";
import { temporaryFolder } from "../support/roots.js";
import { type PlantedImage, plantedRoot, sha256 } from "../support/planted.js";

async function inspect(root: string, name: string) {
  return (await inspectImage(await openStore(root), name)).image;
}

async function inspectPlanted(image: PlantedImage) {
  const root = await plantedRoot();
  const { id } = await root.plant(image);
  return await inspect(root.root, id);
}

const runConfig = async (config: object) =>
  (await inspectPlanted({ config: { rootfs: {}, config } })).Config;

const EMPTY = {
  Cmd: null,
  Entrypoint: null,
  Env: null,
  Labels: null,
  OnBuild: null,
  User: "",
  Volumes: null,
  WorkingDir: "",
};

describe("inspectImage", () => {
  it("has docker's members in docker's order", async () => {
    const root = await plantedRoot();
    const { id: parent } = await root.plant({ config: { author: "p" } });
    const { id, chain } = await root.plant({
      layers: [
        ["one", 1],
        ["two", 20],
        ["three", 300],
      ],
      config: {
        created: "2024-05-06T07:08:09.000100Z",
        comment: "a comment",
        author: "me <me@example>",
        docker_version: "20.10",
        architecture: "arm64",
        variant: "v8",
        os: "linux",
        "os.version": "6.1",
        rootfs: {
          type: "layers",
          diff_ids: ["one", "two", "three"].map(sha256),
        },
      },
      names: ["x:1", `x@${sha256("x")}`],
      parent,
      lastUpdated: "2024-06-01T10:00:00.5+02:00",
    });
    const image = await inspect(root.root, "x:1");
    const [one, two, three] = chain.map((chainId) => root.overlay(chainId));
    const expected = {
      Id: id,
      RepoTags: ["x:1"],
      RepoDigests: [`x@${sha256("x")}`],
      Parent: parent,
      Comment: "a comment",
      Created: "2024-05-06T07:08:09.0001Z",
      DockerVersion: "20.10",
      Author: "me <me@example>",
      Architecture: "arm64",
      Variant: "v8",
      Os: "linux",
      OsVersion: "6.1",
      Size: 321,
      GraphDriver: {
        Data: {
          LowerDir: `${two}/diff:${one}/diff`,
          MergedDir: `${three}/merged`,
          UpperDir: `${three}/diff`,
          WorkDir: `${three}/work`,
        },
        Name: "overlay2",
      },
      RootFS: {
        Type: "layers",
        Layers: ["one", "two", "three"].map(sha256),
      },
      Metadata: { LastTagTime: "2024-06-01T10:00:00.5+02:00" },
      Config: EMPTY,
    };
    expect(image).toEqual(expected);
    expect(Object.keys(image)).toEqual(Object.keys(expected));
  });

  it("leaves out what docker leaves out", async () => {
    const image = await inspectPlanted({ config: { rootfs: {} } });
    expect(image).toEqual({
      Id: image.Id,
      RepoTags: [],
      RepoDigests: [],
      Parent: "",
      Comment: "",
      DockerVersion: "",
      Author: "",
      Architecture: "",
      Os: "linux",
      Size: 0,
      GraphDriver: { Data: null, Name: "overlay2" },
      RootFS: {},
      Metadata: { LastTagTime: "0001-01-01T00:00:00Z" },
      Config: EMPTY,
    });
  });

  it("takes the comment of the last step where there is no other", async () => {
    const history = [{ comment: "first" }, { comment: "last" }];
    const of = async (config: object) =>
      (await inspectPlanted({ config: { rootfs: {}, ...config } })).Comment;
    expect(await of({ history })).toBe("last");
    expect(await of({ history, comment: "own" })).toBe("own");
    expect(await of({ history: [...history, {}] })).toBe("");
  });

  it("has no LowerDir for a base layer, and paths without links to the root", async () => {
    const root = await plantedRoot();
    const { chain } = await root.plant({
      layers: [["base", 1]],
      names: ["x:1"],
    });
    const link = join(await temporaryFolder(), "link");
    await symlink(root.root, link);
    const { GraphDriver } = await inspect(link, "x:1");
    const own = root.overlay(chain[0]!);
    expect(GraphDriver.Data).toEqual({
      MergedDir: `${own}/merged`,
      UpperDir: `${own}/diff`,
      WorkDir: `${own}/work`,
    });
  });
});

describe("Config", () => {
  it("has what is set", async () => {
    const config = {
      User: "1:2",
      ExposedPorts: { "80/tcp": {}, "53/udp": {} },
      Env: ["A=b", ""],
      Entrypoint: ["/e"],
      Cmd: "one word",
      Volumes: { "/v": {} },
      WorkingDir: "/w",
      Labels: { a: "" },
      StopSignal: "SIGINT",
      ArgsEscaped: true,
      Healthcheck: {
        Test: ["CMD", "x"],
        Interval: 3e9,
        Timeout: 1,
        StartPeriod: 2,
        StartInterval: 4,
        Retries: 5,
      },
      OnBuild: ["RUN x"],
      Shell: ["/bin/sh", "-c"],
    };
    expect(await runConfig(config)).toEqual({ ...config, Cmd: ["one word"] });
  });

  it("leaves out the members that containers have and images do not", async () => {
    expect(
      await runConfig({
        Hostname: "h",
        Domainname: "d",
        Tty: true,
        Image: "i",
        StopTimeout: 7,
        MacAddress: "m",
        NetworkDisabled: true,
        unknown: 1,
      }),
    ).toEqual(EMPTY);
  });

  test.each<[object, object]>([
    [{ Cmd: [], Entrypoint: [], Env: [], OnBuild: [], Shell: [] }, EMPTY],
    [{ Labels: {}, Volumes: {}, ExposedPorts: {} }, EMPTY],
    [{ Healthcheck: {} }, { ...EMPTY, Healthcheck: {} }],
    [{ Healthcheck: null }, EMPTY],
    [{ Healthcheck: { Test: [], Retries: 0 } }, { ...EMPTY, Healthcheck: {} }],
    [{ Env: [null, "a"] }, { ...EMPTY, Env: ["", "a"] }],
    [{ ArgsEscaped: false, StopSignal: "" }, EMPTY],
  ])("%j", async (config, shown) => {
    expect(await runConfig(config)).toEqual(shown);
  });
});

describe("damage", () => {
  const layers = [
    ["one", 1],
    ["two", 2],
  ] as const;

  async function damaged(
    hurt: (below: string, top: string, links: string) => Promise<void>,
  ) {
    const root = await plantedRoot();
    const { chain } = await root.plant({ layers, names: ["x:1"] });
    const [below, top] = chain.map((chainId) => root.overlay(chainId));
    await hurt(below!, top!, root.path("overlay2/l"));
    const store = await openStore(root.root);
    return inspectImage(store, "x:1");
  }

  test.each<[string, Parameters<typeof damaged>[0]]>([
    ["no directory", async (_, top) => rm(top, { recursive: true })],
    ["no short link", async (_, __, links) => rm(links, { recursive: true })],
    [
      "a line break in lower",
      async (_, top) => writeFile(join(top, "lower"), "l/A\n"),
    ],
    [
      "no link where one should be",
      async (_, top) => {
        await writeFile(join(top, "lower"), "l/FILE");
        await writeFile(join(dirname(top), "l/FILE"), "");
      },
    ],
  ])("%s", async (_, hurt) => {
    await expect(damaged(hurt)).rejects.toMatchObject({
      code: "IMAGE_DAMAGED",
      message: expect.stringContaining("x:1") as string,
    });
  });

  it("that dockerd does not look for is no reason to refuse", async () => {
    const { image } = await damaged(async (below, top, links) => {
      await rm(join(below, "diff"), { recursive: true });
      await unlink(join(top, "link"));
      await mkdir(join(links, "more"));
    });
    expect(image.GraphDriver.Data?.LowerDir).toMatch(/\/diff$/);
  });

  it("of other images does not matter", async () => {
    const root = await plantedRoot();
    await root.plant({ names: ["x:1"] });
    const other = await root.plant({
      layers: [["y", 1]],
      names: ["y:1"],
    });
    await rm(root.layerFile(other.chain[0]!, "diff"));
    const store = await openStore(root.root);
    expect((await inspectImage(store, "x:1")).damage).toEqual([]);
    await expect(inspectImage(store, "y:1")).rejects.toMatchObject({
      code: "IMAGE_DAMAGED",
    });
    await expect(inspectImage(store, "z:1")).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
    });
  });

  it("of the file of names leaves IDs", async () => {
    const root = await plantedRoot();
    const { id } = await root.plant({ names: ["x:1"] });
    await writeFile(root.path("image/overlay2/repositories.json"), "[]");
    const { image, damage } = await inspectImage(
      await openStore(root.root),
      id.slice("sha256:".length, 20),
    );
    expect(image).toMatchObject({ Id: id, RepoTags: [] });
    expect(damage).toMatchObject([{ code: "REPOSITORIES_DAMAGED" }]);
  });

  it("of the note of the last tag is as if there were none", async () => {
    const image = await inspectPlanted({ lastUpdated: "yesterday" });
    expect(image.Metadata.LastTagTime).toBe("0001-01-01T00:00:00Z");
  });
});
