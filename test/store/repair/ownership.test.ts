// Which directory in `overlay2` is whose, when entries say so wrongly or not at all.
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  type Finding,
  isDamage,
  openStore,
  repairStore,
  verifyStore,
} from "#store/index.js";
import { type Image, imageOf, layerOf } from "../../helpers/image-builder.js";
import { checkStore } from "../../helpers/store/check.js";
import { archive, directory, file } from "../../helpers/tar-writer.js";
import { newRoot } from "../support/roots.js";
import { putImage } from "../verify/support/images.js";
import { Scene } from "../verify/support/scene.js";

const FILES = layerOf(archive([file("a", "first\n"), file("b", "second\n")]));
/** Its one file is also in the layer above, with the same content. */
const PART = layerOf(archive([file("a", "first\n")]));
/** Its archive says all that there is: nothing tells its files from others'. */
const BARE = layerOf(archive([directory("empty/")]));
const TOP = layerOf(archive([file("top", "top\n")]));
const LAYERS = imageOf([PART, BARE, FILES, TOP]);
/** Two of its layers are in the other image, too, on another base. */
const TWIN = imageOf([layerOf(archive([file("base", "base\n")])), FILES, BARE]);

async function laidOut(): Promise<[Scene, Scene]> {
  const root = await newRoot();
  const images: [string, Image][] = [
    ["layers", LAYERS],
    ["twin", TWIN],
  ];
  for (const [repository, image] of images) {
    await putImage(root, image, { repository, tag: "1" });
  }
  return [new Scene(root, LAYERS), new Scene(root, TWIN)];
}

async function check(root: string): Promise<Finding[]> {
  const { findings } = await verifyStore(await openStore(root), { threads: 1 });
  return findings.filter(isDamage);
}

/** Repairs from what is in the root, until nothing more comes to light. */
async function mend(root: string): Promise<void> {
  for (let round = 1; round <= 3; round += 1) {
    const findings = await check(root);
    if (round === 1) expect(findings).not.toEqual([]);
    const { steps } = await repairStore(
      await openStore(root),
      { findings },
      { concurrency: 1, confirm: async () => true },
    );
    if (steps.length === 0) break;
  }
}

/** Whether a layer's file is the very same as before. */
function inodeOf(scene: Scene, layer: number, name: string): number {
  return statSync(scene.file(layer, name)).ino;
}

describe("an entry that names another layer's directory", () => {
  it.each([
    ["of a layer whose archive says all that there is", 1, 2],
    ["of one below it", 2, 0],
    ["of one above it", 0, 2],
  ])("%s", async (_, wrong, right) => {
    const [scene] = await laidOut();
    const before = inodeOf(scene, right, "a");
    writeFileSync(scene.entry(wrong, "cache-id"), scene.cacheId(right));
    await mend(scene.root);
    expect(inodeOf(scene, right, "a")).toBe(before);
    expect(await check(scene.root)).toEqual([]);
    expect(await checkStore(scene.root)).toEqual([]);
  });

  it("of a layer with the same content", async () => {
    const [scene, twin] = await laidOut();
    const inodes = [inodeOf(scene, 2, "a"), inodeOf(twin, 1, "a")];
    const cacheId = twin.cacheId(1);
    writeFileSync(twin.entry(1, "cache-id"), scene.cacheId(2));
    await mend(scene.root);
    expect(twin.cacheId(1)).toBe(cacheId);
    expect([inodeOf(scene, 2, "a"), inodeOf(twin, 1, "a")]).toEqual(inodes);
    expect(await check(scene.root)).toEqual([]);
  });
});

it("all layers get their own directories back when no entry names one", async () => {
  const [scene, twin] = await laidOut();
  const places = (): string[] => [
    ...[0, 1, 2, 3].map((layer) => scene.cacheId(layer)),
    ...[0, 1, 2].map((layer) => twin.cacheId(layer)),
  ];
  const before = places();
  for (const layer of [0, 1, 2, 3])
    truncateSync(scene.entry(layer, "cache-id"));
  for (const layer of [0, 1, 2]) truncateSync(twin.entry(layer, "cache-id"));
  await mend(scene.root);
  expect(await check(scene.root)).toEqual([]);
  expect(await checkStore(scene.root)).toEqual([]);
  // The topmost of the second image could be anybody's: it is made anew.
  expect(places().slice(0, 6)).toEqual(before.slice(0, 6));
  expect(readFileSync(scene.file(2, "b"), "utf8")).toBe("second\n");
});
