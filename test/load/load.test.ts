// Archives in every form that programs write: which images come of them, and under which names.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import {
  loadImages,
  type LoadOptions,
  type LoadResult,
  type PullEvent,
} from "#src/index.js";
import { openStore } from "#store/index.js";
import {
  blobsOf,
  dockerMembers,
  layoutArchive,
  layoutMembers,
} from "../helpers/image-archive.js";
import {
  chainIdsOf,
  imageOf,
  indexOf,
  layerOf,
  MACHINE,
  type Image,
} from "../helpers/image-builder.js";
import { childEnv } from "../helpers/run.js";
import { checkStore } from "../helpers/store/check.js";
import {
  imageStore,
  namesIn,
  storedImages,
  storedReferences,
} from "../helpers/store/data-root.js";
import {
  archive,
  directory,
  file,
  hardlink,
  paxGlobal,
  symlink as link,
  type Member,
} from "../helpers/tar-writer.js";
import { spawnTpull, TPULL, tpull, tpullOk } from "../helpers/tpull-cli.js";
import { bigLayer, smallImage, smallLayer } from "../pull/support/layers.js";
import {
  listing,
  litter,
  newRoot,
  temporaryFolder,
} from "../store/support/roots.js";

const one = (): Image => smallImage(["base", "one"]);
const two = (): Image => smallImage(["base", "two"]);

async function* bytes(archived: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < archived.length; at += 10_000) {
    yield archived.subarray(at, at + 10_000);
  }
}

interface Loaded extends LoadResult {
  readonly root: string;
  readonly events: PullEvent[];
}

/** Loads an archive from a file into a root, which is sound afterwards. */
async function load(
  archived: Buffer,
  options: LoadOptions = {},
): Promise<Loaded> {
  const root = options.root ?? (await newRoot());
  const path = join(await temporaryFolder(), "archive.tar");
  await writeFile(path, archived);
  const events: PullEvent[] = [];
  const result = await loadImages(path, {
    concurrency: 2,
    ...options,
    root,
    onEvent: (event) => events.push(structuredClone(event)),
  });
  if (result.failures.length === 0) await expectSound(root);
  return { ...result, root, events };
}

/** Everything in the root fits together, and nothing is left over. */
async function expectSound(root: string): Promise<void> {
  expect([...(await checkStore(root)), ...(await litter(root))]).toEqual([]);
}

const idOf = ({ config }: Image): string => config.digest;

async function idsIn(root: string): Promise<string[]> {
  const images = await storedImages(root);
  return [...images.keys()].map((hex) => `sha256:${hex}`).sort();
}

describe("docker's archive", () => {
  it("gives the images with all their names, layers that they share once", async () => {
    const members = dockerMembers([
      { image: one(), names: ["one:1", "registry.example/one:x"] },
      { image: two(), names: ["two:latest"] },
    ]);
    const { results, root } = await load(archive(members));
    expect(await storedReferences(root)).toEqual(
      new Map([
        ["one:1", idOf(one())],
        ["registry.example/one:x", idOf(one())],
        ["two:latest", idOf(two())],
      ]),
    );
    expect(results).toMatchObject([
      {
        reference: "one:1",
        canonicalName: "docker.io/library/one:1",
        imageId: idOf(one()),
        status: "downloaded",
        bytesFetched: 0,
        loaded: { names: ["one:1", "registry.example/one:x"], kept: [] },
      },
      { imageId: idOf(two()), loaded: { names: ["two:latest"], kept: [] } },
    ]);
    const records = join(imageStore(root), "layerdb", "sha256");
    expect(await namesIn(records)).toEqual(
      [...new Set([one(), two()].flatMap(chainIdsOf))]
        .map((chain) => chain.slice(7))
        .sort(),
    );
  });

  it("says nothing of a registry, which has not been asked", async () => {
    const members = dockerMembers([{ image: one(), names: ["one:1"] }]);
    const { root } = await load(archive(members));
    for (const map of ["diffid-by-digest", "v2metadata-by-diffid"]) {
      const folder = join(imageStore(root), "distribution", map, "sha256");
      expect(await namesIn(folder)).toEqual([]);
    }
  });

  it("may link its layers, have odd names and headers, and no end", async () => {
    const image = one();
    const [base, top] = image.layers.map(({ data }) => data as Buffer);
    const list = [
      { Config: "./c.json", RepoTags: null, Layers: ["a/layer.tar", "b//l"] },
    ];
    const members = [
      paxGlobal({ comment: "by hand" }),
      directory("./"),
      file("./c.json", image.config.data as Buffer),
      file("store/one.tar", base!),
      link("a/layer.tar", "../store/one.tar"),
      file("two.tar", top!),
      hardlink("b/l", "two.tar"),
      file("x", "", { gnuName: "a-long-name/".repeat(20) }),
      file("manifest.json", JSON.stringify(list)),
    ];
    const { root, results } = await load(archive(members, { end: "" }));
    expect(await idsIn(root)).toEqual([idOf(image)]);
    expect(results[0]?.loaded).toEqual({ names: [], kept: [] });
    expect(await storedReferences(root)).toEqual(new Map());
  });

  it.each(["gzip", "zstd", "none"] as const)(
    "may hold layers that are compressed with %s",
    async (compression) => {
      const image = imageOf([
        smallLayer("base", { compression, family: "oci" }),
        smallLayer("top", { compression, family: "oci" }),
      ]);
      const members = dockerMembers([{ image, names: ["x:1"] }]);
      const { root } = await load(archive(members));
      expect(await idsIn(root)).toEqual([idOf(image)]);
    },
  );

  it("may be of the time before images had a config", async () => {
    const layers = [smallLayer("a"), smallLayer("b")];
    const old = (id: string, parent: string | undefined, extra: object) => ({
      id,
      ...(parent === undefined ? {} : { parent }),
      created: "2015-11-12T13:14:15.5Z",
      container_config: { Cmd: ["/bin/sh", "-c", `#(nop) ${id} <&>`] },
      docker_version: "1.9.1",
      architecture: "amd64",
      os: "linux",
      ...extra,
    });
    const [a, b] = ["a", "b"].map((letter) => letter.repeat(64)) as [
      string,
      string,
    ];
    const folder = (id: string, json: object, at: number): Member[] => [
      directory(`${id}/`),
      file(`${id}/VERSION`, "1.0"),
      file(`${id}/json`, JSON.stringify(json, null, 1)),
      file(`${id}/layer.tar`, layers[at]!.data as Buffer),
    ];
    const members = [
      ...folder(a, old(a, undefined, { Size: 3 }), 0),
      ...folder(b, old(b, a, { config: { Env: ["A=<b>"] }, Size: 4 }), 1),
      file("repositories", JSON.stringify({ "old/app": { "1": b } })),
    ];
    const { root } = await load(archive(members));
    expect([...(await storedReferences(root)).keys()]).toEqual(["old/app:1"]);
    const [config] = [...(await storedImages(root)).values()];
    expect(JSON.parse(config!.toString())).toEqual({
      architecture: "amd64",
      config: { Env: ["A=<b>"] },
      container_config: { Cmd: ["/bin/sh", "-c", `#(nop) ${b} <&>`] },
      created: "2015-11-12T13:14:15.5Z",
      docker_version: "1.9.1",
      history: [a, b].map((id) => ({
        created: "2015-11-12T13:14:15.5Z",
        created_by: `/bin/sh -c #(nop) ${id} <&>`,
      })),
      os: "linux",
      rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    });
    expect(config!.toString()).toContain("A=\\u003cb\\u003e");
  });
});

describe("an image layout", () => {
  it("gives an image under its whole name", async () => {
    const name = "docker.io/library/one:1";
    const { root, results } = await load(layoutArchive(one(), name));
    expect(await storedReferences(root)).toEqual(
      new Map([["one:1", idOf(one())]]),
    );
    expect(results).toMatchObject([
      { digest: one().manifest.digest, canonicalName: name },
    ]);
  });

  it("keeps the digests of a registry where it says that they are one's", async () => {
    const image = one();
    const annotations = {
      "io.containerd.image.name": "registry.example:5000/a/one:1",
      "containerd.io/distribution.source.registry.example:5000": "b,a/one",
    };
    const listed = [{ blob: image.manifest, annotations }];
    const members = layoutMembers(listed, blobsOf(image));
    const { root } = await load(archive(members));
    expect([...(await storedReferences(root)).keys()].sort()).toEqual([
      "registry.example:5000/a/one:1",
      `registry.example:5000/a/one@${image.manifest.digest}`,
    ]);
    const store = await openStore(root);
    for (const { digest, diffId } of image.layers) {
      expect(await store.diffIdOf(digest as never)).toBe(diffId);
      expect(
        await store.originsOf(diffId as never, "registry.example:5000/a/one"),
      ).toEqual([digest]);
    }
  });

  it("may name images in the specification's words, or not at all", async () => {
    const image = one();
    const named = async (name: string) => {
      const annotations = { "org.opencontainers.image.ref.name": name };
      const listed = [{ blob: image.manifest, annotations }];
      const { root } = await load(
        archive(layoutMembers(listed, blobsOf(image))),
      );
      expect(await idsIn(root)).toEqual([idOf(image)]);
      return [...(await storedReferences(root)).keys()];
    };
    expect(await named("localhost/x:y")).toEqual(["localhost/x:y"]);
    expect(await named("a/b:1")).toEqual(["a/b:1"]);
    expect(await named("latest")).toEqual([]);
    expect(await named("not: a name/")).toEqual([]);
  });

  it("may be a directory, with links inside it", async () => {
    const folder = join(await temporaryFolder(), "layout");
    for (const { name, data } of layoutMembers(
      [{ blob: one().manifest }],
      blobsOf(one()),
    )) {
      const path = join(folder, String(name));
      await mkdir(dirname(path), { recursive: true });
      if (data !== undefined) await writeFile(path, data);
    }
    const root = await newRoot();
    const { results } = await loadImages(folder, { root });
    expect(results).toMatchObject([{ imageId: idOf(one()) }]);
    await expectSound(root);

    const blobs = join(folder, "blobs/sha256");
    const [first] = await readdir(blobs);
    await symlink("/etc/passwd", join(blobs, "0".repeat(64)));
    expect((await loadImages(folder, { root })).failures).toEqual([]);
    await symlink(join(blobs, first!), join(folder, "manifest.json"));
    await expect(loadImages(folder, { root })).rejects.toMatchObject({
      code: "ARCHIVE_INVALID",
    });
  });

  const FOREIGN = { os: "linux", architecture: "s390x" };
  const foreign = (): Image =>
    imageOf([smallLayer("s")], { platform: FOREIGN });
  const both = () =>
    indexOf([
      { image: foreign(), platform: FOREIGN },
      { image: one(), platform: MACHINE },
    ]);
  const indexed = (blobs: Image[], name = "docker.io/library/x:1"): Buffer => {
    const annotations = { "io.containerd.image.name": name };
    const listed = [{ blob: both(), annotations }];
    return archive(layoutMembers(listed, [both(), ...blobsOf(...blobs)]));
  };

  it("gives the platform that was asked for, or this machine's", async () => {
    const archived = indexed([one(), foreign()]);
    const here = await load(archived);
    expect(await idsIn(here.root)).toEqual([idOf(one())]);
    const there = await load(archived, { platform: "linux/s390x" });
    expect(await idsIn(there.root)).toEqual([idOf(foreign())]);
    const all = await load(archived, { platform: "all" });
    expect(await idsIn(all.root)).toEqual(
      [idOf(one()), idOf(foreign())].sort(),
    );
    expect(await storedReferences(all.root)).toEqual(
      new Map([["x:1", idOf(one())]]),
    );
    const none = await load(archived, { platform: "linux/riscv64" });
    expect(none.failures).toMatchObject([
      { error: { code: "PLATFORM_NOT_FOUND" } },
    ]);
  });

  it("may hold less than its index lists", async () => {
    const { root } = await load(indexed([foreign()]));
    expect(await idsIn(root)).toEqual([idOf(foreign())]);
    expect(await storedReferences(root)).toEqual(
      new Map([["x:1", idOf(foreign())]]),
    );
  });

  it("may list platforms under one name without an index of their own", async () => {
    const annotations = { "io.containerd.image.name": "docker.io/library/x:1" };
    const listed = [
      { blob: foreign().manifest, annotations, platform: FOREIGN },
      { blob: one().manifest, annotations, platform: MACHINE },
    ];
    const members = layoutMembers(listed, blobsOf(one(), foreign()));
    const { root } = await load(archive(members));
    expect(await storedReferences(root)).toEqual(
      new Map([["x:1", idOf(one())]]),
    );
  });

  it("that is docker's archive, too, gives each image once", async () => {
    const annotations = { "io.containerd.image.name": "docker.io/library/x:1" };
    const listed = [{ blob: one().manifest, annotations }];
    const path = (digest: string) => `blobs/sha256/${digest.slice(7)}`;
    const list = [one(), two()].map((image, at) => ({
      Config: path(idOf(image)),
      RepoTags: [["x:1", "x:also"], []][at],
      Layers: image.layers.map(({ digest }) => path(digest)),
    }));
    const members = [
      ...layoutMembers(listed, blobsOf(one(), two())),
      file("manifest.json", JSON.stringify(list)),
    ];
    const { root } = await load(archive(members));
    expect(await storedReferences(root)).toEqual(
      new Map([
        ["x:1", idOf(one())],
        ["x:also", idOf(one())],
      ]),
    );
    expect(await idsIn(root)).toEqual([idOf(one()), idOf(two())].sort());
  });
});

describe("a compressed archive, or one on a pipe", () => {
  const archived = (): Buffer => {
    // The list comes last: nothing is known before all of it was there.
    const members = dockerMembers([{ image: one(), names: ["one:1"] }]);
    return archive(members);
  };

  it.each(["gzip", "zstd", "none"] as const)("of %s", async (compression) => {
    const root = await newRoot();
    const { data } = layerOf(archived(), { compression, family: "oci" });
    const { results } = await loadImages(bytes(data as Buffer), { root });
    expect(results).toMatchObject([{ imageId: idOf(one()) }]);
    await expectSound(root);
    const again = await load(data as Buffer, { root });
    expect(again.results).toMatchObject([{ status: "up-to-date" }]);
  });

  it("that is cut short or damaged is refused, and the root as it was", async () => {
    const packed = gzipSync(archived());
    const damaged = Buffer.from(packed);
    damaged[packed.length >> 1]! ^= 0xff;
    const plain = archived();
    for (const wrong of [
      packed.subarray(0, packed.length - 9),
      damaged,
      plain.subarray(0, 3000),
      plain.subarray(0, 1536),
      Buffer.from("BZh91AY"),
      Buffer.from("not an archive at all"),
      Buffer.alloc(0),
      Buffer.alloc(4096),
    ]) {
      const root = await newRoot();
      await expect(
        loadImages(bytes(wrong), { root }).then(({ failures: [failure] }) =>
          failure === undefined ? "loaded" : Promise.reject(failure.error),
        ),
      ).rejects.toMatchObject({
        code: expect.stringMatching(/^ARCHIVE_(INVALID|INCOMPLETE)$/) as string,
      });
      expect(await namesIn(dirname(root))).toEqual([]);
    }
  });
});

it("an archive that was cut between two of its files says that it has no end", async () => {
  const image = one();
  const whole = layoutArchive(image, "docker.io/library/x:1");
  const last = image.layers.at(-1)!.data as Buffer;
  const cut = whole.subarray(0, whole.indexOf(last) - 512);
  const path = join(await temporaryFolder(), "cut.tar");
  await writeFile(path, cut);
  const root = await newRoot();
  const lacks = {
    code: "ARCHIVE_INCOMPLETE",
    hint: expect.stringContaining("stops without the mark of its end"),
  };
  const { failures } = await loadImages(path, { root });
  expect(failures).toMatchObject([{ error: lacks }]);
  expect(await namesIn(dirname(root))).toEqual([]);
  // One that has an end, and lacks the same, may be based on what is elsewhere.
  await writeFile(path, Buffer.concat([cut, Buffer.alloc(1024)]));
  const sparse = await loadImages(path, { root });
  expect(sparse.failures).toMatchObject([
    { error: { hint: expect.stringContaining("what it is based on") } },
  ]);
});

describe("a name that another image has", () => {
  it("stays, unless it is to go over", async () => {
    const root = await newRoot();
    const named = (image: Image) =>
      archive(dockerMembers([{ image, names: ["x:1", "y:1"] }]));
    await load(archive(dockerMembers([{ image: one(), names: ["x:1"] }])), {
      root,
    });
    const { results, events } = await load(named(two()), { root });
    expect(results).toMatchObject([
      { status: "downloaded", loaded: { names: ["y:1"], kept: ["x:1"] } },
    ]);
    expect(events).toContainEqual(
      expect.objectContaining({ type: "warning", code: "NAME_KEPT" }),
    );
    expect(await storedReferences(root)).toEqual(
      new Map([
        ["x:1", idOf(one())],
        ["y:1", idOf(two())],
      ]),
    );
    await load(named(two()), { root, retag: true });
    expect((await storedReferences(root)).get("x:1")).toBe(idOf(two()));
    expect(await idsIn(root)).toEqual([idOf(one()), idOf(two())].sort());
  });
});

describe("layers that the archive lacks", () => {
  it("are taken from the store, under whatever parent they lie", async () => {
    const other = imageOf([smallLayer("under"), smallLayer("base")]);
    for (const there of [smallImage(["base"]), other]) {
      const root = await newRoot();
      await load(layoutArchive(there, "docker.io/library/base:1"), { root });
      const blobs = blobsOf(one()).filter(
        ({ digest }) => digest !== one().layers[0]!.digest,
      );
      const members = layoutMembers([{ blob: one().manifest }], blobs);
      const { results, root: same } = await load(archive(members), { root });
      expect(results).toMatchObject([{ imageId: idOf(one()) }]);
      expect(await idsIn(same)).toContain(idOf(one()));
    }
  });

  it("and the store has not, are named before anything is written", async () => {
    const root = await newRoot();
    const lost = one().layers[0]!;
    const blobs = blobsOf(one()).filter(({ digest }) => digest !== lost.digest);
    const members = layoutMembers([{ blob: one().manifest }], blobs);
    const { failures } = await load(archive(members), { root });
    expect(failures).toMatchObject([
      {
        error: {
          code: "ARCHIVE_INCOMPLETE",
          details: { missing: [lost.digest] },
        },
      },
    ]);
    expect(await namesIn(dirname(root))).toEqual(["archive.tar"].slice(1));
  });
});

describe("an archive that is up to something", () => {
  const good = () => dockerMembers([{ image: one(), names: ["one:1"] }]);
  const bad = smallLayer("bad");
  const hostile: Record<string, () => Buffer> = {
    "climbs out": () => archive([...good(), file("../escape", "x")]),
    "climbs out below": () => archive([...good(), file("a/../../b", "x")]),
    "has an absolute name": () => archive([...good(), file("/etc/x", "x")]),
    "links out of itself": () =>
      archive([...good(), link("a/b", "../../etc/passwd")]),
    "links to an absolute place": () =>
      archive([...good(), link("config", "/etc/passwd")]),
    "links hard to an absolute place": () =>
      archive([...good(), hardlink("config", "/etc/passwd")]),
    "has a member twice": () =>
      archive([...good(), file("manifest.json", "[]")]),
    "has a device": () =>
      archive([
        ...good(),
        { name: "null", type: "3", devmajor: 1, devminor: 3 },
      ]),
    "says a wrong size": () =>
      archive([...good(), file("big", "x", { size: 1e12 })]),
    "has a wrong checksum": () =>
      archive([...good(), file("x", "x", { badChecksum: true })]),
    "links in a circle": () =>
      archive([
        file("c.json", one().config.data as Buffer),
        link("a", "b"),
        link("b", "a"),
        file(
          "manifest.json",
          JSON.stringify([{ Config: "c.json", Layers: ["a", "b"] }]),
        ),
      ]),
    "lists other layers than its config": () =>
      archive([
        ...good().filter(({ name }) => name !== "manifest.json"),
        file(
          "manifest.json",
          JSON.stringify([
            {
              Config: `${idOf(one()).slice(7)}.json`,
              RepoTags: ["x:1"],
              Layers: [`${one().layers[0]!.diffId.slice(7)}/layer.tar`],
            },
          ]),
        ),
      ]),
    "has a layer that is not the one": () =>
      archive(
        good().map((member) =>
          member.name === `${one().layers[1]!.diffId.slice(7)}/layer.tar`
            ? file(member.name, bad.data as Buffer)
            : member,
        ),
      ),
    "reads a layer from a place outside": () =>
      archive([
        file("c.json", one().config.data as Buffer),
        file(
          "manifest.json",
          JSON.stringify([
            { Config: "c.json", Layers: ["../../a", "/etc/passwd"] },
          ]),
        ),
      ]),
    "gives a name that is none": () =>
      archive(dockerMembers([{ image: one(), names: ["-x:\u001b[2J"] }])),
    "has a list that is none": () => archive([file("manifest.json", "{}")]),
    "has no images": () => archive([file("manifest.json", "[]")]),
    "is of something else": () => archive([file("README", "hello")]),
    "has an index that is too deep": () => {
      let blob = indexOf([{ image: one(), platform: MACHINE }], "oci");
      const blobs = [blob];
      for (let depth = 0; depth < 6; depth += 1) {
        blob = indexOf(
          [{ image: { ...one(), manifest: blob }, platform: MACHINE }],
          "oci",
        );
        blobs.push(blob);
      }
      return archive(layoutMembers([{ blob }], [...blobs, ...blobsOf(one())]));
    },
    "has a manifest that is not the one": () => {
      const members = layoutMembers([{ blob: one().manifest }], blobsOf(one()));
      const name = `blobs/sha256/${one().manifest.digest.slice(7)}`;
      return archive(
        members.map((member) =>
          member.name === name
            ? file(name, two().manifest.data as Buffer)
            : member,
        ),
      );
    },
    "has a blob of another size": () => {
      const { digest } = one().layers[0]!;
      const members = layoutMembers([{ blob: one().manifest }], blobsOf(one()));
      const name = `blobs/sha256/${digest.slice(7)}`;
      return archive(
        members.map((member) =>
          member.name === name
            ? file(
                name,
                Buffer.concat([member.data as Buffer, Buffer.alloc(1)]),
              )
            : member,
        ),
      );
    },
    "has a layer that climbs out": () => {
      const layer = layerOf(archive([file("../../escape", "x")]));
      return layoutArchive(imageOf([layer]), "docker.io/library/x:1");
    },
    "names itself a layout of the future": () =>
      archive([
        file("oci-layout", '{"imageLayoutVersion":"2.0.0"}'),
        file("index.json", '{"schemaVersion":2,"manifests":[]}'),
      ]),
    "has a list of another world": () =>
      archive([file("index.json", "[".repeat(200_000))]),
  };

  it.each(Object.keys(hostile))("and %s is refused whole", async (what) => {
    // An image that is good goes with the one that is not.
    const root = await newRoot();
    await load(layoutArchive(two(), "docker.io/library/there:1"), { root });
    const before = await listing(root);
    const path = join(await temporaryFolder(), "archive.tar");
    await writeFile(path, hostile[what]!());
    const { code, stdout, stderr } = await tpull(
      ["load", "--root", root, "-i"].concat(path),
    );
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).not.toContain("INTERNAL");
    // oxlint-disable-next-line no-control-regex -- what must not come out
    expect(stderr).not.toMatch(/[\u0000-\u0009\u001b]/);
    expect(await listing(root)).toEqual(before);
    expect(await idsIn(root)).toEqual([idOf(two())]);
    await expectSound(root);
  });

  it("takes what is good with it", async () => {
    const root = await newRoot();
    const image = one();
    const members = dockerMembers([
      { image: two(), names: ["good:1"] },
      { image, names: ["bad:1"] },
    ]).map((member) =>
      member.name === `${image.layers[1]!.diffId.slice(7)}/layer.tar`
        ? file(member.name, bad.data as Buffer)
        : member,
    );
    const { results, failures } = await load(archive(members), { root });
    expect(results).toEqual([]);
    expect(failures).toMatchObject([{ reference: "bad:1" }]);
    expect(await idsIn(root)).toEqual([]);
  });
});

describe("tpull load", () => {
  it("prints docker's lines, and JSON for programs", async () => {
    const path = join(await temporaryFolder(), "archive.tar");
    await writeFile(
      path,
      archive(
        dockerMembers([
          { image: one(), names: ["one:1", "one:2"] },
          { image: two(), names: [] },
        ]),
      ),
    );
    const lines = `Loaded image: one:1\nLoaded image: one:2\nLoaded image ID: ${idOf(two())}\n`;
    const root = await newRoot();
    const args = ["--root", root, "-i", path];
    expect(await tpullOk(["load", ...args])).toBe(lines);
    expect(await tpullOk(["image", "load", "-q", ...args])).toBe(lines);
    const document = JSON.parse(await tpullOk(["load", "--json", ...args])) as {
      results: { imageId: string }[];
      failures: unknown[];
    };
    expect(document.failures).toEqual([]);
    expect(document.results.map(({ imageId }) => imageId)).toEqual([
      idOf(one()),
      idOf(two()),
    ]);
    const events = (await tpullOk(["load", "--progress=json", ...args]))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as PullEvent);
    expect(events.at(-1)).toMatchObject({ type: "summary", pulled: 2 });
  });

  it("wants an archive, and says where there is none", async () => {
    const root = await newRoot();
    const gone = await tpull(["load", "--root", root, "-i", "/no/such/file"]);
    expect(gone).toMatchObject({ code: 1, stdout: "" });
    expect(gone.stderr).toContain("ARCHIVE_NOT_READABLE");
    expect(await tpull(["load", "--root", root, "x.tar"])).toMatchObject({
      code: 2,
    });
  });

  it("can be killed at any moment: the next run ends right", async () => {
    const image = imageOf([1, 2, 3].map((seed) => bigLayer(6_000_000, seed)));
    const path = join(await temporaryFolder(), "archive.tar.gz");
    const packed = gzipSync(layoutArchive(image, "docker.io/library/big:1"));
    await writeFile(path, packed);
    const root = await newRoot();
    for (const milliseconds of [120, 250, 350, 450, 600]) {
      const child = spawnTpull(["load", "--root", root, "-i", path]);
      const timer = setTimeout(() => child.kill("SIGKILL"), milliseconds);
      await once(child, "exit");
      clearTimeout(timer);
      const images = await storedImages(root);
      for (const [, id] of await storedReferences(root)) {
        expect(images.has(id.slice(7))).toBe(true);
      }
    }
    expect(await tpullOk(["load", "--root", root, "-i", path])).toContain(
      "Loaded image: big:1",
    );
    await expectSound(root);
    expect(await namesIn(join(root, "tpull/partial"))).toEqual([]);
    expect(chainIdsOf(image)).toHaveLength(3);
  });

  it("stops on a signal while its input hangs", async () => {
    const root = await newRoot();
    const child = spawn(process.execPath, [TPULL, "load", "--root", root], {
      stdio: ["pipe", "ignore", "pipe"],
      env: childEnv({ TPULL_ROOT: "" }),
    });
    child.stdin.write(layoutArchive(one()).subarray(0, 2000));
    while (!(await namesIn(root)).includes("tpull")) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    child.kill("SIGINT");
    const [code] = (await once(child, "exit")) as [number];
    expect(code).toBe(130);
    expect(await namesIn(dirname(root))).toEqual([]);
  });
});
