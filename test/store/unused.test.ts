// Layers that no image uses, as keepUnusedLayers and killed sessions leave them.
import { mkdir, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  fakeImage,
  leaveLayers,
  stageAll,
  storeImage,
} from "./support/images.js";
import {
  layersIn,
  listing,
  litter,
  newRoot,
  SWEEPING,
  writing,
} from "./support/roots.js";

const driver = "image/overlay2";
const image = fakeImage("app", "one", "two");
const top = image.layers[1]!;

/** Puts the image's layers into the store and leaves them there. */
function leave(root: string): Promise<void> {
  return writing(root, (writer) => leaveLayers(writer, image));
}

describe("a layer without image", () => {
  it("is for the next session to use", async () => {
    const root = await newRoot();
    await leave(root);
    expect(await layersIn(root)).toHaveLength(2);
    await writing(root, async (writer) => {
      expect(await stageAll(writer, image.layers)).toEqual([]);
      await storeImage(writer, image);
    });
    expect(await layersIn(root)).toHaveLength(2);
    await writing(root, async () => undefined);
    expect(await layersIn(root)).toHaveLength(2);
    expect(await litter(root)).toEqual([]);
  });

  it("is noted until it is part of one", async () => {
    const root = await newRoot();
    const notes = join(root, "tpull/unused");
    const names = image.layers.map(({ chainId }) => chainId.slice(7)).sort();
    await leave(root);
    expect((await readdir(notes)).sort()).toEqual(names);
    await writing(root, async (writer) => {
      await storeImage(writer, image);
      expect(await readdir(notes)).toEqual([]);
    });
  });

  it("waits for its image while other sessions come and go", async () => {
    const root = await newRoot();
    await leave(root);
    const before = await listing(root);
    await writing(root, (writer) => storeImage(writer, fakeImage("other")));
    await writing(root, async () => undefined);
    expect(await layersIn(root)).toHaveLength(2);
    for (const line of before) {
      if (!line.includes("repositories.json")) {
        expect(await listing(root)).toContain(line);
      }
    }
  });

  it("goes when its time is over", async () => {
    const root = await newRoot();
    await leave(root);
    const week = 7 * 24 * 3600;
    const notes = join(root, "tpull/unused");
    for (const [days, left] of [
      [6.9, 2],
      [7.1, 0],
    ] as const) {
      const then = Date.now() / 1000 - (days / 7) * week;
      for (const name of await readdir(notes)) {
        await utimes(join(notes, name), then, then);
      }
      await writing(root, async () => undefined);
      expect(await layersIn(root)).toHaveLength(left);
    }
    expect(await litter(root)).toEqual([]);
  });

  it("is kept for longer by each session that keeps it", async () => {
    const root = await newRoot();
    await leave(root);
    const notes = join(root, "tpull/unused");
    for (const name of await readdir(notes))
      await utimes(join(notes, name), 0, 0);
    await writing(root, async (writer) => {
      await stageAll(writer, image.layers);
      writer.keepUnusedLayers(image.layers.map(({ chainId }) => chainId));
    });
    await writing(root, async () => undefined);
    expect(await layersIn(root)).toHaveLength(2);
  });

  it("goes with a session that used it and does not keep it", async () => {
    const root = await newRoot();
    await leave(root);
    await writing(root, async (writer) => {
      expect(await stageAll(writer, image.layers)).toEqual([]);
    });
    expect(await layersIn(root)).toEqual([]);
    expect(await litter(root)).toEqual([]);
  });

  it.each([
    [
      "an image that a daemon pulled",
      `${driver}/imagedb/content/sha256/${image.image.imageId.slice(7)}`,
      image.image.config,
      2,
    ],
    ["a container", `${driver}/layerdb/mounts/c/parent`, top.chainId, 2],
    ["a container below", `${driver}/layerdb/mounts/c/parent`, top.parent!, 1],
    ["a build", "buildkit/snapshots.db", `\0${top.chainId}\0`, 2],
    ["a build below", "buildkit/snapshots.db", `\0${top.parent!}\0`, 1],
  ])("stays where %s relies on it", async (_, path, content, staying) => {
    const root = await newRoot();
    await leave(root);
    await mkdir(join(root, dirname(path)), { recursive: true });
    await writeFile(join(root, path), content);
    for (let session = 0; session < 2; session += 1) {
      await writing(root, async () => undefined, SWEEPING);
      expect(await layersIn(root)).toHaveLength(staying);
    }
    await rm(join(root, path));
    await writing(root, async () => undefined, SWEEPING);
    // What an image has used is dockerd's to remove with the image.
    const forDockerd = path.includes("imagedb");
    expect(await layersIn(root)).toHaveLength(forDockerd ? 2 : 0);
    expect(await litter(root)).toEqual([]);
  });

  it("goes even when it was damaged since", async () => {
    const root = await newRoot();
    await leave(root);
    const base = image.layers[0]!.chainId.slice(7);
    await rm(join(root, driver, "layerdb/sha256", base, "diff"));
    await writing(root, async () => undefined, SWEEPING);
    expect(await layersIn(root)).toEqual([]);
    expect(await litter(root)).toEqual([]);
  });
});
