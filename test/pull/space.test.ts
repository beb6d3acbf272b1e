// Whether there is room, asked before anything is written.
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { SpaceLedger } from "#src/space-ledger.js";
import {
  certainNeed,
  freeSpace,
  type FreeSpace,
  type SizedLayer,
} from "#src/space.js";
import type { ChainId, Digest } from "#store/index.js";
import { openStore } from "#store/index.js";
import { imageOf, layerOf } from "../helpers/image-builder.js";
import { describeWithPeers } from "../helpers/peers.js";
import { archive, file } from "../helpers/tar-writer.js";
import { newRoot, temporaryFolder } from "../store/support/roots.js";
import { noise, smallImage, smallLayer } from "./support/layers.js";
import { failureOf, publish, pulling, serve } from "./support/pulls.js";
import { smallDisks } from "../helpers/small-disk.js";
import { expectSound } from "./support/stored.js";

const MB = 1_000_000;
const GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";

function layer(
  name: string,
  size: number,
  mediaType: string = GZIP,
): SizedLayer {
  return { chainId: name as ChainId, size, mediaType };
}

interface Disk {
  ledger: SpaceLedger;
  /** Bytes that are free now. */
  set(bytes: number): void;
  tight: number[];
  reserve(
    layers: SizedLayer[],
    hooks?: { begun?: string[]; room?: () => void },
  ): ReturnType<SpaceLedger["reserve"]>;
}

async function disk(
  bytes: number,
  rest: Partial<FreeSpace> = {},
): Promise<Disk> {
  let free = bytes;
  const tight: number[] = [];
  const ledger = new SpaceLedger(await openStore("/nowhere"), () => ({
    bytes: free,
    inodes: undefined,
    compresses: false,
    ...rest,
  }));
  return {
    ledger,
    set: (now) => {
      free = now;
    },
    tight,
    reserve: (layers, { begun = [], room = () => {} } = {}) =>
      ledger.reserve(layers, {
        isBegun: (id) => begun.includes(id),
        makeRoom: async () => room(),
        onTight: ({ bytes }) => tight.push(bytes),
      }),
  };
}

describe("the ledger", () => {
  it("refuses what cannot fit, naming what is needed and what is free", async () => {
    const { reserve } = await disk(10 * MB);
    const error = await failureOf(
      reserve([layer("a", 8 * MB), layer("b", 8 * MB)]),
    );
    expect(error).toMatchObject({
      code: "NOT_ENOUGH_SPACE",
      details: { what: "bytes", needed: 14.4 * MB, free: 10 * MB },
    });
    expect(error.message).toContain("at least 14.4 MB, 10.0 MB are free");
  });

  it("warns where only the estimate is too much", async () => {
    const { reserve, tight } = await disk(10 * MB);
    await reserve([layer("a", 2 * MB)]);
    expect(tight).toEqual([]);
    await reserve([layer("b", 8 * MB)]);
    expect(tight).toEqual([40 * MB]);
  });

  it("counts what other images of the run have been promised, a shared layer once", async () => {
    const { reserve, set } = await disk(10 * MB);
    const first = await reserve([layer("a", 6 * MB), layer("base", 2 * MB)]);
    // Some of it is written by now; that is no reason to count it twice.
    set(4 * MB);
    await reserve([layer("base", 2 * MB), layer("b", 2 * MB)]);
    const error = await failureOf(reserve([layer("c", 2 * MB)]));
    expect(error.code).toBe("NOT_ENOUGH_SPACE");
    first.release();
    set(10 * MB);
    await reserve([layer("c", 2 * MB)]);
  });

  it("takes as gone what is stored", async () => {
    const { reserve, set } = await disk(10 * MB);
    const first = await reserve([layer("a", 6 * MB)]);
    await reserve([layer("b", 1 * MB)]);
    set(1 * MB);
    first.settle();
    first.release();
    const error = await failureOf(reserve([layer("c", 5 * MB)]));
    expect(error.code).toBe("NOT_ENOUGH_SPACE");
  });

  it("has leftovers removed before it refuses, and only then", async () => {
    const { reserve, set } = await disk(10 * MB);
    let asked = 0;
    const room = (): void => {
      asked += 1;
      set(30 * MB);
    };
    await reserve([layer("a", 5 * MB)], { room });
    expect(asked).toBe(0);
    await reserve([layer("b", 20 * MB)], { room });
    expect(asked).toBe(1);
  });

  it("does not count against us what another process is writing", async () => {
    const { reserve } = await disk(1 * MB);
    await reserve([layer("a", 8 * MB)], { begun: ["a"] });
  });

  it("counts inodes where the filesystem does", async () => {
    const { reserve } = await disk(10 * MB, { inodes: 15 });
    await reserve([layer("a", 1)]);
    const error = await failureOf(reserve([layer("b", 1)]));
    expect(error).toMatchObject({
      code: "NOT_ENOUGH_SPACE",
      details: { what: "inodes", needed: 18, free: 15 },
    });
  });
});

test("what compresses by itself or is not compressed has no certain size", () => {
  const layers = [
    layer("a", 100, GZIP),
    layer("b", 100, "application/vnd.oci.image.layer.v1.tar"),
  ];
  expect(certainNeed(layers, { compresses: false }).bytes).toBe(90);
  expect(certainNeed(layers, { compresses: true }).bytes).toBe(0);
});

test("free space is that of the nearest directory that exists", async () => {
  const folder = await temporaryFolder();
  const [here, below] = await Promise.all(
    [folder, join(folder, "a/b/c")].map((root) => openStore(root)),
  );
  if (here === undefined || below === undefined) throw new Error("no store");
  expect(freeSpace(below).bytes / freeSpace(here).bytes).toBeCloseTo(1, 1);
});

test("an image without compression is pulled wherever it is", async () => {
  const registry = await serve();
  const root = await newRoot();
  const plain = smallLayer("plain", { compression: "none" });
  const name = publish(registry, "app:1", imageOf([plain]));
  expect((await pulling(name, { root })).failures).toEqual([]);
});

describeWithPeers("a small disk", [], { root: true }, () => {
  const mounted = smallDisks();

  const big = layerOf(archive([file("big", noise(3 * MB))]));

  it("refuses an image that does not fit before it writes, and pulls the one that does", async () => {
    const registry = await serve();
    const folder = await mounted("size=2m,nr_inodes=1000");
    const root = join(folder, "root");
    const large = publish(registry, "large:1", imageOf([big]));
    const small = publish(registry, "small:1", smallImage(["a"]));
    const alone = await pulling(large, { root });
    expect(alone.failures).toMatchObject([
      { reference: large, error: { code: "NOT_ENOUGH_SPACE" } },
    ]);
    expect(alone.failures[0]?.error.message).toContain(root);
    expect(await readdir(folder)).toEqual([]);
    const both = await pulling([large, small], { root });
    expect(both.results.map(({ reference }) => reference)).toEqual([small]);
    expect(both.failures.map(({ error }) => error.code)).toEqual([
      "NOT_ENOUGH_SPACE",
    ]);
    await expectSound(root);
  });

  it("takes an image that just fits, with a warning", async () => {
    const registry = await serve();
    const root = join(await mounted("size=4m,nr_inodes=1000"), "root");
    const name = publish(registry, "app:1", imageOf([big]));
    const { failures, events } = await pulling(name, { root });
    expect(failures).toEqual([]);
    expect(events).toContainEqual(
      expect.objectContaining({
        type: "warning",
        code: "SPACE_TIGHT",
        image: name,
      }),
    );
  });

  it("gives up parts of blobs where that makes room, and not otherwise", async () => {
    const registry = await serve();
    const folder = await mounted("size=10m,nr_inodes=1000");
    const root = join(folder, "root");
    const small = publish(registry, "small:1", smallImage(["a"]));
    await pulling(small, { root });
    const { layout } = await openStore(root);
    const directory = layout.partialBlob(`sha256:${"0".repeat(64)}` as Digest);
    await mkdir(directory, { recursive: true });
    // About 3.5 MB are left then, and 4.5 without the part.
    await writeFile(join(directory, "0"), noise(1 * MB));
    await writeFile(join(folder, "other"), noise(6 * MB));
    const huge = layerOf(archive([file("huge", noise(6 * MB))]));
    const large = publish(registry, "large:1", imageOf([huge]));
    const refused = await pulling(large, { root });
    expect(refused.failures[0]?.error.code).toBe("NOT_ENOUGH_SPACE");
    expect(await readdir(directory)).toEqual(["0"]);
    const fitting = layerOf(archive([file("fitting", noise(4.1 * MB))]));
    const fits = publish(registry, "fits:1", imageOf([fitting]));
    expect((await pulling(fits, { root })).failures).toEqual([]);
    await expect(readdir(directory)).rejects.toThrow("ENOENT");
  });

  it("fails no image for a blob that is to be kept", async () => {
    const registry = await serve();
    const folder = await mounted("size=13m,nr_inodes=1000");
    const root = join(folder, "root");
    const layers = [1, 2, 3, 4, 5, 6].map((seed) =>
      layerOf(archive([file(`noise-${seed}`, noise(1.5 * MB, seed))])),
    );
    const names = [0, 2, 4].map((at) =>
      publish(registry, `app:${at}`, imageOf(layers.slice(at, at + 2))),
    );
    const options = { root, concurrency: 4, keepBlobs: true } as const;
    const { failures, results } = await pulling(names, options);
    expect(failures).toEqual([]);
    expect(results).toHaveLength(3);
    await expectSound(root);
  });

  it("refuses where inodes are missing", async () => {
    const registry = await serve();
    const folder = await mounted("size=8m,nr_inodes=12");
    const name = publish(registry, "app:1", smallImage(["a", "b"]));
    const { failures } = await pulling(name, { root: join(folder, "root") });
    expect(failures[0]?.error).toMatchObject({
      code: "NOT_ENOUGH_SPACE",
      details: { what: "inodes" },
    });
    expect(await readdir(folder)).toEqual([]);
  });
});
