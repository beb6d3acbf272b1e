// Bundles: what is in them, that they are the same again, that they go on, and that the other side takes them.
import { once } from "node:events";
import {
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import {
  bundleImages,
  checkArchive,
  loadImages,
  parseImageList,
  type BundleOptions,
} from "#src/index.js";
import {
  type DiffId,
  inventory,
  openStore,
  readManifestHint,
} from "#store/index.js";
import { jsonMember, readArchive } from "../helpers/archive.js";
import { layoutArchive } from "../helpers/image-archive.js";
import {
  imageOf,
  indexOf,
  MACHINE,
  type Image,
} from "../helpers/image-builder.js";
import { runOk } from "../helpers/run.js";
import { checkStore } from "../helpers/store/check.js";
import { namesIn, storedReferences } from "../helpers/store/data-root.js";
import { spawnTpull, tpull, tpullOk } from "../helpers/tpull-cli.js";
import { bigLayer, smallImage, smallLayer } from "../pull/support/layers.js";
import {
  addBlob,
  failureOf,
  fetches,
  IMPATIENT,
  publish,
  publishManifest,
  serve,
} from "../pull/support/pulls.js";
import { listing, newRoot, temporaryFolder } from "../store/support/roots.js";

const OPTIONS: BundleOptions = { registry: IMPATIENT };
const one = (): Image => smallImage(["base", "one"]);
const two = (): Image => smallImage(["base", "two"]);
const FOREIGN = { os: "linux", architecture: "s390x" };
const foreign = (): Image => imageOf([smallLayer("s")], { platform: FOREIGN });

/** Everything in a directory by name. */
async function filesIn(folder: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    const path = join(folder, name);
    if ((await stat(path)).isFile()) files.set(name, await readFile(path));
  }
  return files;
}

/** How many bytes the files of a folder hold, while others write and rename them. */
async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  for (const name of names) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found?.isFile() === true) bytes += found.size;
  }
  return bytes;
}

describe("a bundle", () => {
  it("holds the registry's own manifests and blobs, each once", async () => {
    const registry = await serve();
    const index = indexOf([
      { image: foreign(), platform: FOREIGN },
      { image: one(), platform: MACHINE },
    ]);
    for (const image of [foreign(), one()]) {
      publish(registry, "x", image);
    }
    const x = publishManifest(registry, "x:1", index);
    const y = publish(registry, "a/y:2", two());
    const file = join(await temporaryFolder(), "bundle.tar");
    const result = await bundleImages([x, y], file, OPTIONS);
    expect(result.images.map(({ digest }) => digest)).toEqual([
      index.digest,
      two().manifest.digest,
    ]);

    const members = await readArchive(await readFile(file));
    const blobs = [...members.keys()]
      .filter((name) => name.startsWith("blobs/"))
      .map((name) => `sha256:${name.slice(13)}`);
    const wanted = [one(), two()].flatMap(({ config, layers, manifest }) => [
      config.digest,
      manifest.digest,
      ...layers.map(({ digest }) => digest),
    ]);
    expect(blobs.sort()).toEqual(
      [...new Set([index.digest, ...wanted])].sort(),
    );
    const { manifests } = jsonMember<{ manifests: object[] }>(
      members,
      "index.json",
    );
    expect(manifests).toMatchObject([
      {
        digest: two().manifest.digest,
        annotations: {
          "io.containerd.image.name": y,
          "org.opencontainers.image.ref.name": "2",
          [`containerd.io/distribution.source.${registry.host}`]: "a/y",
        },
      },
      { digest: index.digest, mediaType: index.mediaType },
    ]);
    expect(
      jsonMember<{ RepoTags: string[] }[]>(members, "manifest.json"),
    ).toMatchObject([{ RepoTags: [y] }, { RepoTags: [x] }]);
    expect(await checkArchive(file)).toMatchObject({ images: 2, findings: [] });
  });

  it("is the same for the same images, as a file and as a directory", async () => {
    const registry = await serve();
    const x = publish(registry, "x:1", one());
    const y = publish(registry, "y:1", two());
    const folder = await temporaryFolder();
    const at = (name: string) => join(folder, name);
    await bundleImages([x, y], at("a.tar"), OPTIONS);
    await bundleImages([y, x], at("b.tar"), OPTIONS);
    const bytes = await readFile(at("a.tar"));
    expect((await readFile(at("b.tar"))).equals(bytes)).toBe(true);
    await bundleImages([x, y], `${at("dir")}/`, OPTIONS);
    const members = await readArchive(bytes);
    expect(await filesIn(at("dir"))).toEqual(
      new Map([...members].sort(([a], [b]) => (a < b ? -1 : 1))),
    );
    expect((await readdir(folder)).sort()).toEqual(["a.tar", "b.tar", "dir"]);
  });

  it("gains what is new, loses what is no longer asked for, and fetches nothing twice", async () => {
    const registry = await serve();
    const x = publish(registry, "x:1", one());
    const y = publish(registry, "y:1", two());
    const folder = await temporaryFolder();
    for (const place of [join(folder, "b.tar"), join(folder, "dir/")]) {
      registry.requests.length = 0;
      await bundleImages([x], place, OPTIONS);
      await bundleImages([x, y], place, OPTIONS);
      for (const { digest } of [...one().layers, ...two().layers]) {
        expect(fetches(registry, digest)).toBe(1);
      }
      const { images } = await bundleImages([y], place, OPTIONS);
      expect(images[0]?.layers.map(({ source }) => source)).toEqual([
        "present",
        "present",
      ]);
      const { images: count, findings } = await checkArchive(place);
      expect([count, findings]).toEqual([1, []]);
      const fresh = join(folder, `fresh-${place.endsWith("/") ? "/" : "tar"}`);
      await bundleImages([y], fresh, OPTIONS);
      if (place.endsWith("/")) {
        expect(await filesIn(place)).toEqual(await filesIn(fresh));
      } else {
        expect(await readFile(place)).toEqual(await readFile(fresh));
      }
    }
  });

  it("holds the platforms that were asked for, and gives them all", async () => {
    const registry = await serve();
    for (const image of [foreign(), one()]) publish(registry, "x", image);
    const index = indexOf([
      { image: foreign(), platform: FOREIGN },
      { image: one(), platform: MACHINE },
    ]);
    const x = publishManifest(registry, "x:1", index);
    const file = join(await temporaryFolder(), "bundle.tar");
    await bundleImages([x], file, { ...OPTIONS, platform: "all" });
    expect(await checkArchive(file)).toMatchObject({ images: 2, findings: [] });
    const root = await newRoot();
    const here = await loadImages(file, { root });
    expect(here.results.map(({ imageId }) => imageId)).toEqual([
      one().config.digest,
    ]);
    const digests = async () =>
      [...(await storedReferences(root))].filter(([name]) =>
        name.includes("@"),
      );
    const known = [`${registry.host}/x@${index.digest}`, one().config.digest];
    expect(await digests()).toEqual([known]);
    const there = await loadImages(file, { root, platform: "linux/s390x" });
    expect(there.results).toMatchObject([
      { imageId: foreign().config.digest, loaded: { names: [], kept: [x] } },
    ]);
    expect(await digests()).toEqual([known]);
    const all = await newRoot();
    await loadImages(file, { root: all, platform: "all" });
    expect([...(await storedReferences(all)).keys()].sort()).toEqual(
      [
        x,
        `${registry.host}/x@${index.digest}`,
        `${registry.host}/x@${foreign().manifest.digest}`,
      ].sort(),
    );
  });

  it("takes each image for its own platforms, and what its tag is pinned to", async () => {
    const registry = await serve();
    for (const image of [foreign(), one()]) publish(registry, "x", image);
    const index = indexOf([
      { image: foreign(), platform: FOREIGN },
      { image: one(), platform: MACHINE },
    ]);
    const x = publishManifest(registry, "x:1", index);
    publish(registry, "x:1", two());
    const y = publish(registry, "y:1", two());
    const file = join(await temporaryFolder(), "bundle.tar");
    const { digest } = index;
    const made = await bundleImages(
      [
        { reference: x, platform: "linux/s390x", digest },
        y,
        { reference: x, platforms: `linux/${MACHINE.architecture}` },
      ],
      file,
      OPTIONS,
    );
    expect(made.failures).toEqual([]);
    expect(made.images.map(({ imageId }) => imageId)).toEqual([
      foreign().config.digest,
      one().config.digest,
      two().config.digest,
    ]);
    expect(registry.sent(/x\/manifests\/1$/)).toEqual([]);
    const root = await newRoot();
    await loadImages(file, { root });
    const names = await storedReferences(root);
    expect(names.get(x)).toBe(one().config.digest);
    expect(names.get(`${registry.host}/x@${digest}`)).toBe(one().config.digest);
    expect(names.get(y)).toBe(two().config.digest);
  });

  it("keeps names, digests and all that a pull knows", async () => {
    const registry = await serve();
    const x = publish(registry, "x:1", one());
    const byDigest = publish(registry, "z", two());
    const file = join(await temporaryFolder(), "bundle.tar");
    await bundleImages([x, byDigest], file, OPTIONS);
    const root = await newRoot();
    await loadImages(file, { root });
    expect([...(await storedReferences(root)).keys()].sort()).toEqual(
      [x, `${registry.host}/x@${one().manifest.digest}`, byDigest].sort(),
    );
    const store = await openStore(root);
    for (const { digest, diffId } of one().layers) {
      expect(await store.diffIdOf(digest as never)).toBe(diffId);
    }
    for (const { config, manifest, layers } of [one(), two()]) {
      const hint = readManifestHint(store.layout, config.digest as never);
      expect(hint).toMatchObject({
        digest: manifest.digest,
        layers: layers.map(({ digest, size }) => ({ digest, size })),
      });
    }
    expect(await checkStore(root)).toEqual([]);
  });
});

describe("a sparse bundle", () => {
  it("leaves out what the other side has, and is refused where that is not so", async () => {
    const registry = await serve();
    const x = publish(registry, "x:1", one());
    const y = publish(registry, "y:1", two());
    const folder = await temporaryFolder();
    const at = (name: string) => join(folder, name);
    const root = await newRoot();
    const old = at("old.tar");
    await bundleImages([x], old, OPTIONS);
    await loadImages(old, { root });
    const there = await inventory(await openStore(root));
    await writeFile(at("there.json"), JSON.stringify(there));

    const [base] = two().layers;
    for (const [name, options] of [
      ["inventory", { have: [at("there.json")] }],
      ["older", { have: [old] }],
      ["base", { base: [x] }],
    ] as const) {
      const sparse = at(`${name}.tar`);
      const { bytesLeftOut, images } = await bundleImages([y], sparse, {
        ...OPTIONS,
        ...options,
      });
      expect(bytesLeftOut).toBe(base!.size);
      expect(images[0]?.layers.map(({ source }) => source)).toEqual([
        "left-out",
        "fetched",
      ]);
      const members = await readArchive(await readFile(sparse));
      expect(members.has(`blobs/sha256/${base!.digest.slice(7)}`)).toBe(false);
    }
    const sparse = at("inventory.tar");
    const empty = await newRoot();
    const { failures } = await loadImages(sparse, { root: empty });
    expect(failures).toMatchObject([
      {
        error: {
          code: "ARCHIVE_INCOMPLETE",
          details: { missing: [base!.digest] },
        },
      },
    ]);
    expect(await namesIn(dirname(empty))).toEqual([]);
    const needed = {
      digest: base!.digest,
      diffId: base!.diffId,
      images: [y],
    };
    expect(await checkArchive(sparse)).toMatchObject({
      findings: [],
      needs: [needed],
    });
    const have = new Set([base!.diffId as DiffId]);
    expect(await checkArchive(sparse, { have })).toMatchObject({
      findings: [],
      needs: [],
    });
    const { results } = await loadImages(sparse, { root });
    expect(results).toMatchObject([{ imageId: two().config.digest }]);
    expect(await checkStore(root)).toEqual([]);
  });

  it("does not take just any file for an inventory", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "x.json");
    for (const text of [
      '{"diffIds":[]}',
      "{",
      '{"inventory":1,"diffIds":[1]}',
    ]) {
      await writeFile(path, text);
      const making = bundleImages([], join(folder, "b.tar"), { have: [path] });
      expect(await failureOf(making)).toMatchObject({ code: "HAVE_INVALID" });
    }
  });
});

describe("a bundle that fails", () => {
  it("is as it was, and the next run goes on", async () => {
    const image = imageOf([bigLayer(1_000_000, 1), bigLayer(1_000_000, 2)]);
    const registry = await serve();
    const x = publish(registry, "x:1", image);
    const y = publish(registry, "y:1", one());
    const folder = await temporaryFolder();
    const place = join(folder, "dir/");
    await bundleImages([y], place, OPTIONS);
    const before = await filesIn(place);
    const [, lost] = image.layers;
    registry.blobs.delete(lost!.digest);
    const failing = bundleImages([x, y], place, { ...OPTIONS, concurrency: 1 });
    expect(await failureOf(failing)).toMatchObject({ code: "BLOB_UNKNOWN" });
    for (const [name, bytes] of before) {
      expect(await readFile(join(place, name))).toEqual(bytes);
    }
    expect(await checkArchive(place)).toMatchObject({ images: 1 });
    addBlob(registry, lost!);
    registry.requests.length = 0;
    await bundleImages([x, y], place, OPTIONS);
    expect(fetches(registry, image.layers[0]!.digest)).toBeLessThanOrEqual(1);
    expect(await checkArchive(place)).toMatchObject({
      images: 2,
      findings: [],
    });
  });

  it("for an image that is not there says so, and writes nothing", async () => {
    const registry = await serve();
    const x = publish(registry, "x:1", one());
    const folder = await temporaryFolder();
    const file = join(folder, "b.tar");
    const asked = [x, `${registry.host}/none:1`];
    const { failures } = await bundleImages(asked, file, OPTIONS);
    expect(failures).toHaveLength(1);
    expect(await readdir(folder)).toEqual([]);
  });

  it("by bytes that are not the registry's own is not made of them", async () => {
    const registry = await serve();
    const x = publish(registry, "x:1", one());
    const [, top] = one().layers;
    registry.blobs.set(top!.digest, Buffer.alloc(top!.size));
    const folder = await temporaryFolder();
    const making = bundleImages([x], join(folder, "b.tar"), OPTIONS);
    expect(await failureOf(making)).toMatchObject({ code: "DIGEST_MISMATCH" });
    expect(await readdir(folder)).toEqual(["b.tar.tpull-parts"]);
  });

  it("does not touch what is no bundle", async () => {
    const registry = await serve();
    const x = publish(registry, "x:1", one());
    const folder = await temporaryFolder();
    const file = join(folder, "notes.txt");
    await writeFile(file, "mine");
    await mkdir(join(folder, "dir"));
    await writeFile(join(folder, "dir", "index.json"), "{}");
    const before = await filesIn(folder);
    for (const place of [file, join(folder, "dir"), folder]) {
      const making = bundleImages([x], place, OPTIONS);
      expect(await failureOf(making)).toMatchObject({ code: "OUTPUT_EXISTS" });
    }
    expect(await filesIn(folder)).toEqual(before);
  });

  it("because it was killed goes on where it was", async () => {
    const layers = [1, 2, 3].map((seed) => bigLayer(4_000_000, seed));
    const image = imageOf(layers);
    const registry = await serve();
    const x = publish(registry, "x:1", image);
    const folder = await temporaryFolder();
    const file = join(folder, "b.tar");
    const args = ["bundle", "--plain-http", registry.host, "-o", file, x];
    for (const blobs of [1, 3, 5]) {
      const child = spawnTpull(args);
      const parts = `${file}.tpull-parts/blobs/sha256`;
      const ended = once(child, "exit");
      while (
        child.exitCode === null &&
        (await namesIn(parts)).length < blobs &&
        !(await namesIn(folder)).includes("b.tar")
      ) {
        await delay(2);
      }
      child.kill("SIGKILL");
      await ended;
      if ((await namesIn(folder)).includes("b.tar")) {
        expect((await checkArchive(file)).findings).toEqual([]);
      }
    }
    await tpullOk(args);
    expect(await readdir(folder)).toEqual(["b.tar"]);
    expect(await checkArchive(file)).toMatchObject({ images: 1, findings: [] });
  });

  it.each([
    ["a file", "b.tar", 1],
    ["a directory", "dir/", 2],
  ])(
    "as %s killed at any byte leaves nothing half under its name",
    async (_form, name, seed) => {
      const layers = [1, 2, 3].map((layer) => bigLayer(4_000_000, layer));
      const registry = await serve();
      const x = publish(registry, "x:1", imageOf(layers));
      const folder = await temporaryFolder();
      const place = join(folder, name);
      const args = ["bundle", "--plain-http", registry.host, "-o", place, x];
      const whole = name.endsWith("/") ? join(place, "index.json") : place;
      const total = layers.reduce((sum, { size }) => sum + size, 0);
      let state = seed;
      for (let round = 0; round < 4; round++) {
        state = (state * 48271) % 2147483647;
        const held = await bytesIn(folder);
        const until = held + (state % Math.max(1, total - held));
        const child = spawnTpull(args);
        const ended = once(child, "exit");
        while (child.exitCode === null && (await bytesIn(folder)) < until) {
          await delay(1);
        }
        child.kill("SIGKILL");
        await ended;
        if ((await namesIn(dirname(whole))).includes(basename(whole))) {
          expect((await checkArchive(place)).findings).toEqual([]);
        }
      }
      await tpullOk(args);
      expect(await checkArchive(place)).toMatchObject({
        images: 1,
        findings: [],
      });
      expect(await readdir(folder)).toEqual([name.replace("/", "")]);
      if (name.endsWith("/")) {
        expect(await readdir(place)).not.toContain(".tpull-parts");
      }
    },
  );

  it("half way through a blob asks for the rest of it", async () => {
    const layer = bigLayer(1_000_000, 7);
    const registry = await serve();
    const x = publish(registry, "x:1", imageOf([layer]));
    const place = join(await temporaryFolder(), "dir/");
    const part = join(place, ".tpull-parts", layer.digest.slice(7));
    await mkdir(dirname(part), { recursive: true });
    await writeFile(part, layer.data as Buffer);
    await truncate(part, 600_000);
    const { bytesFetched } = await bundleImages([x], place, OPTIONS);
    expect(bytesFetched).toBe(layer.size - 600_000);
    expect((await checkArchive(place)).findings).toEqual([]);

    // What waited may be wrong: then the blob is fetched as a whole.
    await rm(join(place, "blobs/sha256", layer.digest.slice(7)));
    await mkdir(dirname(part), { recursive: true });
    await writeFile(part, Buffer.alloc(500_000));
    await bundleImages([x], place, OPTIONS);
    expect((await checkArchive(place)).findings).toEqual([]);
  });
});

describe("tpull verify of an archive", () => {
  it("finds every damaged byte that matters", async () => {
    const bytes = layoutArchive(one(), "docker.io/library/x:1");
    const folder = await temporaryFolder();
    const path = join(folder, "x.tar");
    await writeFile(path, bytes);
    expect(await tpullOk(["verify", path])).toContain("sound");
    const members = await readArchive(bytes);
    for (const [name, content] of members) {
      if (!name.startsWith("blobs/")) continue;
      const damaged = Buffer.from(bytes);
      damaged[bytes.indexOf(content) + (content.length >> 1)]! ^= 1;
      await writeFile(path, damaged);
      const { code, stdout } = await tpull(["verify", path]);
      expect(code).toBe(1);
      expect(stdout).toMatch(/DIGEST_MISMATCH/);
    }
    await writeFile(path, bytes.subarray(0, 4000));
    expect(await tpull(["verify", "--json", path])).toMatchObject({ code: 1 });
  });
});

describe("the checksums beside a bundle", () => {
  it("are those of sha256sum, and checked before the rest", async () => {
    const registry = await serve();
    const x = publish(registry, "x:1", one());
    const folder = await temporaryFolder();
    for (const name of ["b.tar", "dir/"]) {
      const place = join(folder, name);
      const args = ["--plain-http", registry.host, "-o", place, x];
      await tpullOk(["bundle", "--checksum", ...args]);
      const sums = join(folder, `${name.replace("/", "")}.SHA256SUMS`);
      await runOk("sha256sum", ["--strict", "-c", sums], { cwd: folder });
      expect(await tpullOk(["verify", "--checksum", place])).toContain("sound");
      const text = await readFile(sums, "utf8");
      await writeFile(sums, text.replaceAll(/^./gm, "x"));
      const wrong = await tpull(["verify", "--checksum", place]);
      expect([wrong.code, wrong.stderr]).toEqual([
        1,
        expect.stringContaining("CHECKSUM_MISMATCH"),
      ]);
      await rm(sums);
      const none = await tpull(["verify", "--checksum", place]);
      expect(none.stderr).toContain("CHECKSUMS_MISSING");
    }
  });
});

describe("a list of images", () => {
  it("has one a line, with a platform, comments and empty lines", () => {
    expect(
      parseImageList(
        "# all\nnginx:1 # web\r\n\n  alpine linux/arm64\nx/y@sha256:00#1\n",
      ),
    ).toEqual([
      { reference: "nginx:1", from: "line 2" },
      { reference: "alpine", platform: "linux/arm64", from: "line 4" },
      { reference: "x/y@sha256:00#1", from: "line 5" },
    ]);
    expect(() => parseImageList("a b c")).toThrow(/line 1/);
  });

  it("is what tpull bundle -f takes", async () => {
    const registry = await serve();
    const x = publish(registry, "x:1", one());
    const z = publish(registry, "z:1", foreign());
    const folder = await temporaryFolder();
    await writeFile(join(folder, "list"), `${z} linux/s390x # far\n`);
    await writeFile(
      join(folder, "compose.yaml"),
      JSON.stringify({ services: { x: { image: x }, own: { build: "." } } }),
    );
    const said = await tpullOk([
      "bundle",
      "--plain-http",
      registry.host,
      "-o",
      join(folder, "b.tar"),
      "-f",
      join(folder, "list"),
      "-f",
      join(folder, "compose.yaml"),
    ]);
    expect(said).toContain(`${x} (linux/amd64)`);
    expect(said).toContain(`${z} (linux/s390x)`);
    const root = await newRoot();
    const before = await listing(root);
    expect(before).toEqual([]);
    const inventoryText = await tpullOk(["inventory", "--root", root]);
    expect(JSON.parse(inventoryText)).toEqual({ inventory: 1, diffIds: [] });
  });
});
