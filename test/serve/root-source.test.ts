// Images of a data root: what is served must be, byte for byte, the tars that
// the layers were unpacked from.
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  DamagedContentError,
  type Repository,
  type ServedBlob,
} from "#src/serve/content.js";
import { mergedContent } from "#src/serve/merged-content.js";
import { openRoot } from "#src/serve/root-source.js";
import type { Source } from "#src/serve/source.js";
import { digestOf, type Digest } from "#store/digest.js";
import {
  startFaultRegistry,
  type FaultRegistry,
} from "../helpers/fault-registry.js";
import { imageOf, layerOf, type Image } from "../helpers/image-builder.js";
import {
  GNU,
  HARDLINKS,
  NAMES,
  PAX,
  WHITEOUTS,
} from "../helpers/images/odd-layers.js";
import { Cleanups } from "../helpers/run.js";
import { storedLayers } from "../helpers/store/data-root.js";
import { archive, directory, file } from "../helpers/tar-writer.js";
import { pulling, publish } from "../pull/support/pulls.js";
import { errorOf, serve } from "./registry.js";

const noise = (length: number, seed: number): Buffer =>
  Buffer.from(
    Uint32Array.from({ length: length / 4 }, (_, at) => at * seed).buffer,
  );

/** Large, with files that are no multiple of anything. */
const big = archive([
  directory("d/"),
  file("d/one", noise(400_000, 7919)),
  file("d/two", noise(100_004, 104_729)),
  file("d/three", ""),
  file("d/four", noise(262_144, 31)),
]);
const odd = imageOf(
  [
    big,
    ...[GNU, PAX, NAMES, ...HARDLINKS, ...WHITEOUTS].map((members) =>
      archive(members),
    ),
    archive([]),
    Buffer.alloc(0),
    archive([file("end", "end")], {
      end: Buffer.alloc(
        3_001,
        Buffer.concat([Buffer.alloc(1024), Buffer.from("x")]),
      ),
    }),
    big,
  ].map((tar) => layerOf(tar)),
);
const small = imageOf([layerOf(archive([file("small", "small")]))]);

const cleanups = new Cleanups();
let registry: FaultRegistry;
let root: string;
let source: Source;
let warnings: string[];

const asRoot = process.platform === "linux" && process.getuid?.() === 0;

async function pull(name: string, image: Image): Promise<void> {
  const reference = publish(registry, name, image);
  const { failures } = await pulling(reference, { root });
  expect(failures).toEqual([]);
}

async function repository(path: string): Promise<Repository | undefined> {
  return await mergedContent([source]).repository(path);
}

async function bytesOf(
  blob: ServedBlob | undefined,
  start = 0,
  end = blob?.size ?? 0,
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of blob?.open(start, end) ?? []) {
    pieces.push(Buffer.from(piece));
  }
  return Buffer.concat(pieces);
}

describe.skipIf(!asRoot)("a data root", () => {
  beforeAll(async () => {
    registry = await startFaultRegistry();
    cleanups.defer(() => registry.close());
    root = join(await cleanups.tempDir(), "root");
    await pull("team/odd:1", odd);
    await pull("team/odd:2", odd);
    await pull("small:1", small);
    warnings = [];
    source = await openRoot(root, ({ message }) => warnings.push(message));
    cleanups.defer(() => source.close());
  });
  afterAll(() => cleanups.close());

  it("has its images under their paths and tags", async () => {
    const content = mergedContent([source]);
    expect(await content.repositories()).toEqual(["small", "team/odd"]);
    expect(await (await repository("team/odd"))?.tags()).toEqual(["1", "2"]);
    expect(await content.repository("team/odd", "docker.io")).toBe(undefined);
    expect(await content.repository("team/odd", registry.host)).toBeDefined();
  });

  it("makes the same manifest each time: config and tars as they were", async () => {
    const served = await repository("team/odd");
    const manifest = await served?.manifest({ tag: "1" });
    const parsed = JSON.parse(String(Buffer.from(manifest!.bytes))) as {
      mediaType: string;
      config: { digest: string; size: number };
      layers: { digest: string; size: number; mediaType: string }[];
    };
    expect(manifest?.mediaType).toBe(parsed.mediaType);
    expect(digestOf(manifest!.bytes)).toBe(manifest?.digest);
    expect(parsed.config).toMatchObject({
      digest: odd.config.digest,
      size: odd.config.size,
    });
    expect(parsed.layers.map(({ digest }) => digest)).toEqual(
      odd.layers.map(({ diffId }) => diffId),
    );
    const again = await openRoot(root);
    const other = await mergedContent([again]).repository("team/odd");
    // By digest, in a process that has not been asked for a tag before.
    const digest = manifest!.digest;
    expect((await other?.manifest({ digest }))?.bytes).toEqual(manifest?.bytes);
    expect(await other?.manifest({ digest: digestOf("no") })).toBe(undefined);
    await again.close();
    for (const { digest, size } of [parsed.config, ...parsed.layers]) {
      const blob = await served?.blob(digest as Digest);
      expect(blob?.size).toBe(size);
      const bytes = await bytesOf(blob);
      expect(bytes.length).toBe(size);
      expect(digestOf(bytes)).toBe(digest);
    }
  });

  it("gives any part of a tar, to many at once", async () => {
    const blob = await (await repository("team/odd"))?.blob(digestOf(big));
    const size = big.length;
    const places = [0, 1, 511, 512, 1024, 1536, 401_000, 401_920, 65_536];
    const parts = places.flatMap((start) =>
      [start + 1, start + 700, 131_072, size - 1, size]
        .filter((end) => end > start)
        .map((end) => [start, end] as const),
    );
    await Promise.all(
      parts.map(async ([start, end]) => {
        const bytes = await bytesOf(blob, start, end);
        expect(bytes.equals(big.subarray(start, end)), `${start}-${end}`).toBe(
          true,
        );
      }),
    );
    const all = await Promise.all(
      Array.from({ length: 40 }, () => bytesOf(blob)),
    );
    for (const bytes of all) expect(bytes.equals(big)).toBe(true);
  });

  it("does not read on for who stops, and lets others go on", async () => {
    const blob = await (await repository("team/odd"))?.blob(digestOf(big));
    for await (const piece of blob!.open(0, big.length)) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    expect((await bytesOf(blob)).equals(big)).toBe(true);
  });

  it("has nothing that refers to its images, and no blob of others", async () => {
    const served = await repository("small");
    expect(await served?.referrers(digestOf("x"))).toEqual([]);
    expect(await served?.blob(digestOf(big))).toBe(undefined);
    const name = odd.config.digest as Digest;
    expect(await served?.blob(name)).toBe(undefined);
  });

  it("shows what is pulled while it serves", async () => {
    await pull("late:1", small);
    await expect
      .poll(async () => (await repository("late"))?.tags(), { timeout: 10_000 })
      .toEqual(["1"]);
  });

  it("never ends well for the client when a file is not what it was", async () => {
    const damaged = join(await cleanups.tempDir(), "root");
    const reference = publish(registry, "damaged:1", odd);
    await pulling(reference, { root: damaged });
    const layers = await storedLayers(damaged);
    for (const { cacheId, diffId } of layers.values()) {
      if (diffId !== digestOf(big)) continue;
      const path = join(damaged, "overlay2", cacheId, "diff/d/four");
      await writeFile(path, noise(262_144, 33));
    }
    const said: string[] = [];
    const other = await openRoot(damaged, ({ code, message }) => {
      if (code !== "SERVE_REBUILT") said.push(message);
    });
    const server = await serve(mergedContent([other]));
    const target = `/v2/damaged/blobs/${digestOf(big)}`;
    await expect(server.send("GET", target)).rejects.toThrow();
    const refused = await server.send("GET", target);
    expect(refused.status).toBe(500);
    expect(errorOf(refused).message).toContain("damaged");
    expect(said.join()).toContain(digestOf(big));
    await server.close();
    await other.close();
  });

  it("has no manifest for an image whose layer record is gone", async () => {
    const damaged = join(await cleanups.tempDir(), "root");
    await pulling(publish(registry, "gone:1", small), { root: damaged });
    const layerdb = join(damaged, "image/overlay2/layerdb/sha256");
    for (const name of await readdir(layerdb)) {
      await rm(join(layerdb, name, "tar-split.json.gz"));
    }
    const said: string[] = [];
    const other = await openRoot(damaged, ({ code, message }) => {
      if (code !== "SERVE_REBUILT") said.push(message);
    });
    const served = await mergedContent([other]).repository("gone");
    await expect(served?.manifest({ tag: "1" })).rejects.toThrow(
      DamagedContentError,
    );
    const absent = digestOf("another");
    await expect(served?.manifest({ digest: absent })).rejects.toThrow(
      DamagedContentError,
    );
    expect(said).toEqual([expect.stringContaining("cannot be served")]);
    await other.close();
  });
});

it("is refused where there is none", async () => {
  await expect(openRoot("/nonexistent/root")).rejects.toMatchObject({
    code: "ROOT_NOT_FOUND",
  });
  await expect(openRoot("/proc/self/status")).rejects.toMatchObject({
    code: "ROOT_NOT_A_DIRECTORY",
  });
});
