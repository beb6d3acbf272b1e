// Archives that are small and would take all time or memory: each file of them is read once, and there are bounds.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkArchive, loadImages } from "#src/index.js";
import { openStore } from "#store/index.js";
import {
  blobsOf,
  dockerMembers,
  layoutMembers,
} from "../helpers/image-archive.js";
import {
  imageOf,
  indexOf,
  MACHINE,
  sha256,
  type Blob,
} from "../helpers/image-builder.js";
import { runOk } from "../helpers/run.js";
import {
  archive,
  file,
  symlink as link,
  type Member,
} from "../helpers/tar-writer.js";
import { TPULL, tpull } from "../helpers/tpull-cli.js";
import { smallImage, smallLayer } from "../pull/support/layers.js";
import { newRoot, temporaryFolder } from "../store/support/roots.js";

const INDEX = "application/vnd.oci.image.index.v1+json";
const one = () => smallImage(["base", "one"]);

async function written(archived: Buffer): Promise<string> {
  const path = join(await temporaryFolder(), "archive.tar");
  await writeFile(path, archived);
  return path;
}

function blobOf(data: Buffer, mediaType: string): Blob {
  return { mediaType, digest: sha256(data), size: data.length, data };
}

/** An index that lists another one again and again, and that one the next. */
function nested(levels: number, times: number): { top: Blob; blobs: Blob[] } {
  let top = indexOf([{ image: one(), platform: MACHINE }], "oci");
  const blobs = [top, ...blobsOf(one())];
  for (let level = 1; level < levels; level += 1) {
    const { mediaType, digest, size } = top;
    const manifests = Array.from({ length: times }, () => ({
      mediaType,
      digest,
      size,
    }));
    const text = JSON.stringify({
      schemaVersion: 2,
      mediaType: INDEX,
      manifests,
    });
    top = blobOf(Buffer.from(text), INDEX);
    blobs.push(top);
  }
  return { top, blobs };
}

describe("an archive whose parts lead to each other again and again", () => {
  it.each([false, true])(
    "has nested indexes, each of which is read once (docker's list: %s)",
    async (isDockers) => {
      const { top, blobs } = nested(4, 300);
      const annotations = { "io.containerd.image.name": "docker.io/x/y:1" };
      const members = [
        ...layoutMembers([{ blob: top, annotations }], blobs),
        ...(isDockers
          ? dockerMembers([{ image: one(), names: ["x/z:1"] }])
          : []),
      ];
      const path = await written(archive(members));
      expect(await checkArchive(path)).toMatchObject({ findings: [] });
      const root = await newRoot();
      const { failures } = await loadImages(path, { root });
      expect(failures).toEqual([]);
      const names = await (await openStore(root)).references();
      expect([...names.keys()]).toEqual(isDockers ? ["x/y", "x/z"] : ["x/y"]);
    },
  );

  it("has an index with more inside it than anybody would read", async () => {
    const blobs: Blob[] = [];
    for (let count = 0; count < 1100; count += 1) {
      const text = { schemaVersion: 2, mediaType: INDEX, manifests: [], count };
      blobs.push(blobOf(Buffer.from(JSON.stringify(text)), INDEX));
    }
    const manifests = blobs.map(({ mediaType, digest, size }) => ({
      mediaType,
      digest,
      size,
    }));
    const text = { schemaVersion: 2, mediaType: INDEX, manifests };
    const top = blobOf(Buffer.from(JSON.stringify(text)), INDEX);
    const members = layoutMembers([{ blob: top }], [top, ...blobs]);
    const { failures } = await loadImages(await written(archive(members)), {
      root: await newRoot(),
    });
    expect(failures).toMatchObject([{ error: { code: "INDEX_TOO_LARGE" } }]);
  });

  it("has a large blob under many names, which is hashed once", async () => {
    const big = Buffer.alloc(40_000_000, "x");
    const hex = sha256(big).slice(7);
    const members: Member[] = [
      ...layoutMembers([{ blob: one().manifest }], blobsOf(one())),
      file(`blobs/sha256/${hex}`, big),
    ];
    for (let at = 0; at < 1500; at += 1) {
      const name = at.toString(16).padStart(64, "0");
      members.push(link(`blobs/sha256/${name}`, hex));
    }
    const { findings, bytes } = await checkArchive(
      await written(archive(members)),
    );
    expect(findings).toHaveLength(1500);
    expect(bytes).toBeLessThan(2 * big.length);
  });

  it("has one config under thousands of names, in its list and as files", async () => {
    const image = one();
    const config = JSON.parse(String(image.config.data)) as object;
    const large = JSON.stringify({ ...config, padding: "x".repeat(7_000_000) });
    const layers = image.layers.map((layer, at) =>
      file(`layer${at}`, layer.data as Buffer),
    );
    const list = Array.from({ length: 5000 }, (_, at) => ({
      Config: `config${at}`,
      RepoTags: [`many:${at}`],
      Layers: ["layer0", "layer1"],
    }));
    const path = await written(
      archive([
        file("config", large),
        ...layers,
        ...list.map(({ Config }) => link(Config, "config")),
        file("manifest.json", JSON.stringify(list)),
      ]),
    );
    const root = await newRoot();
    const { results, failures } = await loadImages(path, { root });
    expect(failures).toEqual([]);
    expect(results).toMatchObject([{ imageId: sha256(large) }]);
    const names = await (await openStore(root)).references();
    expect(names.get("many")?.size).toBe(5000);
  });
});

describe("an archive that would take all memory", () => {
  /** Resident memory at its highest, in MB. */
  async function peakOf(args: readonly string[]): Promise<number> {
    const script = [
      "import resource, subprocess, sys",
      "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)",
      "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)",
    ].join("\n");
    const command = ["-c", script, process.execPath, TPULL, ...args];
    return Number(await runOk("python3", command));
  }

  const layer = smallLayer("a");
  const costly: Record<string, () => Buffer> = {
    "nests its list": () =>
      archive([file("manifest.json", "[".repeat(16_000_000))]),
    "lists nothing a million times": () =>
      archive([file("manifest.json", `[${"[],".repeat(5_000_000)}[]]`)]),
    "has old layers of one long description": () =>
      archive([
        file("repositories", "{}"),
        file("json", JSON.stringify({ comment: "x".repeat(8_300_000) })),
        file("layer", layer.data as Buffer),
        ...Array.from({ length: 400 }, (_, at) => [
          link(`x${at}/json`, "../json"),
          link(`x${at}/layer.tar`, "../layer"),
        ]).flat(),
      ]),
    "has old layers that each say much": () =>
      archive([
        file("repositories", "{}"),
        file("layer", layer.data as Buffer),
        ...Array.from({ length: 150 }, (_, at) => [
          file(`x${at}/json`, `{"comment":"${at}${"x".repeat(1_000_000)}"}`),
          link(`x${at}/layer.tar`, "../layer"),
        ]).flat(),
      ]),
    "has names of a megabyte": () =>
      archive(
        Array.from({ length: 150 }, (_, at) =>
          file("x", "", { gnuName: `${at}`.padEnd(1_000_000, "x") }),
        ),
      ),
    "has more long names than there is memory for": () =>
      archive(
        Array.from({ length: 20_000 }, (_, at) =>
          file("x", "", { gnuName: `${at}/`.padEnd(4000, "x") }),
        ),
      ),
  };

  it.each(Object.keys(costly))("and %s is refused", async (what) => {
    const path = await written(costly[what]!());
    for (const args of [
      ["load", "--root", await newRoot(), "-i", path],
      ["verify", path],
    ]) {
      const { code, stdout, stderr } = await tpull(args);
      expect(code).toBe(1);
      expect(stdout + stderr).toContain("ARCHIVE_INVALID");
      expect(await peakOf(args)).toBeLessThan(260);
    }
  });

  it("and has an old image in many directories gives it once", async () => {
    const path = await written(
      archive([
        file("repositories", "{}"),
        file("json", '{"os":"linux"}'),
        file("layer", layer.data as Buffer),
        ...Array.from({ length: 50 }, (_, at) => [
          link(`x${at}/json`, "../json"),
          link(`x${at}/layer.tar`, "../layer"),
        ]).flat(),
      ]),
    );
    const root = await newRoot();
    const { results } = await loadImages(path, { root });
    expect(results).toHaveLength(1);
  });
});

describe("work on an archive", () => {
  it("ends when it is told to, in the middle of its names", async () => {
    const members: Member[] = [
      ...layoutMembers([{ blob: one().manifest }], blobsOf(one())),
    ];
    for (let at = 0; at < 60_000; at += 1) {
      members.push(
        file(`blobs/sha256/${at.toString(16).padStart(64, "0")}`, ""),
      );
    }
    const path = await written(archive(members));
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 150);
    await expect(
      checkArchive(path, { signal: stop.signal }),
    ).rejects.toMatchObject({ code: "ABORTED" });
  });
});

describe("a config that Go would not read", () => {
  const deep = (depth: number): string =>
    `${"[".repeat(depth)}${"]".repeat(depth)}`;

  it.each([
    ["9999 deep is loaded", 9_999, true],
    ["10000 deep is refused", 10_000, false],
    ["200000 deep is refused", 200_000, false],
  ])("%s", async (_what, depth, isFine) => {
    const image = imageOf([layer()]);
    const text = `${String(image.config.data).slice(0, -1)},"x":${deep(depth)}}`;
    const config = blobOf(Buffer.from(text), image.config.mediaType);
    const members = dockerMembers([
      { image: { ...image, config }, names: ["x:1"] },
    ]);
    const path = await written(archive(members));
    const root = await newRoot();
    const loaded = loadImages(path, { root });
    if (isFine) {
      expect((await loaded).results).toMatchObject([
        { imageId: config.digest },
      ]);
      expect(await tpull(["verify", "--root", root])).toMatchObject({
        code: 0,
      });
    } else
      await expect(loaded).rejects.toMatchObject({ code: "ARCHIVE_INVALID" });
  });

  const layer = () => smallLayer("deep");
});
