// Whether all images fit together, asked before a layer byte moves.
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openStore, prefetch } from "#src/index.js";
import type { Digest } from "#store/index.js";
import { imageOf, layerOf, type LayerBlob } from "../helpers/image-builder.js";
import { describeWithPeers } from "../helpers/peers.js";
import { archive, file } from "../helpers/tar-writer.js";
import { tpull } from "../helpers/tpull-cli.js";
import { listing } from "../store/support/roots.js";
import { noise, smallImage } from "./support/layers.js";
import { prefetching } from "./support/prefetching.js";
import {
  failureOf,
  IMPATIENT,
  publish,
  pulling,
  serve,
} from "./support/pulls.js";
import { smallDisks } from "../helpers/small-disk.js";
import { expectSound } from "./support/stored.js";

const MB = 1_000_000;

/** A layer that takes about so much when it is stored, and not much less before. */
function gzipped(bytes: number, seed: number): LayerBlob {
  return layerOf(archive([file(`noise-${seed}`, noise(bytes, seed))]));
}

describeWithPeers("a small disk", [], { root: true }, () => {
  const mounted = smallDisks();

  it("refuses images that fit one by one but not together, with nothing changed", async () => {
    const registry = await serve();
    const folder = await mounted("size=10m,nr_inodes=2000");
    const root = join(folder, "root");
    const there = publish(registry, "there:1", smallImage(["there"]));
    await pulling(there, { root });
    const layers = [1, 2, 3].map((seed) => gzipped(4 * MB, seed));
    const names = layers.map((layer, at) =>
      publish(registry, `app:${at}`, imageOf([layer])),
    );
    const before = await listing(root);
    for (const keepGoing of [false, true]) {
      registry.requests.length = 0;
      const options = { root, keepGoing, registry: IMPATIENT };
      const error = await failureOf(prefetch([...names, there], options));
      expect(error).toMatchObject({
        code: "NOT_ENOUGH_SPACE",
        details: { what: "bytes" },
      });
      const needed = layers.reduce((sum, { size }) => sum + size, 0) * 0.9;
      expect(error.details["needed"]).toBe(Math.floor(needed));
      expect(error.message).toMatch(
        /^the images do not fit in .*: their layers/,
      );
      for (const { digest } of layers) {
        expect(registry.sent(new RegExp(digest))).toEqual([]);
      }
      expect(await listing(root)).toEqual(before);
    }
    const { result } = await prefetching(names.slice(0, 2), { root });
    expect(result.failures).toEqual([]);
    await expectSound(root);
  });

  it("counts a layer once that several images share", async () => {
    const registry = await serve();
    const root = join(await mounted("size=10m,nr_inodes=2000"), "root");
    const shared = gzipped(5 * MB, 1);
    const names = [2, 3, 4].map((seed) =>
      publish(registry, `app:${seed}`, imageOf([shared, gzipped(MB, seed)])),
    );
    const { result, events } = await prefetching(names, { root });
    expect(result.failures).toEqual([]);
    // The estimate is too much, which is said once, of the whole.
    const tight = events.filter(
      (event) => event.type === "warning" && event.code === "SPACE_TIGHT",
    );
    expect(tight).toHaveLength(1);
    expect(tight[0]).not.toHaveProperty("image");
    await expectSound(root);
  });

  it("refuses where inodes are missing", async () => {
    const registry = await serve();
    const folder = await mounted("size=8m,nr_inodes=40");
    const names = ["a", "b", "c"].map((name) =>
      publish(registry, `${name}:1`, smallImage([name, `${name}2`])),
    );
    const root = join(folder, "root");
    const error = await failureOf(
      prefetch(names, { root, registry: IMPATIENT }),
    );
    expect(error).toMatchObject({
      code: "NOT_ENOUGH_SPACE",
      details: { what: "inodes", needed: 54 },
    });
    expect(await readdir(folder)).toEqual([]);
  });

  it("warns of inodes where only they may be too few", async () => {
    const registry = await serve();
    const folder = await mounted("size=60m,nr_inodes=300");
    const name = publish(registry, "a:1", imageOf([gzipped(2 * MB, 1)]));
    const root = join(folder, "root");
    const planned = await tpull(["plan", "--root", root, name]);
    expect(planned.code).toBe(0);
    expect(planned.stdout).toContain(
      "it may not fit: there may be too few inodes\n",
    );
    const { events } = await prefetching([name], { root });
    const [warning] = events.flatMap((event) =>
      event.type === "warning" ? [event.message] : [],
    );
    expect(warning).toMatch(
      /^the disk may be too small: a cautious estimate is 49\d inodes, 2\d\d are free$/,
    );
  });

  it("makes room of what interrupted pulls left before it refuses", async () => {
    const registry = await serve();
    const folder = await mounted("size=10m,nr_inodes=1000");
    const root = join(folder, "root");
    await pulling(publish(registry, "there:1", smallImage(["a"])), { root });
    const { layout } = await openStore(root);
    const directory = layout.partialBlob(`sha256:${"0".repeat(64)}` as Digest);
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, "0"), noise(6 * MB));
    const names = [1, 2].map((seed) =>
      publish(registry, `app:${seed}`, imageOf([gzipped(3 * MB, seed)])),
    );
    const { result } = await prefetching(names, { root });
    expect(result.failures).toEqual([]);
    await expect(readdir(directory)).rejects.toThrow("ENOENT");
    await expectSound(root);
  });

  it("is told by the command, with status 1 and each image in the events", async () => {
    const registry = await serve();
    const folder = await mounted("size=2m,nr_inodes=1000");
    const root = join(folder, "root");
    const names = [1, 2].map((seed) =>
      publish(registry, `app:${seed}`, imageOf([gzipped(2 * MB, seed)])),
    );
    const args = ["prefetch", "-k", "--root", root, ...names];
    const plain = await tpull(args);
    expect(plain).toMatchObject({ code: 1, stdout: "" });
    expect(plain.stderr).toMatch(
      /^tpull: the images do not fit in .* \(NOT_ENOUGH_SPACE\)\n {2}hint: /,
    );
    const json = await tpull([...args, "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      error: { code: "NOT_ENOUGH_SPACE" },
      notStarted: 2,
      images: names.map((reference) => ({ reference, status: "not-started" })),
    });
    const events = await tpull([...args, "--progress", "json"]);
    const lines = events.stdout.trimEnd().split("\n");
    const last = JSON.parse(lines.at(-1)!) as Record<string, unknown>;
    expect(last).toMatchObject({
      type: "summary",
      failed: 2,
      failures: names.map((reference) => ({
        reference,
        error: { code: "NOT_ENOUGH_SPACE" },
      })),
    });
    expect(await readdir(folder)).toEqual([]);
  });
});
