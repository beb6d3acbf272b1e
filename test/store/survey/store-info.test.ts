// What is known of a root without changing anything in it.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore, privilege, storeInfo } from "#store/index.js";
import {
  type FakeImage,
  fakeImage,
  leaveLayers,
  storeImage,
} from "../support/images.js";
import { listing, newRoot, rootWith, writing } from "../support/roots.js";
import { ChildSession } from "../support/sessions.js";

const infoOf = async (root: string) => storeInfo(await openStore(root));

const app = fakeImage("app", "one", "two");

async function rootOf(...images: FakeImage[]): Promise<string> {
  const root = await newRoot();
  for (const image of images) {
    await writing(root, (writer) => storeImage(writer, image));
  }
  return root;
}

describe("a root", () => {
  it("that is not there is an empty store, and could be made", async () => {
    const root = await newRoot();
    const info = await infoOf(root);
    expect(info).toMatchObject({
      root,
      exists: false,
      driver: "overlay2",
      holder: undefined,
      writers: [],
      counts: { images: 0, layers: 0, containers: 0 },
      privilege: privilege(),
      writable: { possible: true, warnings: [] },
      others: [],
      damage: [],
    });
    expect(info.filesystem.free).toBeGreaterThan(0);
    expect(info.filesystem.supportsDType).toBe(true);
    expect(await listing(root)).toEqual([]);
  });

  it("is counted, and left as it was", async () => {
    const root = await rootOf(app, fakeImage("other", "one", "three"));
    await writing(root, (writer) =>
      leaveLayers(writer, fakeImage("left", "four", "five")),
    );
    await mkdir(join(root, "tpull/partial", "a".repeat(64)));
    const before = await listing(root);
    const { counts, exists } = await infoOf(root);
    expect(exists).toBe(true);
    expect(counts).toEqual({
      images: 2,
      dangling: 0,
      tags: 2,
      digests: 2,
      layers: 5,
      orphanLayers: 0,
      containers: 0,
      containersRunning: 0,
      containersPaused: 0,
      partialBlobs: 1,
      unfinishedLayers: 2,
      manifests: 0,
    });
    expect(await listing(root)).toEqual(before);
  });

  it("has images without a tag, and orphans", async () => {
    const root = await rootOf(app);
    const names = join(root, "image/overlay2/repositories.json");
    await writeFile(names, '{"Repositories":{}}');
    expect((await infoOf(root)).counts).toMatchObject({
      images: 1,
      dangling: 1,
      tags: 0,
    });
  });

  it("says what else is there, and what is nobody's", async () => {
    const root = await rootOf(app);
    for (const path of [
      `containers/${"c".repeat(64)}/config.v2.json`,
      "volumes/data/_data/file",
      "swarm/docker-state.json",
      `plugins/${"d".repeat(64)}/config.json`,
      "plugins/tmp/x",
      "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs",
      "image/vfs/repositories.json",
      "network/files/local-kv.db",
      "my notes",
      "1000.1000/image/x",
      "overlay2/backup/file",
      "engine-id",
    ]) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), "");
    }
    const { others } = await infoOf(root);
    const told = others.map(
      ({ path, kind, count }) => `${path}: ${kind} ${count}`,
    );
    expect(told).toEqual([
      "containers: containers 1",
      "volumes: volumes 1",
      "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots: containerd store 1",
      "plugins: plugins 1",
      "swarm: swarm 1",
      "image/vfs: other driver 1",
      "1000.1000: remapped root 1",
      "my notes: unknown 1",
      "overlay2/backup: unknown 1",
    ]);
  });

  it("knows who writes in it", async () => {
    const root = await rootOf(app);
    const child = new ChildSession(root, fakeImage("next", "six"), {
      hold: "begun",
    });
    try {
      await child.saying("held");
      const { writers, holder, writable } = await infoOf(root);
      expect(writers).toHaveLength(1);
      expect(writers[0]?.pid).toBeGreaterThan(1);
      expect(holder).toBeUndefined();
      expect(writable.possible).toBe(true);
    } finally {
      await child.kill();
    }
    expect((await infoOf(root)).writers).toEqual([]);
  });
});

describe("whether tpull could write", () => {
  it("says why not, as a pull would", async () => {
    const cases: [string, string][] = [
      [await rootWith("engine-id"), "ROOT_IS_CONTAINERD_STORE"],
      [await rootWith("image/vfs/layerdb/"), "ROOT_OF_OTHER_DRIVER"],
    ];
    for (const [root, code] of cases) {
      expect((await infoOf(root)).writable).toMatchObject({
        possible: false,
        code,
        message: expect.stringContaining(root),
        hint: expect.any(String),
      });
    }
  });

  it("goes with damage that is told of", async () => {
    const root = await rootOf(app);
    await writeFile(join(root, "image/overlay2/repositories.json"), "{");
    const { damage, writable, counts } = await infoOf(root);
    expect(damage).toMatchObject([{ code: "REPOSITORIES_DAMAGED" }]);
    expect(writable).toMatchObject({ code: "REPOSITORIES_INVALID" });
    expect(counts).toMatchObject({ images: 1, tags: 0, layers: 2 });
  });

  it("says what is doubtful", async () => {
    const root = await rootOf(app);
    const snapshots =
      "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots/1";
    await mkdir(join(root, snapshots), { recursive: true });
    expect((await infoOf(root)).writable).toMatchObject({
      possible: true,
      warnings: [{ code: "ROOT_HAS_CONTAINERD_STORE" }],
    });
  });
});
