// A removal that is killed, or that a power cut ends: what is left can be
// seen whole, and the next session that ends finishes it.
import { execFileSync } from "node:child_process";
import { readdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type ImageId, openStore, prune, removeImages } from "#store/index.js";
import { Survey } from "#store/survey/survey.js";
import { noteParent } from "../support/docker-state.js";
import { type FakeImage, fakeImage, storeImage } from "../support/images.js";
import { powerCuts } from "../support/power-cut.js";
import {
  layersIn,
  litter,
  newRoot,
  temporaryFolder,
  writing,
} from "../support/roots.js";
import { type JobOptions, runSession, type Said } from "../support/sessions.js";

const app = fakeImage("app", "one", "two");
const child = fakeImage("child", "one", "two", "four");
const other = fakeImage("other", "one", "three");
const kept = fakeImage("kept", "five");
const ALL = [app, child, other, kept];
const GOING = [app, child, other];

const REMOVALS: [string, NonNullable<JobOptions["manage"]>, number][] = [
  ["rmi", { call: "removeImages", args: [["app", "other", "child"], {}] }, 1],
  // The same removal by another way to it: every third step has to do.
  ["prune", { call: "prune", args: [{ all: true, labels: [] }] }, 3],
];

/** What can be seen is whole; when the next session has ended, nothing else is there. */
async function expectSound(root: string): Promise<void> {
  const store = await openStore(root);
  const seen = new Survey(store.layout);
  const images = seen.images();
  expect(seen.damage).toEqual([]);
  const ids = images.map(({ id }) => id);

  await writing(root, async () => undefined);
  expect(await litter(root)).toEqual([]);
  const after = new Survey(store.layout);
  expect(after.images().map(({ id }) => id)).toEqual(ids);
  expect(after.damage).toEqual([]);
  const used = ALL.filter(({ image }) => ids.includes(image.imageId));
  expect(await layersIn(root)).toEqual(layersOf(used));

  await prune(store, { all: true });
  expect(new Survey(store.layout).imageIds).toEqual([]);
  expect(await layersIn(root)).toEqual([]);
  expect(await litter(root)).toEqual([]);
  const notes = join(root, "image/overlay2/imagedb/metadata/sha256");
  expect(await readdir(notes)).toEqual([]);
}

function layersOf(images: readonly FakeImage[]): string[] {
  const layers = images.flatMap((image) => image.layers);
  return [...new Set(layers.map(({ chainId }) => chainId.slice(7)))].sort();
}

describe("killed before any of its steps", { timeout: 240_000 }, () => {
  it.each(REMOVALS)("%s", async (_, manage, stride) => {
    const template = await newRoot();
    await writing(template, async (writer) => {
      for (const image of ALL) await storeImage(writer, image);
    });
    await noteParent(template, child.image.imageId, app.image.imageId);
    let step = 0;
    let completed = false;
    const lane = async (): Promise<void> => {
      while (!completed) {
        step += stride;
        const root = await newRoot();
        execFileSync("cp", ["-a", template, root]);
        const said = await runSession(root, app, { manage, killAt: step });
        if (said.some(({ event }) => event === "done")) completed = true;
        await expectSound(root);
      }
    };
    // Each step is a process of its own: several at a time.
    await Promise.all([lane(), lane(), lane()]);
    expect(step).toBeGreaterThan(40);
  });
});

describe("a power cut in it", { timeout: 240_000 }, () => {
  it.each(REMOVALS)("%s", async (_, manage) => {
    const root = await newRoot();
    const said: Said[] = [];
    for (const image of [app, other]) {
      said.push(...(await runSession(root, image, { record: true })));
    }
    said.push({ event: "operation", operation: { op: "flushAll" } });
    const settled = operationsOf(said).length;
    const removal = await runSession(root, app, { manage, record: true });
    expect(removal.at(-1)).toEqual({ event: "done" });
    const operations = operationsOf([...said, ...removal]);
    const cuts = powerCuts(root, operations, settled);
    expect(cuts.length).toBeGreaterThan(40);
    for (const cut of cuts) {
      const restored = cut.restore(await temporaryFolder());
      await remember(restored);
      await expectSound(restored).catch((error: unknown) => {
        throw new Error(cut.title, { cause: error });
      });
    }
  });
});

function operationsOf(said: readonly Said[]) {
  return said.flatMap(({ operation }) => operation ?? []);
}

/** The time of a note is written with its name, and the states have names only. */
async function remember(root: string): Promise<void> {
  const folder = join(root, "tpull/unused");
  for (const name of await readdir(folder).catch(() => []))
    await utimes(join(folder, name), 0, 0);
}

it("a removal finishes what another one began", async () => {
  const root = await newRoot();
  await writing(root, async (writer) => {
    for (const image of ALL) await storeImage(writer, image);
  });
  const names = ["app", "child", "other"];
  for (let step = 5; ; step += 7) {
    const said = await runSession(root, app, {
      manage: { call: "removeImages", args: [names] },
      killAt: step,
    });
    if (said.some(({ event }) => event === "done")) break;
  }
  const left = GOING.map(({ image }): ImageId => image.imageId);
  await removeImages(await openStore(root), left);
  expect(await layersIn(root)).toEqual(layersOf([kept]));
  expect(await litter(root)).toEqual([]);
});
