// Layers that are brought again from blobs that a pull has kept: nobody has to be asked for them.
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { pull } from "#src/index.js";
import {
  type Digest,
  isDamage,
  openStore,
  repairStore,
  type RepairOptions,
  type Store,
  verifyStore,
} from "#store/index.js";
import { imageOf, type Image } from "../../helpers/image-builder.js";
import { checkStore } from "../../helpers/store/check.js";
import { smallLayer } from "../../pull/support/layers.js";
import { publish, serve } from "../../pull/support/pulls.js";
import { newRoot } from "../support/roots.js";
import { Scene } from "../verify/support/scene.js";
import { supplierOf } from "./support/supplier.js";

const image = (): Image => imageOf([smallLayer("one"), smallLayer("two")]);

/** A root with the image and its blobs, one of whose layers has lost its files. */
async function damagedRoot(): Promise<{ store: Store; scene: Scene }> {
  const registry = await serve();
  const root = await newRoot();
  const reference = publish(registry, "app:1", image());
  await pull(reference, { root, keepBlobs: true });
  const scene = new Scene(root, image());
  await rm(scene.cache(1, "diff"), { recursive: true });
  return { store: await openStore(root), scene };
}

async function repaired(store: Store, options: RepairOptions) {
  const { findings } = await verifyStore(store, { threads: 1 });
  expect(findings.filter(isDamage).length).toBeGreaterThan(0);
  return await repairStore(store, { findings }, { concurrency: 1, ...options });
}

const isSound = async (store: Store): Promise<boolean> =>
  !(await verifyStore(store, { threads: 1 })).findings.some(isDamage);

it("a layer is unpacked from its blob, and nothing is fetched", async () => {
  const { store, scene } = await damagedRoot();
  const name = `from the kept blob ${scene.blobs[1]!.slice(0, 12)}`;
  const dry = await repaired(store, { dryRun: true });
  const { supplier, asked } = supplierOf([image()]);
  const { steps, unrepaired, bytesFetched } = await repaired(store, {
    supplier,
  });
  for (const told of [dry.steps, steps]) {
    expect(told).toContainEqual(
      expect.objectContaining({ action: "restored", note: name }),
    );
  }
  expect({ unrepaired, bytesFetched, asked }).toEqual({
    unrepaired: [],
    bytesFetched: 0,
    asked: [],
  });
  expect(await isSound(store)).toBe(true);
  expect(await checkStore(scene.root)).toEqual([]);
});

it("that works without anybody who could fetch it, and without its names and notes", async () => {
  const { store, scene } = await damagedRoot();
  await rm(join(scene.driver, "distribution/v2metadata-by-diffid/sha256"), {
    recursive: true,
  });
  const { unrepaired } = await repaired(store, {});
  const codes = unrepaired.map(({ finding }) => finding.code);
  expect(codes).not.toContain("OVERLAY_MISSING");
  expect(await readFile(scene.file(1, "etc/two"), "utf8")).toBe("two\n");
});

it("a blob that is damaged, too, is no help: the layer is fetched", async () => {
  const { store, scene } = await damagedRoot();
  const path = store.layout.keptBlob(`sha256:${scene.blobs[1]}` as Digest);
  const bytes = await readFile(path);
  bytes[30]! ^= 1;
  await writeFile(path, bytes);
  const { supplier, asked } = supplierOf([image()]);
  const { unrepaired } = await repaired(store, {
    supplier,
    confirm: async () => true,
  });
  expect(unrepaired).toEqual([]);
  expect(asked).toEqual([`layer sha256:${scene.blobs[1]}`]);
  expect(await isSound(store)).toBe(true);
});
