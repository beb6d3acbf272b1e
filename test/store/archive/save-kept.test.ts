// Saving images with their registry's own blobs, where these are kept.
import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import {
  digestOf,
  openStore,
  removeImages,
  saveImages,
  type SaveOptions,
  type SaveResult,
  tagImage,
} from "#store/index.js";
import { loadImages, pull } from "#src/index.js";
import { jsonMember, readArchive } from "../../helpers/archive.js";
import {
  imageOf,
  indexOf,
  MACHINE,
  sha256,
  type Image,
} from "../../helpers/image-builder.js";
import { storedReferences } from "../../helpers/store/data-root.js";
import { tpull, tpullOk } from "../../helpers/tpull-cli.js";
import { bigLayer, smallLayer } from "../../pull/support/layers.js";
import {
  failureOf,
  publish,
  publishManifest,
  serve,
} from "../../pull/support/pulls.js";
import { newRoot, temporaryFolder } from "../support/roots.js";

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  annotations: Record<string, string>;
}

const one = (): Image => imageOf([smallLayer("shared"), smallLayer("one")]);
const two = (): Image => imageOf([smallLayer("shared"), bigLayer(300_000)]);

/** A root with `one` kept behind an index and `two` kept as it is; `three` is not kept. */
async function someRoot() {
  const registry = await serve();
  const root = await newRoot();
  const index = indexOf([{ image: one(), platform: MACHINE }]);
  publish(registry, "one", one());
  const names = {
    one: publishManifest(registry, "one:1", index),
    two: publish(registry, "a/two:b", two()),
    three: publish(registry, "three:1", imageOf([smallLayer("three")])),
  };
  await pull(names.one, { root, keepBlobs: true });
  await pull(names.two, { root, keepBlobs: true });
  await pull(names.three, { root });
  return { root, names, index, registry };
}

async function saved(
  root: string,
  names: string[],
  options: SaveOptions = {},
): Promise<{ bytes: Buffer; result: SaveResult }> {
  const chunks: Buffer[] = [];
  const write = async (bytes: Uint8Array): Promise<void> => {
    chunks.push(Buffer.from(bytes));
  };
  const store = await openStore(root);
  const result = await saveImages(store, names, { write }, options);
  return { bytes: Buffer.concat(chunks), result };
}

const path = (digest: string) => `blobs/sha256/${digest.slice(7)}`;

it("the archive has the registry's manifests, indexes and blobs, each once", async () => {
  const { root, names, index } = await someRoot();
  const { bytes, result } = await saved(root, [names.one, names.two]);
  expect(result.images).toMatchObject([
    { original: true, manifestDigest: one().manifest.digest },
    { original: true, manifestDigest: two().manifest.digest },
  ]);
  expect(result.layers).toBe(3);
  const members = await readArchive(bytes);
  for (const [name, content] of members) {
    if (name.startsWith("blobs/")) expect(path(sha256(content))).toBe(name);
  }
  for (const { digest, data } of [
    index,
    ...[one(), two()].flatMap(({ manifest, config, layers }) => [
      manifest,
      config,
      ...layers,
    ]),
  ]) {
    expect(members.get(path(digest)), digest).toEqual(data);
  }
  const { manifests } = jsonMember<{ manifests: Descriptor[] }>(
    members,
    "index.json",
  );
  expect(manifests).toMatchObject([
    { digest: index.digest, mediaType: index.mediaType, size: index.size },
    { digest: two().manifest.digest, mediaType: two().manifest.mediaType },
  ]);
  const listed = jsonMember<{ Layers: string[] }[]>(members, "manifest.json");
  expect(listed.map(({ Layers }) => Layers)).toEqual(
    [one(), two()].map(({ layers }) =>
      layers.map(({ digest }) => path(digest)),
    ),
  );
});

it("a file and a stream get the same bytes, and each time", async () => {
  const { root, names } = await someRoot();
  const file = join(await temporaryFolder(), "a.tar");
  const { bytes } = await saved(root, Object.values(names));
  await saveImages(await openStore(root), Object.values(names), file);
  expect(bytes.equals(await readFile(file))).toBe(true);
  const again = await saved(root, Object.values(names));
  expect(again.bytes.equals(bytes)).toBe(true);
});

it("what is loaded from it on the other side has the registry's digests", async () => {
  const { root, names, index } = await someRoot();
  const file = join(await temporaryFolder(), "a.tar");
  await saveImages(await openStore(root), [names.one, names.two], file);
  const there = await newRoot();
  const { failures } = await loadImages(file, { root: there });
  expect(failures).toEqual([]);
  const repository = (name: string) => name.slice(0, name.lastIndexOf(":"));
  expect([...(await storedReferences(there)).keys()].sort()).toEqual(
    [
      names.one,
      `${repository(names.one)}@${index.digest}`,
      names.two,
      `${repository(names.two)}@${two().manifest.digest}`,
    ].sort(),
  );
});

it("images that are not kept, and those of a compression, are put together", async () => {
  const { root, names } = await someRoot();
  const mixed = await saved(root, [names.one, names.three]);
  expect(mixed.result.images.map(({ original }) => original)).toEqual([
    true,
    false,
  ]);
  const listed = jsonMember<{ Layers: string[] }[]>(
    await readArchive(mixed.bytes),
    "manifest.json",
  );
  expect(listed[1]!.Layers).toEqual([path(smallLayer("three").diffId)]);
  for (const compression of ["none", "gzip"] as const) {
    const { result } = await saved(root, [names.one], { compression });
    expect(result.images).toMatchObject([{ original: false }]);
  }
  const failure = await failureOf(
    saved(root, [names.one, names.three], { blobs: "kept" }),
  );
  expect(failure.code).toBe("BLOBS_NOT_KEPT");
  expect(failure.message).toContain(names.three);
  const { result } = await saved(root, [names.one], { blobs: "kept" });
  expect(result.images).toMatchObject([{ original: true }]);
});

it("one of which a blob has gone is put together", async () => {
  const { root, names } = await someRoot();
  const store = await openStore(root);
  await rm(store.layout.keptBlob(one().layers[1]!.digest as never));
  const { result } = await saved(root, [names.one, names.two]);
  expect(result.images.map(({ original }) => original)).toEqual([false, true]);
});

it("a name that the registry does not know says nothing of its digests", async () => {
  const { root, names } = await someRoot();
  const store = await openStore(root);
  await tagImage(store, names.two, ["mine:1"]);
  await removeImages(store, [names.two]);
  const { bytes, result } = await saved(root, ["mine:1"]);
  expect(result.images).toMatchObject([{ original: true }]);
  const { manifests } = jsonMember<{ manifests: Descriptor[] }>(
    await readArchive(bytes),
    "index.json",
  );
  expect(manifests.map(({ annotations }) => Object.keys(annotations))).toEqual([
    ["io.containerd.image.name", "org.opencontainers.image.ref.name"],
  ]);
});

it("a damaged blob is found, and no archive comes of it", async () => {
  const { root, names } = await someRoot();
  const store = await openStore(root);
  const [, layer] = two().layers;
  const blob = store.layout.keptBlob(layer!.digest as never);
  const bytes = await readFile(blob);
  bytes[1000]! ^= 1;
  await writeFile(blob, bytes);
  const folder = await temporaryFolder();
  const failure = await failureOf(
    saveImages(store, [names.two], join(folder, "a.tar")),
  );
  expect(failure.code).toBe("LAYER_DAMAGED");
  expect(failure.message).toContain(digestOf(bytes));
  expect(await readdir(folder)).toEqual([]);
});

it("tpull save says what it did", async () => {
  const { root, names } = await someRoot();
  const file = join(await temporaryFolder(), "a.tar");
  const args = ["save", "--root", root, "-o", file];
  const plain = await tpull([...args, names.two, names.three]);
  expect(plain).toMatchObject({ code: 0, stdout: "" });
  const lines = plain.stderr.split("\n");
  expect(lines).toHaveLength(3);
  expect(lines).toContain(
    `tpull: ${names.two}: with its registry's own blobs and manifest, ${two().manifest.digest}`,
  );
  const rebuilt = `tpull: ${names.three}: with layers put together from their files and a manifest of its own, sha256:`;
  expect(lines.some((line) => line.startsWith(rebuilt))).toBe(true);
  const json = JSON.parse(
    await tpullOk([...args, "--json", "--compress", "kept", names.two]),
  ) as SaveResult;
  expect(json.images).toMatchObject([{ original: true }]);
  const refused = await tpull([...args, "--compress", "kept", names.three]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("(BLOBS_NOT_KEPT)");
});
