// Stored images as one archive: what is in it, that it is always the same, and that it is whole or not there.
import { execFileSync, spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import {
  type Compression,
  openStore,
  saveImages,
  type SaveOptions,
} from "#store/index.js";
import { jsonMember, readArchive } from "../../helpers/archive.js";
import {
  imageOf,
  sha256,
  type Image,
  type LayerBlob,
} from "../../helpers/image-builder.js";
import { findPeer } from "../../helpers/peers.js";
import { storedLayers } from "../../helpers/store/data-root.js";
import { spawnTpull, tpull, tpullOk } from "../../helpers/tpull-cli.js";
import { bigLayer, smallLayer } from "../../pull/support/layers.js";
import {
  failureOf,
  publish,
  pulling,
  serve,
} from "../../pull/support/pulls.js";
import { listing, newRoot, temporaryFolder } from "../support/roots.js";

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  annotations?: Record<string, string>;
}
interface Listed {
  Config: string;
  RepoTags: string[] | null;
  Layers: string[];
  LayerSources: Record<string, Descriptor>;
}

/** A root with images by name; returns it and what stands before the names. */
async function rootOf(
  images: Record<string, Image>,
): Promise<{ root: string; host: string }> {
  const registry = await serve();
  const root = await newRoot();
  const references = Object.entries(images).map(([name, image]) =>
    publish(registry, name, image),
  );
  const { failures } = await pulling(references, { root });
  expect(failures).toEqual([]);
  return { root, host: registry.host };
}

/** An archive in memory. */
async function saved(
  root: string,
  names: string[],
  options: SaveOptions = {},
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const write = async (bytes: Uint8Array): Promise<void> => {
    chunks.push(Buffer.from(bytes));
  };
  await saveImages(await openStore(root), names, { write }, options);
  return Buffer.concat(chunks);
}

const shared = (): LayerBlob => smallLayer("shared");
const one = (): Image => imageOf([shared(), smallLayer("one")]);
const two = (): Image => imageOf([shared(), smallLayer("two")]);

describe("an archive of stored images", () => {
  it("is an image layout and docker's own archive, with shared layers once", async () => {
    const { root, host } = await rootOf({ "one:1": one(), "a/two:b": two() });
    const bytes = await saved(root, [`${host}/one:1`, `${host}/a/two:b`]);
    const members = await readArchive(bytes);
    const blobs = [...members].filter(([name]) => name.startsWith("blobs/"));
    for (const [name, content] of blobs) {
      expect(`sha256:${name.slice("blobs/sha256/".length)}`).toBe(
        sha256(content),
      );
    }
    expect(blobs).toHaveLength(2 + 2 + 3); // manifests, configs, layers
    expect(members.get("oci-layout")?.toString()).toBe(
      '{"imageLayoutVersion":"1.0.0"}',
    );

    const listed = jsonMember<Listed[]>(members, "manifest.json");
    const path = (digest: string) => `blobs/sha256/${digest.slice(7)}`;
    expect(listed).toMatchObject(
      [one(), two()].map((image, at) => ({
        Config: path(image.config.digest),
        RepoTags: [[`${host}/one:1`, `${host}/a/two:b`][at]],
        Layers: image.layers.map(({ diffId }) => path(diffId)),
      })),
    );
    expect(jsonMember(members, "repositories")).toEqual({
      [`${host}/one`]: { "1": one().layers[1]!.diffId.slice(7) },
      [`${host}/a/two`]: { b: two().layers[1]!.diffId.slice(7) },
    });

    const { manifests } = jsonMember<{ manifests: Descriptor[] }>(
      members,
      "index.json",
    );
    expect(manifests.map(({ annotations }) => annotations)).toEqual([
      {
        "io.containerd.image.name": `${host}/one:1`,
        "org.opencontainers.image.ref.name": "1",
      },
      {
        "io.containerd.image.name": `${host}/a/two:b`,
        "org.opencontainers.image.ref.name": "b",
      },
    ]);
    for (const { digest, size } of manifests) {
      const manifest = members.get(path(digest))!;
      expect(manifest.length).toBe(size);
      const { layers } = JSON.parse(manifest.toString()) as {
        layers: Descriptor[];
      };
      for (const layer of layers) {
        expect(members.get(path(layer.digest))?.length).toBe(layer.size);
      }
    }
  });

  it("gives the names that were asked for, and none to an ID", async () => {
    const image = one();
    const { root, host } = await rootOf({ "r:a": image, "r:b": image });
    const tags = async (...names: string[]) => {
      const members = await readArchive(await saved(root, names));
      return jsonMember<Listed[]>(members, "manifest.json").map(
        ({ RepoTags }) => RepoTags,
      );
    };
    expect(await tags(`${host}/r`)).toEqual([[`${host}/r:a`, `${host}/r:b`]]);
    expect(await tags(`${host}/r:b`)).toEqual([[`${host}/r:b`]]);
    expect(await tags(image.config.digest.slice(7, 20))).toEqual([null]);
    expect(await tags(`${host}/r@${image.manifest.digest}`)).toEqual([null]);
    expect(await tags(image.config.digest, `${host}/r:b`)).toEqual([
      [`${host}/r:b`],
    ]);
  });

  it.each(["none", "gzip", "zstd"] satisfies Compression[])(
    "is the same in a file and on a pipe, compressed with %s",
    async (compression) => {
      const { root, host } = await rootOf({ "one:1": one(), "two:1": two() });
      const names = [`${host}/two`, `${host}/one`];
      const file = join(await temporaryFolder(), "saved.tar");
      const result = await saveImages(await openStore(root), names, file, {
        compression,
      });
      const bytes = await readFile(file);
      expect(result.bytes).toBe(bytes.length);
      expect(result.layers).toBe(3);
      expect((await saved(root, names, { compression })).equals(bytes)).toBe(
        true,
      );

      const members = await readArchive(bytes);
      const listed = jsonMember<Listed[]>(members, "manifest.json");
      for (const [diffId, { digest, size, mediaType }] of listed.flatMap(
        ({ LayerSources }) => Object.entries(LayerSources),
      )) {
        const blob = members.get(`blobs/sha256/${digest.slice(7)}`)!;
        expect([sha256(blob), blob.length]).toEqual([digest, size]);
        const suffix = compression === "none" ? "" : `+${compression}`;
        expect(mediaType).toBe(
          `application/vnd.oci.image.layer.v1.tar${suffix}`,
        );
        if (compression === "zstd" && findPeer("zstd") === undefined) continue;
        const tar =
          compression === "gzip"
            ? gunzipSync(blob)
            : compression === "zstd"
              ? spawnSync("zstd", ["-dc"], { input: blob }).stdout
              : blob;
        expect(sha256(tar)).toBe(diffId);
      }
    },
  );

  it("is refused for an image that is not there, and for a folder that is not", async () => {
    const { root, host } = await rootOf({ "one:1": one() });
    const store = await openStore(root);
    const folder = await temporaryFolder();
    const file = join(folder, "x.tar");
    const unknown = saveImages(store, [`${host}/other`], file);
    expect(await failureOf(unknown)).toMatchObject({ code: "IMAGE_NOT_FOUND" });
    const nowhere = join(folder, "none", "x.tar");
    const lost = saveImages(store, [`${host}/one`], nowhere);
    expect(await failureOf(lost)).toMatchObject({
      code: "OUTPUT_NOT_WRITABLE",
    });
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("a damaged layer", () => {
  it.each(["none", "gzip"] satisfies Compression[])(
    "fails the save and leaves what was there (%s)",
    async (compression) => {
      const image = imageOf([bigLayer(3_000_000), smallLayer("one")]);
      const { root, host } = await rootOf({ "one:1": image });
      const [layer] = [...(await storedLayers(root)).values()].filter(
        ({ parent }) => parent === undefined,
      );
      const path = join(layer!.folder, "diff", "noise-1");
      const content = await readFile(path);
      content[1_000_000]! ^= 1;
      await writeFile(path, content);
      const folder = await temporaryFolder();
      const file = join(folder, "saved.tar");
      await writeFile(file, "of yesterday");

      const store = await openStore(root);
      const before = await listing(root);
      for (const to of [file, { write: async () => undefined }]) {
        const options = { compression };
        const saving = saveImages(store, [`${host}/one`], to, options);
        const { code, details } = await failureOf(saving);
        expect(code).toBe("LAYER_DAMAGED");
        expect(details["expected"]).toBe(image.layers[0]!.diffId);
      }
      expect(await readdir(folder)).toEqual(["saved.tar"]);
      expect(await readFile(file, "utf8")).toBe("of yesterday");
      expect(await listing(root)).toEqual(before);
    },
  );

  it("that has lost a file is named, too", async () => {
    const { root, host } = await rootOf({ "one:1": one() });
    for (const { record } of (await storedLayers(root)).values()) {
      await writeFile(join(record, "tar-split.json.gz"), "no gzip");
    }
    const { code, stderr } = await tpull([
      "save",
      "--root",
      root,
      `${host}/one`,
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/LAYER_DAMAGED/);
  });
});

describe("tpull save", () => {
  it.each<[string, (path: string) => void]>([
    ["is garbage", (path) => writeFileSync(path, "[".repeat(100_000))],
    [
      "is a pipe",
      (path) => {
        rmSync(path);
        execFileSync("mkfifo", [path]);
      },
    ],
  ])(
    "says why no name is known where repositories.json %s",
    async (_, damage) => {
      const { root, host } = await rootOf({ "one:1": one() });
      damage(join(root, "image/overlay2/repositories.json"));
      const { code, stderr } = await tpull([
        "save",
        "--root",
        root,
        `${host}/one:1`,
      ]);
      expect(code).toBe(1);
      expect(stderr).toContain("IMAGE_NOT_FOUND");
      expect(stderr).toMatch(/repositories\.json.*\(REPOSITORIES_DAMAGED\)/);
    },
  );

  it("keeps its archive from a terminal and from --json", async () => {
    const { root, host } = await rootOf({ "one:1": one() });
    const json = await tpull(["save", "--json", "--root", root, `${host}/one`]);
    expect(json).toMatchObject({ code: 2, stdout: "" });
    const file = join(await temporaryFolder(), "x.tar");
    const said = await tpullOk(
      ["image", "save", "--json", "-o", file, "--root", root].concat(
        `${host}/one`,
      ),
    );
    expect(JSON.parse(said)).toMatchObject({
      images: [{ imageId: one().config.digest, tags: [`${host}/one:1`] }],
      layers: 2,
    });
  });

  it("leaves no half file when it is killed, and the next run tidies up", async () => {
    const layers = [1, 2, 3].map((seed) => bigLayer(12_000_000, seed));
    const { root, host } = await rootOf({ "big:1": imageOf(layers) });
    const folder = await temporaryFolder();
    const file = join(folder, "saved.tar");
    const args = ["save", "--root", root, "--compress=gzip", "-o", file];
    const child = spawnTpull([...args, `${host}/big`]);
    while ((await readdir(folder)).length === 0) await delay(5);
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
    expect(await readdir(folder)).not.toContain("saved.tar");
    expect(await readdir(folder)).not.toEqual([]);

    await tpullOk([...args, `${host}/big`]);
    expect(await readdir(folder)).toEqual(["saved.tar"]);
    expect(
      (await saved(root, [`${host}/big`], { compression: "gzip" })).equals(
        await readFile(file),
      ),
    ).toBe(true);
  });

  it("stops on a signal without a trace", async () => {
    const layers = [1, 2].map((seed) => bigLayer(12_000_000, seed));
    const { root, host } = await rootOf({ "big:1": imageOf(layers) });
    const folder = await temporaryFolder();
    const file = join(folder, "saved.tar");
    const child = spawnTpull(
      ["save", "--root", root, "--compress=gzip", "-o", file].concat(
        `${host}/big`,
      ),
    );
    while ((await readdir(folder)).length === 0) await delay(5);
    child.kill("SIGTERM");
    const code = await new Promise((resolve) => child.once("exit", resolve));
    expect(code).toBe(143);
    expect(await readdir(folder)).toEqual([]);
  });
});
