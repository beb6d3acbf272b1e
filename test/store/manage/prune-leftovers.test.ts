// What interrupted pulls left goes when somebody says so, and nothing that is at work.
import { mkdir, readdir, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  digestOf,
  type Leftover,
  openStore,
  pruneLeftovers,
  type PruneLeftoversOptions,
  type StoreWriter,
} from "#store/index.js";
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
import { ChildSession } from "../support/sessions.js";

const image = fakeImage("app", "one", "three");
const kept = fakeImage("kept", "one", "two");
const BLOB = Buffer.alloc(5000, 1);
const DIGEST = digestOf(BLOB);

async function keepBlob(writer: StoreWriter): Promise<void> {
  const partial = writer.partialBlob(DIGEST, BLOB.length);
  partial!.keep(0, BLOB.subarray(0, 3000));
  await partial!.close();
}

/** A root with an image, a part of a blob, and the layers of another image as a pull left them. */
async function leftIn(what: "store" | "staging"): Promise<string> {
  const root = await newRoot();
  await writing(root, async (writer) => {
    await storeImage(writer, kept);
    await keepBlob(writer);
  });
  await writing(root, async (writer) => {
    if (what === "store") return await leaveLayers(writer, image);
    for (const { claim } of await stageAll(writer, image.layers)) {
      await claim.release();
    }
    writer.keepUnusedLayers();
  });
  return root;
}

async function prunedIn(
  root: string,
  options?: PruneLeftoversOptions,
): Promise<readonly Leftover[]> {
  const store = await openStore(root);
  const before = await listing(root);
  const forecast = await pruneLeftovers(store, { ...options, dryRun: true });
  expect(await listing(root)).toEqual(before);
  const result = await pruneLeftovers(store, options);
  expect(result).toEqual(forecast);
  const { images, leftovers, freedBytes } = result;
  expect(images).toEqual([]);
  expect(freedBytes).toBe(leftovers.reduce((sum, { bytes }) => sum + bytes, 0));
  return leftovers;
}

const BLOB_LEFT: Leftover = { kind: "blob", digest: DIGEST, bytes: 3000 };
const chainId = image.layers[1]!.chainId;

describe("what goes", () => {
  it("are layers in the store that no image has, and parts of blobs", async () => {
    const root = await leftIn("store");
    expect(await prunedIn(root)).toEqual([
      BLOB_LEFT,
      { kind: "layer", chainId, bytes: "three".length },
    ]);
    expect(await layersIn(root)).toHaveLength(2);
    expect(await litter(root)).toEqual([]);
  });

  it("are layers that wait for others", async () => {
    const root = await leftIn("staging");
    const left = await prunedIn(root);
    expect(left).toMatchObject([BLOB_LEFT, { kind: "layer", chainId }]);
    expect(left[1]!.bytes).toBeGreaterThanOrEqual("three".length);
    expect(await litter(root)).toEqual([]);
  });

  it("is what a killed session was at", async () => {
    const root = await leftIn("store");
    const killed = new ChildSession(root, fakeImage("x", "six", "seven"), {
      hold: "staged",
    });
    await killed.saying("held");
    await killed.kill();
    const staged = await readdir(join(root, "tpull/staging"));
    expect(staged.length).toBeGreaterThan(0);
    const left = await prunedIn(root);
    expect(left).toHaveLength(2 + staged.length);
    expect(await litter(root)).toEqual([]);
  });

  it("is what is old enough", async () => {
    for (const what of ["store", "staging"] as const) {
      const root = await leftIn(what);
      const before = Date.now() - 3_600_000;
      expect(await prunedIn(root, { before })).toEqual([]);
      const then = before / 1000 - 1;
      const hex = chainId.slice(7);
      const note =
        what === "store" ? `unused/${hex}` : `staging/${hex}/complete`;
      await utimes(join(root, "tpull", note), then, then);
      const partial = join(root, "tpull/partial", DIGEST.slice(7));
      await utimes(join(partial, "0"), then, then);
      await utimes(partial, then, then);
      expect(await prunedIn(root, { before })).toHaveLength(2);
      expect(await litter(root)).toEqual([]);
    }
  });

  it("is nothing where nothing is left", async () => {
    const root = await newRoot();
    expect(await prunedIn(root)).toEqual([]);
    await expect(stat(root)).rejects.toMatchObject({ code: "ENOENT" });
    await mkdir(root);
    expect(await prunedIn(root)).toEqual([]);
    expect(await readdir(root)).toEqual([]);
  });
});

describe("what stays", () => {
  it("is what another tpull works on", async () => {
    const root = await newRoot();
    const at = new ChildSession(root, image, { hold: "staged" });
    await at.saying("held");
    await writing(root, async (writer) => {
      const partial = writer.partialBlob(DIGEST, BLOB.length)!;
      partial.keep(0, BLOB.subarray(0, 3000));
      expect(await prunedIn(root)).toEqual([]);
      await partial.close();
    });
    at.release();
    expect((await at.end()).at(-1)).toEqual({ event: "done" });
    expect(await layersIn(root)).toHaveLength(2);
  });

  it("is a layer that another tpull relies on", async () => {
    const root = await newRoot();
    const at = new ChildSession(root, image, { hold: "committed" });
    await at.saying("held");
    expect(await prunedIn(root)).toEqual([]);
    at.release();
    expect((await at.end()).at(-1)).toEqual({ event: "done" });
    expect(await layersIn(root)).toHaveLength(2);
    expect(await litter(root)).toEqual([]);
  });

  it("is what is not tpull's", async () => {
    const root = await leftIn("store");
    await writeFile(join(root, "tpull/partial/README"), "");
    await mkdir(join(root, "image/overlay2/layerdb/tmp/write-set-1"));
    await prunedIn(root);
    expect((await litter(root)).sort()).toEqual([
      "image/overlay2/layerdb/tmp/write-set-1",
      "tpull/partial/README",
    ]);
  });
});
