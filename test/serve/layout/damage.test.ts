// Files of a layout that are not, or no longer, what their names say.
import {
  mkdtemp,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DamagedContentError, type ServedBlob } from "#src/serve/content.js";
import { openLayout } from "#src/serve/layout/source.js";
import { mergedContent } from "#src/serve/merged-content.js";
import type { Source } from "#src/serve/source.js";
import type { Digest } from "#store/digest.js";
import { imageOf, layerOf } from "../../helpers/image-builder.js";
import { named, writeLayout } from "../../helpers/layout-writer.js";
import { archive, file } from "../../helpers/tar-writer.js";
import { errorOf, serve } from "../registry.js";

/** Larger than what is hashed before it is given. */
const layer = layerOf(archive([file("x", Buffer.alloc(3_000_000, "x"))]), {
  compression: "none",
});
const image = imageOf([layer], { family: "oci" });
const LAYER = layer.digest as Digest;
const CONFIG = image.config.digest as Digest;

let folder: string;
let source: Source;
let warnings: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tpull-damage-"));
  await writeLayout(folder, [named(image, "v")]);
  warnings = [];
  source = await openLayout(folder, {
    name: { host: undefined, path: "r" },
    onWarning: ({ message }) => warnings.push(message),
  });
});

afterEach(async () => {
  await source.close();
  await rm(folder, { recursive: true });
});

const fileOf = (digest: string): string =>
  join(folder, "blobs/sha256", digest.slice("sha256:".length));

/** Changes one byte, and says nothing about the time. */
async function damage(digest: string, bytes: Buffer): Promise<void> {
  const wrong = Buffer.from(bytes);
  wrong[wrong.length - 1]! ^= 1;
  await writeFile(fileOf(digest), wrong);
}

async function blobOf(digest: Digest): Promise<ServedBlob | undefined> {
  return (await mergedContent([source]).repository("r"))?.blob(digest);
}

async function readAll(blob: ServedBlob | undefined): Promise<number> {
  let bytes = 0;
  for await (const piece of blob?.open(0, blob.size) ?? []) {
    bytes += piece.length;
  }
  return bytes;
}

describe("a damaged file", () => {
  it("is no manifest any more", async () => {
    const repository = await mergedContent([source]).repository("r");
    expect(await repository?.manifest({ tag: "v" })).toBeDefined();
    await damage(image.manifest.digest, image.manifest.data as Buffer);
    for (const asked of ["v", "v"]) {
      await expect(repository?.manifest({ tag: asked })).rejects.toThrow(
        DamagedContentError,
      );
    }
    expect(warnings).toEqual([expect.stringContaining("is damaged")]);
  });

  it("is not given as a config, not even once", async () => {
    await damage(CONFIG, image.config.data as Buffer);
    await expect(blobOf(CONFIG)).rejects.toThrow(DamagedContentError);
    expect(warnings).toHaveLength(1);
  });

  it("is given as a layer once, without its end, and then no more", async () => {
    await damage(LAYER, layer.data as Buffer);
    const registry = await serve(mergedContent([source]));
    const target = `/v2/r/blobs/${LAYER}`;
    await expect(registry.send("GET", target)).rejects.toThrow();
    const refused = await registry.send("GET", target);
    expect(refused.status).toBe(500);
    expect(errorOf(refused)).toMatchObject({
      code: "UNKNOWN",
      message: expect.stringContaining("damaged") as string,
    });
    expect((await registry.send("HEAD", target)).status).toBe(500);
    expect(warnings).toEqual([expect.stringContaining(LAYER)]);
    await registry.close();
  });

  it("is a layer again when it is put right", async () => {
    await damage(LAYER, layer.data as Buffer);
    await expect(readAll(await blobOf(LAYER))).rejects.toThrow("hashes to");
    await expect(blobOf(LAYER)).rejects.toThrow(DamagedContentError);
    await writeFile(fileOf(LAYER), layer.data as Buffer);
    await utimes(fileOf(LAYER), 1, 1);
    expect(await readAll(await blobOf(LAYER))).toBe(layer.size);
  });

  it("is found out when it was whole before", async () => {
    expect(await readAll(await blobOf(LAYER))).toBe(layer.size);
    await damage(LAYER, layer.data as Buffer);
    await utimes(fileOf(LAYER), 1, 1);
    await expect(readAll(await blobOf(LAYER))).rejects.toThrow("hashes to");
  });

  it("is not judged by a part of it, or by a transfer that breaks off", async () => {
    const blob = await blobOf(LAYER);
    for await (const piece of blob?.open(0, layer.size) ?? []) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    await damage(LAYER, layer.data as Buffer);
    await utimes(fileOf(LAYER), 1, 1);
    const damaged = await blobOf(LAYER);
    for await (const piece of damaged?.open(0, 10) ?? []) {
      expect(piece).toHaveLength(10);
    }
    await expect(readAll(await blobOf(LAYER))).rejects.toThrow("hashes to");
  });

  it("is not followed when it becomes a link", async () => {
    await rename(fileOf(LAYER), join(folder, "elsewhere"));
    await symlink("../../elsewhere", fileOf(LAYER));
    expect(await blobOf(LAYER)).toBe(undefined);
  });
});

it("refuses a layout whose blobs are behind a link that leads out of it", async () => {
  const outside = await mkdtemp(join(tmpdir(), "tpull-outside-"));
  await rename(join(folder, "blobs"), join(outside, "blobs"));
  await symlink(join(outside, "blobs"), join(folder, "blobs"));
  await expect(openLayout(folder)).rejects.toMatchObject({
    code: "LAYOUT_INVALID",
    message: expect.stringContaining("leads out") as string,
  });
  await rm(outside, { recursive: true });
});

it("shows what is added to the layout", async () => {
  const content = mergedContent([source]);
  const more = imageOf([layer, layer], { family: "oci" });
  await writeLayout(folder, [named(image, "v"), named(more, "w")]);
  await expect
    .poll(async () => (await content.repository("r"))?.tags(), {
      timeout: 10_000,
    })
    .toEqual(["v", "w"]);
});

it("says which images lack something", async () => {
  await rm(fileOf(LAYER));
  const said: unknown[] = [];
  const sparse = await openLayout(folder, {
    onWarning: (warning) => said.push(warning),
  });
  expect(said).toEqual([
    {
      code: "SERVE_INCOMPLETE",
      message: expect.stringContaining("lacks 1 of its 2 blobs") as string,
    },
  ]);
  await sparse.close();
});
