import { spawnSync } from "node:child_process";
import { getEventListeners } from "node:events";
import { existsSync, mkdirSync, readFileSync, statfsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
} from "vitest";
import { type Ingested, IngestPool } from "#store/ingest/pool.js";
import type { UnpackTarget } from "#store/ingest/unpack.js";
import { sha256 } from "../../helpers/image-builder.js";
import {
  MODES,
  NAMES,
  PAX,
  PLAIN,
  WHITEOUTS,
} from "../../helpers/images/odd-layers.js";
import { archive, file, hardlink } from "../../helpers/tar-writer.js";
import { spoiled } from "./support/gzip.js";
import { noise } from "./support/sources.js";
import { nextThreadId } from "./support/threads.js";
import { storedFrame, zerosFrame } from "./support/zstd.js";
import {
  LINUX,
  ROOT,
  lines,
  scratch,
  snapshot,
  target,
} from "./support/unpacking.js";

const TAR = archive([
  ...NAMES,
  // Closed directories can be looked into by root only.
  ...(ROOT ? MODES : []),
  ...PAX,
  file("large", noise(3_000_000)),
  ...WHITEOUTS[1]!,
]);
const BLOB = gzipSync(TAR);

/** More zeros than can be unpacked in a second, in less than the workers take in at a time. */
const bombs = {
  gzip: () => gzipSync(Buffer.alloc(64 << 20)),
  zstd: () => zerosFrame(16_384),
};

async function* chunks(bytes: Buffer, length = 16_384): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) {
    yield bytes.subarray(at, at + length);
  }
}

/** Yields `first`, then nothing more until it is told to go on. */
function hanging(first: Buffer): {
  source: AsyncIterable<Buffer>;
  begun: Promise<void>;
  goOn: () => void;
} {
  let goOn = (): void => {};
  const stuck = new Promise<void>((resolve) => (goOn = resolve));
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => (begin = resolve));
  async function* generate() {
    yield first;
    begin();
    await stuck;
    yield first;
  }
  return { source: generate(), begun, goOn };
}

describe.skipIf(!LINUX)("a pool of unpack workers", () => {
  let pool: IngestPool;
  beforeAll(() => {
    pool = new IngestPool();
  });
  afterAll(() => pool[Symbol.asyncDispose]());

  const ingest = async (
    blob: Buffer | AsyncIterable<Buffer>,
    options: { wide?: boolean; signal?: AbortSignal; to?: UnpackTarget } = {},
  ): Promise<Ingested & { to: UnpackTarget }> => {
    const to = options.to ?? (await target());
    const source = Buffer.isBuffer(blob) ? chunks(blob) : blob;
    const wide = options.wide ?? false;
    return {
      to,
      ...(await pool.ingest(source, {
        target: to,
        wide,
        signal: options.signal,
      })),
    };
  };
  const widths = [{ wide: false }, { wide: true }];

  it("gives the same on one thread, on two, and from a stored layer", async () => {
    const one = await ingest(BLOB);
    const two = await ingest(BLOB, { wide: true });
    const to = await target();
    const copied = await pool.copy(one.to, to);
    expect(one.blob).toEqual({ digest: sha256(BLOB), bytes: BLOB.length });
    expect(two.blob).toEqual(one.blob);
    expect(one.unpacked).toMatchObject({
      diffId: sha256(TAR),
      tarBytes: TAR.length,
    });
    expect(two.unpacked).toEqual(one.unpacked);
    expect(copied).toEqual(one.unpacked);
    const tree = (layer: UnpackTarget) => snapshot(layer.diffDirectory);
    expect(tree(one.to).length).toBeGreaterThan(30);
    expect(tree(two.to)).toEqual(tree(one.to));
    expect(tree(to)).toEqual(tree(one.to));
    expect(
      readFileSync(two.to.tarSplitPath).equals(
        readFileSync(one.to.tarSplitPath),
      ),
    ).toBe(true);
    expect(lines(to)).toEqual(lines(one.to));
  });

  it("keeps its workers, and works with several layers at once", async () => {
    const layers = Array.from({ length: 12 }, (_, i) =>
      archive([file(`f${i}`, noise(i * 40_000))]),
    );
    const results = await Promise.all(
      layers.map((tar, i) =>
        ingest(i % 3 === 0 ? tar : gzipSync(tar), { wide: i % 2 === 0 }),
      ),
    );
    expect(results.map(({ unpacked }) => unpacked?.diffId)).toEqual(
      layers.map(sha256),
    );
  });

  describe("that has a thread for each processor, all at work,", () => {
    const small = archive([file("small", noise(1000))]);
    let crowd: IngestPool;
    let free: () => void;
    let first: number;
    beforeEach(async () => {
      crowd = new IngestPool();
      const stop = new AbortController();
      const stuck = Array.from({ length: availableParallelism() }, () =>
        hanging(BLOB.subarray(0, 1000)),
      );
      const running = stuck.map(async ({ source }) => {
        const options = { target: await target(), wide: false };
        const { signal } = stop;
        await crowd.ingest(source, { ...options, signal }).catch(() => {});
      });
      await Promise.all(stuck.map(({ begun }) => begun));
      first = await nextThreadId();
      free = () => {
        stop.abort();
        for (const { goOn } of stuck) goOn();
      };
      return async () => {
        free();
        await Promise.all(running);
        await crowd[Symbol.asyncDispose]();
      };
    });
    const bring = async (size: number, signal?: AbortSignal) => {
      const options = { target: await target(), wide: false, size, signal };
      return crowd.ingest(chunks(small), options);
    };

    it("gives a small layer the first that is free", async () => {
      const brought = bring(small.length);
      await setTimeout(50);
      free();
      expect((await brought).unpacked?.diffId).toBe(sha256(small));
      expect(await nextThreadId()).toBe(first + 1);
    });

    it("starts another for a small layer when none is free in time", async () => {
      const begun = performance.now();
      const { unpacked } = await bring(small.length);
      expect(unpacked?.diffId).toBe(sha256(small));
      expect(performance.now() - begun).toBeGreaterThan(450);
      expect(await nextThreadId()).toBe(first + 2);
    });

    it("starts another for a large layer at once", async () => {
      const brought = bring(small.length + 1024 * 1024);
      await setTimeout(50);
      expect(await nextThreadId()).toBe(first + 2);
      expect((await brought).unpacked?.diffId).toBe(sha256(small));
    });

    it("lets a small layer go when it is closed", async () => {
      const brought = bring(small.length);
      const refused = expect(brought).rejects.toMatchObject({
        code: "ABORTED",
      });
      await setTimeout(50);
      free();
      // Before those that were at work are given back.
      await crowd[Symbol.asyncDispose]();
      await refused;
      await setTimeout(600);
      expect(await nextThreadId()).toBe(first + 1);
    });

    it("lets a small layer go that is stopped while it waits", async () => {
      const stop = new AbortController();
      const brought = bring(small.length, stop.signal);
      await setTimeout(50);
      const begun = performance.now();
      stop.abort();
      await expect(brought).rejects.toMatchObject({ code: "ABORTED" });
      expect(performance.now() - begun).toBeLessThan(300);
      expect(getEventListeners(stop.signal, "abort")).toEqual([]);
      // What was free for it is there for the next.
      const next = bring(small.length);
      free();
      expect((await next).unpacked?.diffId).toBe(sha256(small));
      expect(await nextThreadId()).toBe(first + 1);
    });
  });

  describe("reads a small blob before it takes a thread,", () => {
    const bring = async (
      source: AsyncIterable<Uint8Array>,
      size: number,
      signal?: AbortSignal,
    ) =>
      pool.ingest(source, {
        target: await target(),
        wide: false,
        size,
        signal,
      });

    it("so that all that are wanted are on their way", async () => {
      const tars = Array.from({ length: 20 }, (_, i) =>
        archive([file(`f${i}`, noise(100 + i))]),
      );
      let waiting = 0;
      let most = 0;
      let goOn = (): void => {};
      const answered = new Promise<void>((resolve) => (goOn = resolve));
      async function* slow(tar: Buffer) {
        most = Math.max(most, ++waiting);
        if (waiting === tars.length) goOn();
        await answered;
        yield* chunks(tar, 1000);
      }
      const brought = await Promise.all(
        tars.map((tar) => bring(slow(tar), tar.length)),
      );
      expect(most).toBe(tars.length);
      expect(brought.map(({ unpacked }) => unpacked?.diffId)).toEqual(
        tars.map(sha256),
      );
    });

    it("of which each piece may be in the same memory", async () => {
      const tar = archive([file("a", noise(200_000))]);
      async function* reused() {
        const memory = Buffer.alloc(4096);
        for (let at = 0; at < tar.length; at += memory.length) {
          const length = tar.copy(memory, 0, at);
          yield memory.subarray(0, length);
        }
      }
      const { blob } = await bring(reused(), tar.length);
      expect(blob).toEqual({ digest: sha256(tar), bytes: tar.length });
    });

    it("also one that is larger than was said", async () => {
      const told: number[] = [];
      const { blob } = await pool.ingest(chunks(BLOB), {
        target: await target(),
        wide: false,
        size: 100,
        onBytes: (bytes) => told.push(bytes),
      });
      expect(BLOB.length).toBeGreaterThan(2 * 1024 * 1024);
      expect(blob).toEqual({ digest: sha256(BLOB), bytes: BLOB.length });
      expect(told.reduce((sum, bytes) => sum + bytes, 0)).toBe(BLOB.length);
    });

    it("and tells of each piece when it has come, and once of the last", async () => {
      const { source, begun, goOn } = hanging(BLOB.subarray(0, 100));
      const heard: (number | string)[] = [];
      const brought = pool.ingest(source, {
        target: await target(),
        wide: false,
        size: 200,
        onBytes: (bytes) => heard.push(bytes),
        onReceived: () => heard.push("all"),
      });
      await begun;
      expect(heard).toEqual([100]);
      goOn();
      await brought;
      expect(heard).toEqual([100, 100, "all"]);
    });

    it("and passes on what its source throws", async () => {
      async function* failing() {
        yield BLOB.subarray(0, 100);
        throw new TypeError("no more");
      }
      await expect(bring(failing(), 1000)).rejects.toThrow("no more");
    });

    it("and stops at once when it is aborted while its source hangs", async () => {
      const { source, begun, goOn } = hanging(BLOB.subarray(0, 100));
      const stop = new AbortController();
      const brought = bring(source, 1000, stop.signal);
      await begun;
      stop.abort();
      await expect(brought).rejects.toMatchObject({ code: "ABORTED" });
      expect(getEventListeners(stop.signal, "abort")).toEqual([]);
      goOn();
    });
  });

  it("tells of each chunk taken in, and once of the last", async () => {
    const told: (number | string)[] = [];
    await pool.ingest(chunks(BLOB, 100_000), {
      target: await target(),
      wide: false,
      onBytes: (bytes) => told.push(bytes),
      onReceived: () => told.push("all"),
    });
    expect(told.pop()).toBe("all");
    expect(told.reduce((sum: number, bytes) => sum + Number(bytes), 0)).toBe(
      BLOB.length,
    );
  });

  it.each(widths)(
    "reads a blob that cannot be unpacked to its end, so that it can be judged (wide: $wide)",
    async ({ wide }) => {
      const bad: [Buffer, RegExp][] = [
        [
          gzipSync(
            archive([file("../x", ""), file("large", noise(2_000_000))]),
          ),
          /leads out of the layer/,
        ],
        [spoiled(BLOB, -6), /gzip stream is damaged/],
        [spoiled(BLOB, 1000), /gzip stream is damaged|tar is invalid/],
        [BLOB.subarray(0, -4), /unexpected end of file/],
        [Buffer.concat([Buffer.from("BZh9"), noise(2_000_000)]), /bzip2/],
        [noise(2_000_000), /tar is invalid/],
      ];
      for (const [blob, why] of bad) {
        const { blob: seen, unpacked, error } = await ingest(blob, { wide });
        expect(seen).toEqual({ digest: sha256(blob), bytes: blob.length });
        expect(unpacked).toBeUndefined();
        expect(error).toMatchObject({
          code: "LAYER_INVALID",
          message: expect.stringMatching(why) as string,
        });
      }
    },
  );

  it.each(widths)(
    "passes on what the source throws, and works on (wide: $wide)",
    async ({ wide }) => {
      const failing = async function* () {
        yield BLOB.subarray(0, 50_000);
        throw new Error("connection lost");
      };
      await expect(ingest(failing(), { wide })).rejects.toThrow(
        "connection lost",
      );
      expect((await ingest(BLOB, { wide })).unpacked?.diffId).toBe(sha256(TAR));
    },
  );

  it.each(widths)(
    "stops within a second when it is aborted while the source hangs (wide: $wide)",
    async ({ wide }) => {
      const { source, begun, goOn } = hanging(BLOB.subarray(0, 60_000));
      const stop = new AbortController();
      const running = ingest(source, { wide, signal: stop.signal });
      await begun;
      const to = await target();
      const started = performance.now();
      stop.abort();
      await expect(running).rejects.toMatchObject({ code: "ABORTED" });
      expect(performance.now() - started).toBeLessThan(1000);
      expect(getEventListeners(stop.signal, "abort")).toEqual([]);
      // Its ring is not given to the next layer before the source let go of it.
      const next = ingest(BLOB, { wide, to });
      goOn();
      expect((await next).unpacked?.diffId).toBe(sha256(TAR));
    },
  );

  // What follows the archive is kept in its record, so no disk is filled.
  const END = Buffer.alloc(1024);
  it.each([
    { kind: "gzip", wide: false, head: gzipSync(END), more: bombs.gzip },
    { kind: "gzip", wide: true, head: gzipSync(END), more: bombs.gzip },
    { kind: "zstd", wide: false, head: storedFrame(END), more: bombs.zstd },
    { kind: "zstd", wide: true, head: storedFrame(END), more: bombs.zstd },
  ])(
    "stops within a second when it is aborted while a $kind bomb goes off (wide: $wide)",
    async ({ wide, head, more }) => {
      let begin = (): void => {};
      const begun = new Promise<void>((resolve) => (begin = resolve));
      const bomb = async function* () {
        yield head;
        const piece = more();
        for (;;) {
          yield piece;
          begin();
        }
      };
      const stop = new AbortController();
      const running = ingest(bomb(), { wide, signal: stop.signal });
      await begun;
      const started = performance.now();
      stop.abort();
      await expect(running).rejects.toMatchObject({ code: "ABORTED" });
      expect(performance.now() - started).toBeLessThan(1000);
    },
  );

  it("does not begin when it was aborted before", async () => {
    const signal = AbortSignal.abort();
    const to = await target();
    await expect(ingest(BLOB, { signal, to })).rejects.toMatchObject({
      code: "ABORTED",
    });
    await expect(pool.copy(to, to, signal)).rejects.toMatchObject({
      code: "ABORTED",
    });
    expect(existsSync(to.tarSplitPath)).toBe(false);
  });

  it("stops a copy when it is aborted", async () => {
    const members = Array.from({ length: 5000 }, (_, i) => file(`f${i}`, ""));
    const { to: stored } = await ingest(archive(members));
    const to = await target();
    const stop = new AbortController();
    const running = pool.copy(stored, to, stop.signal);
    setImmediate(() => stop.abort());
    await expect(running).rejects.toMatchObject({ code: "ABORTED" });
    expect(getEventListeners(stop.signal, "abort")).toEqual([]);
  });

  it("says what is wrong with a stored layer that cannot be copied", async () => {
    const { to: stored } = await ingest(gzipSync(archive(PLAIN)));
    const from = { ...stored, tarSplitPath: `${stored.tarSplitPath}.gone` };
    await expect(pool.copy(from, await target())).rejects.toMatchObject({
      code: "LAYER_DAMAGED",
    });
  });

  it("hands on a defect as what it is", async () => {
    const to = { ...(await target()), diffDirectory: 5 as unknown as string };
    const { error } = await ingest(BLOB, { to });
    expect(error?.message).toMatch(/^unpack worker: TypeError/);
  });

  it("gives up a job whose worker ends, and later jobs get another", async () => {
    for (const { wide } of widths) {
      const doomed = new IngestPool();
      const { source, begun, goOn } = hanging(BLOB.subarray(0, 60_000));
      const running = doomed.ingest(source, { target: await target(), wide });
      const failed = expect(running).rejects.toMatchObject({
        code: "WORKER_FAILED",
      });
      await begun;
      await doomed[Symbol.asyncDispose]();
      await failed;
      goOn();
      const to = await target();
      const again = await doomed.ingest(chunks(BLOB), { target: to, wide });
      expect(again.unpacked?.diffId).toBe(sha256(TAR));
      await doomed[Symbol.asyncDispose]();
    }
  });

  it("leaves no listeners behind", async () => {
    const { signal } = new AbortController();
    for (let i = 0; i < 30; i += 1)
      await ingest(archive([hardlink("a", "b")]), { signal });
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  describe.skipIf(!ROOT)("on a full disk", () => {
    let small = "";
    afterEach(() => {
      if (small) spawnSync("umount", [small]);
    });

    it.each(widths)(
      "says so at once, without reading the blob to its end (wide: $wide)",
      async ({ wide }) => {
        small = join(await scratch.tempDir(), "small");
        mkdirSync(small);
        const mounted = spawnSync("mount", [
          "-t",
          "tmpfs",
          "-o",
          "size=2m",
          "tmpfs",
          small,
        ]);
        if (mounted.status !== 0 || statfsSync(small).blocks > 2000) {
          console.warn("skipped: a full disk needs the right to mount one");
          return;
        }
        const to = {
          diffDirectory: join(small, "diff"),
          tarSplitPath: join(small, "ts.gz"),
          privileged: true,
        };
        mkdirSync(to.diffDirectory);
        const { source, goOn } = hanging(
          gzipSync(archive([file("large", noise(4_000_000))])),
        );
        await expect(ingest(source, { wide, to })).rejects.toMatchObject({
          code: "DISK_FULL",
          message: expect.stringMatching(
            /^member "large": no space left/,
          ) as string,
        });
        goOn();
        spawnSync("umount", [small]);
      },
    );
  });
});
