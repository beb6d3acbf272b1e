// Layers that are staged as a whole: the next session commits them as they are,
// unless anything about them is doubtful.
import {
  chmod,
  lstat,
  readFile,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { digestOf, type Digest, openStore } from "#store/index.js";
import { fakeImage, stage, stageAll, storeImage } from "./support/images.js";
import {
  layersIn,
  litter,
  newRoot,
  SWEEPING,
  writing,
} from "./support/roots.js";
import { runSession } from "./support/sessions.js";

const image = fakeImage("app", "one", "two");
const [base, top] = image.layers;

/** A root where both layers are staged and nothing is committed. */
async function staged(): Promise<string> {
  const root = await newRoot();
  await writing(root, async (writer) => {
    for (const { claim } of await stageAll(writer, image.layers)) {
      await claim.release();
    }
    writer.keepUnusedLayers(image.layers.map(({ chainId }) => chainId));
  });
  return root;
}

function directoryOf(root: string, layer = base): string {
  return join(root, "tpull/staging", layer!.chainId.slice(7));
}

/** Whether a session is given the base layer as it was left. */
async function isTaken(root: string): Promise<boolean> {
  return writing(root, async (writer) => {
    const claimed = await writer.claimLayer(base!.chainId, {
      takeComplete: true,
    });
    if ("present" in claimed) throw new Error("it is in the store");
    const { claim, complete } = claimed;
    if (complete !== undefined) {
      expect(complete).toMatchObject({ diffId: base!.diffId, size: 3 });
      expect(await readFile(join(claim.diffDirectory, "file"), "utf8")).toBe(
        "one",
      );
    } else {
      await expect(lstat(join(claim.diffDirectory, "file"))).rejects.toThrow();
    }
    return complete !== undefined;
  });
}

describe("a complete layer", () => {
  it("is committed by a later session", async () => {
    const root = await staged();
    expect(await layersIn(root)).toEqual([]);
    const inode = (await lstat(join(directoryOf(root), "layer/diff"))).ino;
    await writing(root, async (writer) => {
      await storeImage(writer, image);
    });
    const store = await openStore(root);
    const chain = await store.layerChain(top!.chainId);
    expect(chain).toHaveLength(2);
    const diff = join(store.layerPath(chain![0]!.cacheId), "diff");
    expect((await lstat(diff)).ino).toBe(inode);
    expect(await litter(root)).toEqual([]);
  });

  it("outlives sessions that do not want it, and goes when its time is over", async () => {
    const root = await staged();
    await writing(root, async () => undefined);
    expect(await isTaken(root)).toBe(true);
    const again = await staged();
    const eightDaysAgo = Date.now() / 1000 - 8 * 24 * 3600;
    const note = join(directoryOf(again), "complete");
    await utimes(note, eightDaysAgo, eightDaysAgo);
    await writing(again, async () => undefined);
    expect(await litter(again)).toEqual([
      `tpull/staging/${top!.chainId.slice(7)}`,
    ]);
    await writing(again, async () => undefined, SWEEPING);
    expect(await litter(again)).toEqual([]);
  });

  it("is removed by a session that had it and does not keep it", async () => {
    const root = await newRoot();
    await writing(root, async (writer) => {
      const one = await stage(writer, base!);
      await one!.claim.release();
    });
    expect(await litter(root)).toEqual([]);
  });

  it("is an empty claim for who does not ask for it", async () => {
    const root = await staged();
    await writing(root, async (writer) => {
      const claimed = await writer.claimLayer(base!.chainId);
      expect(claimed).not.toHaveProperty("complete");
      const { claim } = claimed as { claim: { diffDirectory: string } };
      await expect(lstat(join(claim.diffDirectory, "file"))).rejects.toThrow();
    });
  });

  it("tells its blob", async () => {
    const root = await newRoot();
    const blob = digestOf("blob") as Digest;
    await writing(root, async (writer) => {
      const claimed = await writer.claimLayer(base!.chainId);
      if ("present" in claimed) throw new Error("present");
      const { claim } = claimed;
      await writeFile(join(claim.writeSetDirectory, "tar-split.json.gz"), "");
      claim.complete({ diffId: base!.diffId, size: 0, blob, warnings: [] });
      await claim.release();
      writer.keepUnusedLayers();
    });
    expect(await (await openStore(root)).leftBlobs()).toEqual(new Set([blob]));
  });

  it("survives a kill in the middle of its commit", async () => {
    let step = 0;
    let done = false;
    const lane = async (): Promise<void> => {
      while (!done) {
        step += 1;
        const killAt = step;
        const root = await staged();
        const { ino } = await lstat(join(directoryOf(root), "layer/diff"));
        const said = await runSession(root, image, { killAt });
        if (said.some(({ event }) => event === "done")) done = true;
        await writing(root, (writer) => storeImage(writer, image));
        const store = await openStore(root);
        const [record] = (await store.layerChain(top!.chainId)) ?? [];
        const diff = join(store.layerPath(record!.cacheId), "diff");
        expect((await lstat(diff)).ino, `killed at ${killAt}`).toBe(ino);
        expect(await litter(root)).toEqual([]);
      }
    };
    await Promise.all([lane(), lane(), lane()]);
    expect(step).toBeGreaterThan(40);
  }, 60_000);
});

describe("a layer is begun anew", () => {
  const change = (edit: (note: Record<string, unknown>) => object | string) => {
    return async (root: string): Promise<void> => {
      const path = join(directoryOf(root), "complete");
      const note = JSON.parse(await readFile(path, "utf8")) as Record<
        string,
        unknown
      >;
      const edited = edit(note);
      const text = typeof edited === "string" ? edited : JSON.stringify(edited);
      await writeFile(path, text);
    };
  };
  const cases: [string, (root: string) => Promise<unknown>][] = [
    ["without a note", (root) => rm(join(directoryOf(root), "complete"))],
    [
      "after a restart of the machine",
      change((note) => ({ ...note, era: `x${String(note["era"])}` })),
    ],
    ["where the note is torn", change((note) => JSON.stringify(note).slice(9))],
    ["where the note is empty", change(() => "")],
    ["where the note is null", change(() => "null")],
    [
      "where the note is of another format",
      change((n) => ({ ...n, format: 2 })),
    ],
    [
      "where it is another layer",
      change((n) => ({ ...n, diffId: top!.diffId })),
    ],
    ["where it has a parent", change((n) => ({ ...n, parent: top!.chainId }))],
    ["where its size is none", change((n) => ({ ...n, size: -1 }))],
    ["where its blob is none", change((n) => ({ ...n, blob: "../x" }))],
    ["where its warnings are none", change((n) => ({ ...n, warnings: [{}] }))],
    [
      "where others may write the note",
      (root) => chmod(join(directoryOf(root), "complete"), 0o666),
    ],
    [
      "where others may write beside the note",
      (root) => chmod(directoryOf(root), 0o777),
    ],
    [
      "where the note is a link",
      async (root) => {
        const path = join(directoryOf(root), "complete");
        await rename(path, join(root, "note"));
        await symlink(join(root, "note"), path);
      },
    ],
    [
      "where its files are gone",
      (root) => rm(join(directoryOf(root), "layer"), { recursive: true }),
    ],
    [
      "where its archive record is gone",
      (root) => rm(join(directoryOf(root), "write-set/tar-split.json.gz")),
    ],
  ];
  it.each(cases)("%s", async (_, spoil) => {
    const root = await staged();
    await spoil(root);
    expect(await isTaken(root)).toBe(false);
  });
});
