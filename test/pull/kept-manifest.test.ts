// What a pull remembers of an image beside docker's own format: its manifest.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { pull } from "#src/index.js";
import { openStore, readManifestHint, type ImageId } from "#store/index.js";
import { imageOf, indexOf, MACHINE } from "../helpers/image-builder.js";
import { newRoot } from "../store/support/roots.js";
import { smallImage } from "./support/layers.js";
import { publish, publishManifest, pulling, serve } from "./support/pulls.js";
import { expectSound } from "./support/stored.js";

const keptIn = (root: string): Promise<string[]> =>
  readdir(join(root, "tpull/manifests"));

it("a pull keeps the manifest of the image, not the index it was chosen from", async () => {
  const registry = await serve();
  const root = await newRoot();
  const image = smallImage(["a", "b"]);
  publish(registry, "app", image);
  const index = indexOf([{ image, platform: MACHINE }]);
  const reference = publishManifest(registry, "app:1", index);
  await pull(reference, { root });
  const id = image.config.digest.slice(7);
  expect(await keptIn(root)).toEqual([id]);
  expect(await readFile(join(root, "tpull/manifests", id))).toEqual(
    image.manifest.data,
  );
  const { layout } = await openStore(root);
  const hint = readManifestHint(layout, image.config.digest as ImageId);
  expect(hint).toMatchObject({
    digest: image.manifest.digest,
    layers: image.layers.map(({ digest, size }) => ({ digest, size })),
  });
  await expectSound(root);
});

it("one for each image, whatever names it has", async () => {
  const registry = await serve();
  const root = await newRoot();
  const one = smallImage(["a", "b"]);
  const other = imageOf([one.layers[0]!]);
  const names = [
    publish(registry, "app:1", one),
    publish(registry, "app:2", one),
    publish(registry, "app:3", other),
  ];
  const { failures } = await pulling(names, { root });
  expect(failures).toEqual([]);
  const ids = [one, other].map(({ config }) => config.digest.slice(7));
  expect((await keptIn(root)).sort()).toEqual(ids.sort());
});

it("an image that fails leaves none", async () => {
  const registry = await serve();
  const root = await newRoot();
  const good = publish(registry, "app:1", smallImage(["a"]));
  const bad = smallImage(["b", "c"]);
  const lost = publish(registry, "app:2", bad);
  registry.blobs.delete(bad.layers[1]!.digest);
  const { failures } = await pulling([good, lost], { root });
  expect(failures).toHaveLength(1);
  expect(await keptIn(root)).toEqual([
    smallImage(["a"]).config.digest.slice(7),
  ]);
});
