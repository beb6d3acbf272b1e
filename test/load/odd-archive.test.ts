// Archives that are not quite what they should be, and files that are none: what is said of them, and where.
import { execFileSync } from "node:child_process";
import { createServer } from "node:net";
import {
  chmod,
  mkdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  checkArchive,
  loadImages,
  type LoadOptions,
  type PullEvent,
} from "#src/index.js";
import {
  blobsOf,
  layoutArchive,
  layoutMembers,
} from "../helpers/image-archive.js";
import {
  imageOf,
  indexOf,
  MACHINE,
  sha256,
  type Image,
} from "../helpers/image-builder.js";
import { run } from "../helpers/run.js";
import { checkStore } from "../helpers/store/check.js";
import { imageStore, storedReferences } from "../helpers/store/data-root.js";
import {
  archive,
  directory,
  file,
  symlink as link,
  type Member,
} from "../helpers/tar-writer.js";
import { TPULL, tpull, tpullOk } from "../helpers/tpull-cli.js";
import { smallImage, smallLayer } from "../pull/support/layers.js";
import { newRoot, temporaryFolder } from "../store/support/roots.js";

const one = (): Image => smallImage(["base", "one"]);

/** A folder with the files of an archive. */
async function folderOf(members: readonly Member[]): Promise<string> {
  const folder = await temporaryFolder();
  for (const { name, data, type } of members) {
    const path = join(folder, String(name));
    if (type === "5") await mkdir(path, { recursive: true });
    else {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, data ?? "");
    }
  }
  return folder;
}

const layoutFolder = (): Promise<string> =>
  folderOf(layoutMembers([{ blob: one().manifest }], blobsOf(one())));

const blobIn = (folder: string, { digest }: { digest: string }): string =>
  join(folder, "blobs/sha256", digest.slice(7));

async function loadOf(
  input: string,
  options: LoadOptions = {},
): Promise<{ codes: string[]; root: string; events: PullEvent[] }> {
  const root = options.root ?? (await newRoot());
  const events: PullEvent[] = [];
  const onEvent = (event: PullEvent): void => void events.push(event);
  try {
    const { failures } = await loadImages(input, { ...options, root, onEvent });
    return { codes: failures.map(({ error }) => error.code), root, events };
  } catch (error) {
    return { codes: [(error as { code: string }).code], root, events };
  }
}

describe("a directory with something odd in it", () => {
  const layer = one().layers[0]!;
  const odd: Record<string, [string, (folder: string) => Promise<void>]> = {
    "a layer that links to itself": [
      "ARCHIVE_INVALID",
      async (folder) => {
        await rm(blobIn(folder, layer));
        await symlink(layer.digest.slice(7), blobIn(folder, layer));
      },
    ],
    "a pipe in a layer's place": [
      "ARCHIVE_INCOMPLETE",
      async (folder) => {
        await rm(blobIn(folder, layer));
        execFileSync("mkfifo", [blobIn(folder, layer)]);
      },
    ],
    "a device in a layer's place": [
      "ARCHIVE_INVALID",
      async (folder) => {
        await rm(blobIn(folder, layer));
        await symlink("/dev/zero", blobIn(folder, layer));
      },
    ],
    "a list that names what no file is called": [
      "ARCHIVE_INVALID",
      async (folder) => {
        const list = [{ Config: "c\0x", Layers: [] }];
        await rm(join(folder, "index.json"));
        await writeFile(join(folder, "manifest.json"), JSON.stringify(list));
      },
    ],
    "a list with a name that is too long": [
      "ARCHIVE_INVALID",
      async (folder) => {
        const list = [{ Config: "c".repeat(5000), Layers: [] }];
        await rm(join(folder, "index.json"));
        await writeFile(join(folder, "manifest.json"), JSON.stringify(list));
      },
    ],
    "a list that goes through a file": [
      "ARCHIVE_INCOMPLETE",
      async (folder) => {
        const list = [{ Config: "oci-layout/x", Layers: [] }];
        await rm(join(folder, "index.json"));
        await writeFile(join(folder, "manifest.json"), JSON.stringify(list));
      },
    ],
    "a config that is the directory": [
      "ARCHIVE_INVALID",
      async (folder) => {
        await rm(join(folder, "index.json"));
        await writeFile(join(folder, "manifest.json"), '[{"Config":"."}]');
      },
    ],
  };

  it.each(Object.keys(odd))("%s: the archive is to blame", async (what) => {
    const [code, spoil] = odd[what]!;
    const folder = await layoutFolder();
    await spoil(folder);
    expect((await loadOf(folder)).codes).toEqual([code]);
    const { findings, needs } = await checkArchive(folder);
    // What is missing may be where the archive goes to.
    expect(findings.length + needs.length).toBe(1);
  });

  it("a socket for the mark of a layout does no harm", async () => {
    const folder = await layoutFolder();
    await rm(join(folder, "oci-layout"));
    const server = createServer();
    await new Promise<void>((done) =>
      server.listen(join(folder, "oci-layout"), done),
    );
    try {
      expect((await loadOf(folder)).codes).toEqual([]);
    } finally {
      server.close();
    }
  });

  it("a file that may not be read is this machine's matter", async () => {
    const folder = await layoutFolder();
    await chmod(folder, 0o755);
    await chmod(join(folder, "index.json"), 0);
    const nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    const command = [process.execPath, TPULL, "verify", folder];
    const { code, stderr } = await run("setpriv", [...nobody, ...command]);
    expect(code).toBe(1);
    expect(stderr).toContain("ARCHIVE_NOT_READABLE");
    expect(stderr).toContain(join(folder, "index.json"));
    expect(stderr).not.toContain("--root");
  });
});

describe("values of another type than they should have", () => {
  const layer = smallLayer("x");
  const image = imageOf([layer]);
  // JSON.stringify could not write it.
  const deep = `${"[".repeat(5000)}${"]".repeat(5000)}`;
  const docker = (item: object): Member[] => [
    file("c", image.config.data as Buffer),
    file("l", layer.data as Buffer),
    file(
      "manifest.json",
      JSON.stringify([{ Config: "c", Layers: ["l"], ...item }]).replace(
        '"DEEP"',
        deep,
      ),
    ),
  ];
  const old = (cmd: unknown): Member[] => [
    file("repositories", '{"a":{"b":"x1"}}'),
    file(
      "x1/json",
      JSON.stringify({ container_config: { Cmd: cmd } }).replace(
        '"DEEP"',
        deep,
      ),
    ),
    file("x1/layer.tar", layer.data as Buffer),
  ];
  const odd: Record<string, Member[]> = {
    "an object for a name": docker({ RepoTags: [{ toString: null }] }),
    "a list for a name": docker({ RepoTags: [["a:b"]] }),
    "a list of lists for a name": docker({ RepoTags: ["DEEP"] }),
    "a number for a name": docker({ RepoTags: [1] }),
    "an object for a word of a command": old([{ toString: 1 }]),
    "a list of lists for a command": old(["DEEP"]),
    "a number for a command": old(7),
  };

  it.each(Object.keys(odd))("%s is refused", async (what) => {
    const path = join(await temporaryFolder(), "x.tar");
    await writeFile(path, archive(odd[what]!));
    expect((await loadOf(path)).codes).toEqual(["ARCHIVE_INVALID"]);
    const { findings } = await checkArchive(path);
    expect(findings).toMatchObject([{ code: "ARCHIVE_INVALID" }]);
  });

  it("a command may be one string, as docker takes it", async () => {
    const path = join(await temporaryFolder(), "x.tar");
    await writeFile(path, archive(old("run it")));
    expect((await loadOf(path)).codes).toEqual([]);
  });
});

describe("an archive in a compression that other programs read", () => {
  it.each(["xz", "bzip2"])(
    "%s is taken from a file and a pipe",
    async (program) => {
      const path = join(await temporaryFolder(), "a.tar");
      await writeFile(path, layoutArchive(one(), "docker.io/library/one:1"));
      execFileSync(program, [path]);
      const packed = `${path}.${program === "xz" ? "xz" : "bz2"}`;
      expect(await tpullOk(["verify", packed])).toContain("sound");
      const root = await newRoot();
      expect((await loadOf(packed, { root })).codes).toEqual([]);
      expect(await checkStore(root)).toEqual([]);
      const bytes = await readFile(packed);
      async function* pieces(): AsyncGenerator<Uint8Array> {
        // The first bytes tell what it is, also where they come one by one.
        for (let at = 0; at < 10; at += 1) yield bytes.subarray(at, at + 1);
        yield bytes.subarray(10);
      }
      const { results } = await loadImages(pieces(), { root: await newRoot() });
      expect(results).toHaveLength(1);

      await writeFile(packed, bytes.subarray(0, bytes.length - 40));
      expect((await loadOf(packed)).codes).toEqual(["ARCHIVE_INVALID"]);
    },
  );

  it.each(["xz", "bzip2"])(
    "%s that is not installed is named",
    async (program) => {
      const path = join(await temporaryFolder(), "a.tar");
      await writeFile(path, layoutArchive(one()));
      execFileSync(program, [path]);
      const packed = `${path}.${program === "xz" ? "xz" : "bz2"}`;
      const args = [TPULL, "load", "--root", await newRoot(), "-i", packed];
      const env = { ...process.env, PATH: "/nonexistent" };
      const { code, stderr } = await run(process.execPath, args, { env });
      expect(code).toBe(1);
      expect(stderr).toContain("ARCHIVE_NOT_READABLE");
      expect(stderr).toContain(`${program} -dc FILE | tpull load`);
    },
  );
});

describe("what is no archive of images", () => {
  it("is called what it is, with its name", async () => {
    const root = await newRoot();
    const folder = await temporaryFolder();
    const path = join(folder, "images.tar");
    await writeFile(path, layoutArchive(one(), "docker.io/library/one:1"));
    await tpullOk(["load", "--root", root, "-i", path]);
    const container = join(folder, "container.tar");
    await writeFile(
      container,
      archive([
        ...["bin", "dev", "etc", "usr"].map((name) => directory(`${name}/`)),
        { name: "dev/null", type: "3", devmajor: 1, devminor: 3 },
        link("etc/mtab", "/proc/mounts"),
      ]),
    );
    const text = join(folder, "notes.txt");
    await writeFile(text, "hello\n".repeat(200));
    for (const [what, words] of [
      [root, "is a data root"],
      [container, "docker export"],
      [text, "is no tar"],
    ] as const) {
      const args = ["load", "--root", await newRoot(), "-i", what];
      const { code, stderr } = await tpull(args);
      expect(code).toBe(1);
      expect(stderr).toContain(`tpull: ${what} `);
      expect(stderr).toContain(words);
      const { stdout } = await tpull(["verify", what]);
      expect(stdout).toContain(words);
    }
    const slip = await tpull(["load", "--root", root, path]);
    expect(slip.code).toBe(2);
    expect(slip.stderr).toContain(`-i ${path}`);
  });

  it("is no inventory either", async () => {
    const folder = await temporaryFolder();
    const output = join(folder, "out.tar");
    for (const [name, text] of [
      ["push.py", "import os\n".repeat(100)],
      ["broken.json", '{"inventory": 1,'],
      ["empty", ""],
      ["other.tar", archive([file("README", "hello")])],
    ] as const) {
      const path = join(folder, name);
      await writeFile(path, text);
      const args = ["bundle", "--have", path, "-o", output, "localhost:1/x"];
      const { code, stderr } = await tpull(args);
      expect(code).toBe(1);
      expect(stderr).toContain(`tpull: ${path} `);
      expect(stderr).toContain("HAVE_INVALID");
      expect(stderr).toContain("tpull inventory");
    }
  });
});

describe("an image", () => {
  it("without a name leaves a root that is sound, and takes a name with --as", async () => {
    const path = join(await temporaryFolder(), "a.tar");
    const members = layoutMembers(
      [{ blob: one().manifest }, { blob: smallImage(["x"]).manifest }],
      blobsOf(one(), smallImage(["x"])),
    );
    await writeFile(path, archive(members));
    const root = await newRoot();
    await tpullOk(["load", "--root", root, "-i", path]);
    expect(
      await readFile(join(imageStore(root), "repositories.json"), "utf8"),
    ).toBe('{"Repositories":{}}');
    expect(await tpullOk(["verify", "--root", root])).toContain("sound: 2 ");

    const both = await tpull(["load", "--root", root, "-i", path, "--as", "x"]);
    expect(both).toMatchObject({ code: 2, stdout: "" });
    expect(both.stderr).toContain("OPTION_INVALID");
    await writeFile(path, layoutArchive(one(), "docker.io/library/one:1"));
    const args = ["load", "--root", root, "-i", path];
    expect(await tpullOk([...args, "--as", "me/x"])).toBe(
      "Loaded image: me/x:latest\nLoaded image: one:1\n",
    );
    expect([...(await storedReferences(root)).keys()].sort()).toEqual([
      "me/x:latest",
      "one:1",
    ]);
    const pinned = await tpull([...args, "--as", `x@${one().manifest.digest}`]);
    expect(pinned.code).toBe(2);
    expect(await checkStore(root)).toEqual([]);
  });

  it("loses its file of names only once: another load does not hide that", async () => {
    const root = await newRoot();
    const path = join(await temporaryFolder(), "a.tar");
    await writeFile(path, layoutArchive(one(), "docker.io/library/one:1"));
    await tpullOk(["load", "--root", root, "-i", path]);
    await rm(join(imageStore(root), "repositories.json"));
    await writeFile(path, layoutArchive(smallImage(["other"])));
    await tpullOk(["load", "--root", root, "-i", path]);
    const { code, stdout } = await tpull(["verify", "--root", root]);
    expect(code).toBe(1);
    expect(stdout).toContain("REPOSITORIES_MISSING");
  });

  it("for another platform is loaded with a warning, also out of an index", async () => {
    const platform = { os: "linux", architecture: "s390x" };
    const image = imageOf([smallLayer("s")], { platform });
    const index = indexOf([{ image, platform }], "oci");
    const path = join(await temporaryFolder(), "a.tar");
    const members = layoutMembers(
      [{ blob: index }],
      [index, ...blobsOf(image)],
    );
    await writeFile(path, archive(members));
    const { codes, events } = await loadOf(path);
    expect(codes).toEqual([]);
    expect(events).toContainEqual(
      expect.objectContaining({ type: "warning", code: "PLATFORM_DIFFERS" }),
    );
    const asked = await loadOf(path, { platform: "linux/s390x" });
    expect(asked.events.map(({ type }) => type)).not.toContain("warning");
  });

  it("may lie in a directory of skopeo's with all its platforms", async () => {
    const platform = { os: "linux", architecture: "s390x" };
    const other = imageOf([smallLayer("s")], { platform });
    const index = indexOf(
      [
        { image: one(), platform: MACHINE },
        { image: other, platform },
      ],
      "docker",
    );
    const members = [
      file("version", "Directory Transport Version: 1.1\n"),
      file("manifest.json", index.data as Buffer),
      ...[one(), other].flatMap(({ manifest, config, layers }) => [
        file(
          `${manifest.digest.slice(7)}.manifest.json`,
          manifest.data as Buffer,
        ),
        ...[config, ...layers].map(({ digest, data }) =>
          file(digest.slice(7), data as Buffer),
        ),
      ]),
    ];
    const folder = await folderOf(members);
    expect(await checkArchive(folder)).toMatchObject({
      images: 2,
      findings: [],
      needs: [],
    });
    const root = await newRoot();
    const { results } = await loadImages(folder, { root });
    expect(results).toMatchObject([{ imageId: one().config.digest }]);
    const all = await loadImages(folder, { root, platform: "all" });
    expect(all.results.map(({ imageId }) => imageId)).toEqual([
      one().config.digest,
      other.config.digest,
    ]);
  });
});

describe("an archive that leaves layers out", () => {
  it("is sound for where they are, and says elsewhere what it needs", async () => {
    const image = one();
    const [base] = image.layers;
    const folder = await temporaryFolder();
    const delta = join(folder, "delta.tar");
    const kept = blobsOf(image).filter(({ digest }) => digest !== base!.digest);
    const name = { "io.containerd.image.name": "docker.io/library/one:1" };
    const listed = [{ blob: image.manifest, annotations: name }];
    await writeFile(delta, archive(layoutMembers(listed, kept)));

    const alone = await tpull(["verify", delta]);
    expect(alone.code).toBe(3);
    expect(alone.stdout).toContain(base!.digest);
    expect(alone.stdout).toContain("sound, but needs 1 layer");
    const json = await tpull(["verify", "--json", delta]);
    expect(json.code).toBe(3);
    expect(JSON.parse(json.stdout)).toMatchObject({
      archives: [
        {
          findings: [],
          needs: [
            {
              digest: base!.digest,
              diffId: base!.diffId,
              images: ["docker.io/library/one:1"],
            },
          ],
        },
      ],
    });

    const root = await newRoot();
    const full = join(folder, "base.tar");
    await writeFile(full, layoutArchive(smallImage(["base"])));
    await tpullOk(["load", "--root", root, "-i", full]);
    expect(await tpullOk(["verify", "--root", root, delta])).toContain(
      "sound: images: 1",
    );
    const inventory = join(folder, "there.json");
    await writeFile(inventory, await tpullOk(["inventory", "--root", root]));
    for (const have of [inventory, full]) {
      expect(await tpullOk(["verify", "--have", have, delta])).toContain(
        "sound: images: 1",
      );
    }
    const none = await tpull(["verify", "--root", join(folder, "no"), delta]);
    expect(none).toMatchObject({ code: 1, stdout: "" });
    expect(none.stderr).toContain("ROOT_NOT_FOUND");

    // What is there and damaged is no delta.
    const damaged = kept.map((blob) =>
      blob === image.layers[1]
        ? { ...blob, data: Buffer.alloc(blob.size, "x") }
        : blob,
    );
    await writeFile(delta, archive(layoutMembers(listed, damaged)));
    expect(await tpull(["verify", "--root", root, delta])).toMatchObject({
      code: 1,
    });
    const wrong = await tpull(["verify", "--have", inventory, "one:1"]);
    expect(wrong.code).toBe(2);
  });
});

describe("a place where there is no store", () => {
  it("is not sound, and an empty inventory says why it is", async () => {
    const empty = await temporaryFolder();
    const verified = await tpull(["verify", "--root", empty]);
    expect(verified).toMatchObject({ code: 1, stdout: "" });
    expect(verified.stderr).toContain("ROOT_NOT_FOUND");
    const gone = join(empty, "gone");
    const { code, stdout, stderr } = await tpull(["inventory", "--root", gone]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ inventory: 1, diffIds: [] });
    expect(stderr).toContain(`no data root at ${gone}`);
  });

  it("and a config that Go cannot read is found in a root", async () => {
    const root = await newRoot();
    const path = join(await temporaryFolder(), "a.tar");
    await writeFile(path, layoutArchive(one(), "docker.io/library/one:1"));
    await tpullOk(["load", "--root", root, "-i", path]);
    const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
    const text = `${String(one().config.data).slice(0, -1)},"x":${deep}}`;
    const place = join(imageStore(root), "imagedb/content/sha256");
    await writeFile(join(place, sha256(text).slice(7)), text, { mode: 0o600 });
    const { code, stdout } = await tpull(["verify", "--root", root]);
    expect(code).toBe(1);
    expect(stdout).toContain("CONFIG_UNUSABLE");
  });
});
