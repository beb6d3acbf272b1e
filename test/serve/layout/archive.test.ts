import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LayoutArchive } from "#src/serve/layout/archive.js";
import { readStretch } from "#src/serve/layout/files.js";
import { layoutContent, openLayout } from "#src/serve/layout/source.js";
import { mergedContent } from "#src/serve/merged-content.js";
import { digestOf } from "#store/digest.js";
import { imageOf, layerOf } from "../../helpers/image-builder.js";
import {
  indexText,
  LAYOUT_VERSION,
  layoutArchive,
  named,
} from "../../helpers/layout-writer.js";
import {
  archive,
  file,
  hardlink,
  member,
  paxGlobal,
  symlink,
  TYPE,
} from "../../helpers/tar-writer.js";

const layer = layerOf(archive([file("x", "x".repeat(300_000))]), {
  compression: "none",
});
const image = imageOf([layer], { family: "oci" });

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tpull-archive-"));
  path = join(folder, "images.tar");
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

const blobName = (digest: string): string =>
  `blobs/sha256/${digest.slice("sha256:".length)}`;

describe("an archive", () => {
  it.each(["", "./"])("serves blobs from where they lie (%j)", async (dot) => {
    await writeFile(path, await layoutArchive([named(image, "v")], dot));
    const content = await layoutContent(path, "r");
    const repository = await content.repository("r");
    expect(await repository?.tags()).toEqual(["v"]);
    const manifest = await repository?.manifest({ tag: "v" });
    expect(manifest?.digest).toBe(image.manifest.digest);
    const digest = digestOf(layer.data as Buffer);
    const blob = await repository?.blob(digest);
    expect(blob?.size).toBe(layer.size);
    const got: Buffer[] = [];
    for await (const piece of blob?.open(3, 100) ?? []) {
      got.push(Buffer.from(piece));
    }
    expect(Buffer.concat(got)).toEqual((layer.data as Buffer).subarray(3, 100));
    await content.close();
  });

  it("finds members behind headers of every dialect", async () => {
    const long = "d/".repeat(150);
    const content = Buffer.from("behind");
    const digest = digestOf(content);
    const late = digestOf("last");
    await writeFile(
      path,
      archive([
        paxGlobal({ comment: "of the archive" }),
        file(`${long}f`, "long name, pax", { pax: { path: `${long}f` } }),
        member({ name: `${long}\0`, type: TYPE.gnuLongName, data: "" }),
        file("short", "0".repeat(511)),
        file(blobName(digest), content, {
          pax: { path: blobName(digest), mtime: "1.5" },
        }),
        file(blobName(late), "first"),
        file(blobName(late), "last"),
      ]),
    );
    const files = await LayoutArchive.open(path);
    const stretch = await files.blob(digest);
    expect(stretch && (await readStretch(stretch))).toEqual(content);
    // Of a name that is there twice the last counts, as for tar.
    const twice = await files.blob(late);
    expect(twice && String(await readStretch(twice))).toBe("last");
    await files.close();
  });

  it("takes no links, and no names that only look like a blob's", async () => {
    const [one, two, three, four] = ["1", "2", "3", "4"].map((text) =>
      digestOf(text),
    );
    await writeFile(
      path,
      archive([
        symlink(blobName(one!), "/etc/passwd"),
        file("secret", "secret"),
        hardlink(blobName(two!), "secret"),
        file(`../${blobName(three!)}`, "3"),
        file(`blobs/sha256/../sha256/${four!.slice(7)}`, "4"),
        file(`blobs/sha256/${four!.slice(7).toUpperCase()}`, "4"),
      ]),
    );
    const files = await LayoutArchive.open(path);
    for (const digest of [one, two, three, four]) {
      expect(await files.blob(digest!)).toBe(undefined);
    }
    await files.close();
  });

  it.each([
    ["gzip", gzipSync(archive([file("a", "a")])), /compressed with gzip/],
    ["text", Buffer.from("no tar at all".repeat(100)), /neither/],
    ["nothing", Buffer.alloc(0), /neither/],
    ["zeros", Buffer.alloc(2048), /neither/],
    [
      "a cut tar",
      archive([file("a", "a"), file("b", "b".repeat(9_000))]).subarray(0, 4096),
      /damaged tar: it ends/,
    ],
    [
      "a wrong header",
      Buffer.concat([
        archive([file("a", "a")]).subarray(0, 1024),
        Buffer.alloc(512, 7),
      ]),
      /damaged tar: a header is wrong/,
    ],
    ["no layout", archive([file("a", "a")]), /no oci-layout/],
    [
      "an index that is not there",
      archive([file("oci-layout", LAYOUT_VERSION)]),
      /no index\.json/,
    ],
    [
      "an endless index",
      archive([
        file("oci-layout", LAYOUT_VERSION),
        file("index.json", Buffer.alloc(4 * 1024 * 1024 + 1, " ")),
      ]),
      /too much/,
    ],
  ])("refuses %s", async (_, bytes, message) => {
    await writeFile(path, bytes);
    await expect(layoutContent(path, "r")).rejects.toMatchObject({
      code: "LAYOUT_INVALID",
      message: expect.stringMatching(message) as string,
    });
  });

  it("refuses what docker saved before it had layouts", async () => {
    await writeFile(path, archive([file("manifest.json", "[]")]));
    await expect(layoutContent(path, "r")).rejects.toMatchObject({
      code: "LAYOUT_INVALID",
      message: expect.stringContaining("docker's own archive") as string,
      hint: expect.stringContaining("tpull load") as string,
    });
  });

  it("follows a file that is replaced, while readers of the old one go on", async () => {
    await writeFile(path, await layoutArchive([named(image, "old")]));
    const source = await openLayout(path, {
      name: { host: undefined, path: "r" },
    });
    const content = mergedContent([source]);
    const before = await content.repository("r");
    const blob = await before?.blob(digestOf(layer.data as Buffer));
    const pieces = blob?.open(0, layer.size)[Symbol.asyncIterator]();
    const got = [Buffer.from((await pieces?.next())?.value ?? "")];
    await writeFile(`${path}.new`, await layoutArchive([named(image, "new")]));
    await rename(`${path}.new`, path);
    await expect
      .poll(async () => (await content.repository("r"))?.tags(), {
        timeout: 10_000,
      })
      .toEqual(["new"]);
    for (;;) {
      const next = await pieces?.next();
      if (next?.value === undefined) break;
      got.push(Buffer.from(next.value));
    }
    expect(got.length).toBeGreaterThan(2);
    expect(Buffer.concat(got)).toEqual(layer.data);
    await source.close();
  });

  it("serves on what it had when the file becomes something else", async () => {
    const warnings: string[] = [];
    await writeFile(path, await layoutArchive([named(image, "v")]));
    const source = await openLayout(path, {
      name: { host: undefined, path: "r" },
      onWarning: ({ message }) => warnings.push(message),
    });
    const content = mergedContent([source]);
    await writeFile(`${path}.new`, indexText([]));
    await rename(`${path}.new`, path);
    await expect
      .poll(
        async () => {
          await content.repository("r");
          return warnings.length;
        },
        { timeout: 10_000 },
      )
      .toBe(1);
    expect(warnings[0]).toContain("served on");
    const repository = await content.repository("r");
    const manifest = await repository?.manifest({ tag: "v" });
    expect(manifest?.digest).toBe(image.manifest.digest);
    await source.close();
  });
});
