import { spawnSync } from "node:child_process";
import { rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf, type DiffId, LayerRebuilder } from "#store/index.js";
import { TarSplitSource } from "#store/ingest/tar-split-source.js";
import { archive, directory, file, symlink } from "../../helpers/tar-writer.js";
import { noise } from "../ingest/support/sources.js";
import { LINUX, unpacked } from "../ingest/support/unpacking.js";

/** Names by their codes, files by their sizes, what ends a record and what does not. */
const tar = archive(
  [
    directory("d/"),
    file("d/empty", ""),
    file("d/one", noise(70_001)),
    symlink("d/link", "one"),
    file("d/\xff\xfe", noise(512)),
    file(`d/${"long".repeat(40)}`, noise(300_000)),
    file("last", "l"),
  ],
  { end: Buffer.alloc(10_240) },
);
const diffId = digestOf(tar) as string as DiffId;

async function collected(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

describe.skipIf(!LINUX)("a stored layer's tar", () => {
  let rebuilder: LayerRebuilder;
  beforeAll(() => {
    rebuilder = new LayerRebuilder();
  });
  afterAll(() => rebuilder[Symbol.asyncDispose]());

  it("is as long as it was", async () => {
    expect(await rebuilder.size(await unpacked(tar))).toBe(tar.length);
    const nothing = await unpacked(Buffer.alloc(0));
    expect(await rebuilder.size(nothing)).toBe(0);
  });

  it("is given back whole, and checked", async () => {
    const layer = await unpacked(tar);
    const end = tar.length;
    const pieces = rebuilder.read(layer, { end, diffId });
    expect((await collected(pieces)).equals(tar)).toBe(true);
    const wrong = digestOf("another") as string as DiffId;
    await expect(
      collected(rebuilder.read(layer, { end, diffId: wrong })),
    ).rejects.toMatchObject({ code: "LAYER_DAMAGED" });
  });

  it("is neither waited for nor collected where its record has no end", async () => {
    const layer = await unpacked(tar);
    const damaged = { code: "LAYER_DAMAGED" };
    // Lines of this kind take 1 GiB when they are collected, and a string ends at half of that.
    const member = gzipSync(Buffer.alloc(64 * 1024 * 1024, " "), { level: 1 });
    writeFileSync(layer.tarSplitPath, Buffer.concat(Array(16).fill(member)));
    await expect(rebuilder.size(layer)).rejects.toMatchObject(damaged);
    rmSync(layer.tarSplitPath);
    expect(spawnSync("mkfifo", [layer.tarSplitPath]).status).toBe(0);
    await expect(rebuilder.size(layer)).rejects.toMatchObject(damaged);
  });

  it("is read on from any place", async () => {
    const layer = await unpacked(tar);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(tar.length),
        fc.nat(tar.length),
        async (one, two) => {
          const [start, end] = [Math.min(one, two), Math.max(one, two)];
          const source = new TarSplitSource(layer, () => false);
          try {
            expect(source.skip(start)).toBe(start);
            const next = source.next();
            const wanted = tar.subarray(start, start + (next?.length ?? 0));
            expect(Buffer.from(next ?? []).equals(wanted)).toBe(true);
          } finally {
            source.close();
          }
          const part = await collected(rebuilder.read(layer, { start, end }));
          expect(part.equals(tar.subarray(start, end))).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("is read in as many places at once as there are readers", async () => {
    const layer = await unpacked(tar);
    const cursors = Array.from({ length: 400 }, (_, at) =>
      rebuilder.cursor(layer, at * 7),
    );
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(
        cursors.map(async (cursor) => {
          const at = cursor.position;
          const bytes = await cursor.read(1_000, false);
          const wanted = tar.subarray(at, at + 1_000);
          expect(Buffer.from(bytes).equals(wanted)).toBe(true);
        }),
      );
    }
    for (const cursor of cursors) cursor.close();
  });

  it("is damaged when a file or the record is", async () => {
    const end = tar.length;
    const changed = await unpacked(tar);
    writeFileSync(join(changed.diffDirectory, "last"), "m");
    await expect(
      collected(rebuilder.read(changed, { end, diffId })),
    ).rejects.toMatchObject({ code: "LAYER_DAMAGED" });
    const short = await unpacked(tar);
    truncateSync(join(short.diffDirectory, "d/one"), 10);
    await expect(
      collected(rebuilder.read(short, { end })),
    ).rejects.toMatchObject({ code: "LAYER_DAMAGED" });
    const cut = await unpacked(tar);
    truncateSync(cut.tarSplitPath, 40);
    await expect(rebuilder.size(cut)).rejects.toMatchObject({
      code: "LAYER_DAMAGED",
    });
    const past = rebuilder.read(await unpacked(tar), { end: end + 1 });
    await expect(collected(past)).rejects.toMatchObject({
      code: "LAYER_DAMAGED",
    });
  });

  it("cannot be read any more when the rebuilder is gone", async () => {
    const layer = await unpacked(tar);
    const other = new LayerRebuilder();
    expect(await other.size(layer)).toBe(tar.length);
    await other[Symbol.asyncDispose]();
    await expect(other.size(layer)).rejects.toMatchObject({
      code: "WORKER_FAILED",
    });
  });
});
