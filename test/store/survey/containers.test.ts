// Containers of a dockerd, read from the files it keeps of them.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore } from "#store/index.js";
import {
  containersIn,
  type StoredContainer,
} from "#store/survey/containers.js";
import { newRoot } from "../support/roots.js";

const ID = "c".repeat(64);
const MOUNT = "e".repeat(64);
const IMAGE = `sha256:${"1".repeat(64)}`;
const TOP = `sha256:${"2".repeat(64)}`;

async function containers(
  ...configs: { id?: string; config: object | string; mount?: string }[]
): Promise<StoredContainer[]> {
  const root = await newRoot();
  for (const { id = ID, config, mount = MOUNT } of configs) {
    const files = {
      [`containers/${id}/config.v2.json`]:
        typeof config === "string"
          ? config
          : JSON.stringify({ ID: id, Driver: "overlay2", ...config }),
      [`image/overlay2/layerdb/mounts/${id}/mount-id`]: mount,
      [`image/overlay2/layerdb/mounts/${id}/parent`]: TOP,
    };
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content);
    }
  }
  return containersIn((await openStore(root)).layout);
}

it("a container has what docker knows of it", async () => {
  const config = {
    Created: "2026-01-02T03:04:05.678Z",
    Path: "/bin/sh",
    Args: ["-c", "echo a b"],
    Name: "/box",
    Image: IMAGE,
    Config: { Image: "busybox:1", Labels: { one: "1" } },
    State: {
      Running: true,
      StartedAt: "2026-01-02T03:04:06Z",
      FinishedAt: "0001-01-01T00:00:00Z",
      ExitCode: 0,
      Health: { Status: "healthy" },
    },
    NetworkSettings: { Networks: { two: {}, one: null } },
    MountPoints: {
      "/data": { Name: "data", Source: "/v/data/_data", Driver: "local" },
      "/host": { Source: "/etc" },
    },
  };
  expect(await containers({ config })).toEqual([
    {
      id: ID,
      name: "box",
      imageId: IMAGE,
      image: "busybox:1",
      command: "/bin/sh -c 'echo a b'",
      created: "2026-01-02T03:04:05.678Z",
      state: "running",
      started: "2026-01-02T03:04:06Z",
      finished: undefined,
      exitCode: 0,
      health: "healthy",
      labels: { one: "1" },
      mounts: [
        { name: "data", source: "/v/data/_data", driver: "local" },
        { name: "", source: "/etc", driver: "" },
      ],
      networks: ["one", "two"],
      mountId: MOUNT,
      top: TOP,
    },
  ]);
});

describe("the state", () => {
  const started = { StartedAt: "2026-01-02T03:04:06Z" };

  it.each([
    ["created", {}],
    ["created", { StartedAt: "0001-01-01T00:00:00Z" }],
    ["running", { Running: true, ...started }],
    ["paused", { Running: true, Paused: true, ...started }],
    ["restarting", { Running: true, Restarting: true, ...started }],
    ["removing", { RemovalInProgress: true, Dead: true, ...started }],
    ["dead", { Dead: true, ...started }],
    ["exited", { ExitCode: 1, ...started }],
  ])("is %s by the flags %j", async (expected, State) => {
    expect(await containers({ config: { State } })).toMatchObject([
      { state: expected },
    ]);
  });
});

describe("what is missing or of another kind", () => {
  it("leaves nothing out but itself", async () => {
    const odd = {
      Name: 1,
      Image: "no digest",
      Config: null,
      State: [],
      Args: "x",
      MountPoints: { "/a": null },
    };
    expect(await containers({ config: odd })).toMatchObject([
      {
        name: "",
        imageId: undefined,
        image: "",
        state: "created",
        labels: {},
        mounts: [],
      },
    ]);
  });

  it.each<[string, object | string, string?]>([
    ["no JSON", "{"],
    ["no object", "[]"],
    ["another's ID", { ID: "other" }],
    ["another driver", { Driver: "vfs" }],
    ["a mount that is no name of a directory", {}, "../../etc"],
  ])("makes a container that dockerd would not load: %s", async (...args) => {
    const [, config, mount] = args;
    expect(
      await containers({ config, ...(mount === undefined ? {} : { mount }) }),
    ).toEqual([]);
  });

  it("is passed over where the name is no ID", async () => {
    expect(await containers({ id: "lost+found", config: {} })).toEqual([]);
  });
});

it("the newest come first", async () => {
  const found = await containers(
    { id: "a".repeat(64), config: { Created: "2026-01-01T00:00:00Z" } },
    { id: "b".repeat(64), config: { Created: "2026-01-02T00:00:00Z" } },
    { id: "d".repeat(64), config: {} },
  );
  expect(found.map(({ id }) => id[0])).toEqual(["b", "a", "d"]);
});
