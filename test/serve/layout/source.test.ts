import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { layoutContent } from "#src/serve/layout/source.js";
import { digestOf, hexOf, type Digest } from "#store/digest.js";
import { serve } from "../registry.js";

const INDEX = "application/vnd.oci.image.index.v1+json";
const LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const REF_NAME = "org.opencontainers.image.ref.name";

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tpull-layout-"));
  await mkdir(join(dir, "blobs/sha256"), { recursive: true });
  await writeFile(join(dir, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
});

afterEach(async () => {
  await rm(dir, { recursive: true });
});

async function addBlob(content: string): Promise<Digest> {
  const digest = digestOf(content);
  await writeFile(join(dir, "blobs/sha256", hexOf(digest)), content);
  return digest;
}

async function addIndex(manifests: unknown[]): Promise<Digest> {
  return await addBlob(JSON.stringify({ schemaVersion: 2, manifests }));
}

async function writeTop(manifests: unknown): Promise<void> {
  await writeFile(join(dir, "index.json"), JSON.stringify({ manifests }));
}

function descriptor(digest: string, mediaType: string, tag?: string): object {
  const annotations = tag === undefined ? {} : { [REF_NAME]: tag };
  return { mediaType, digest, size: 1, annotations };
}

describe("layoutContent", () => {
  it("serves tags, nested manifests and blobs", async () => {
    const layer = await addBlob("layer");
    const [one, two] = [await addBlob('{"one":1}'), await addBlob('{"two":2}')];
    const inner = await addIndex([descriptor(one, MANIFEST)]);
    const outer = await addIndex([
      descriptor(inner, INDEX),
      descriptor(two, MANIFEST),
    ]);
    await writeTop([
      descriptor(outer, LIST, "latest"),
      descriptor(one, MANIFEST, "1"),
      descriptor(two, MANIFEST, "1"),
      descriptor(two, MANIFEST, "docker.io/library/no-tag:1"),
      descriptor(two, MANIFEST),
    ]);
    const registry = await serve(await layoutContent(dir, "some/image"));
    const get = (rest: string, headers = {}) =>
      registry.send("GET", `/v2/some/image/${rest}`, headers);
    try {
      const latest = await get("manifests/latest");
      expect(latest.headers["content-type"]).toBe(LIST);
      expect(digestOf(latest.body)).toBe(outer);
      for (const [digest, mediaType] of [
        [outer, LIST],
        [inner, INDEX],
        [one, MANIFEST],
        [two, MANIFEST],
      ] as const) {
        const reply = await get(`manifests/${digest}`);
        expect(reply.headers["content-type"]).toBe(mediaType);
        expect(digestOf(reply.body)).toBe(digest);
      }
      const first = await get("manifests/1");
      expect(first.headers["docker-content-digest"]).toBe(one);
      const tags = await get("tags/list");
      expect(JSON.parse(tags.body.toString())).toEqual({
        name: "some/image",
        tags: ["1", "latest"],
      });
      expect((await get(`blobs/${layer}`)).body.toString()).toBe("layer");
      const part = await get(`blobs/${layer}`, { Range: "bytes=1-3" });
      expect(part.body.toString()).toBe("aye");
      const catalog = await registry.send("GET", "/v2/_catalog");
      expect(catalog.body.toString()).toBe('{"repositories":["some/image"]}');
      const notAManifest = await get(`manifests/${layer}`);
      expect(notAManifest.status).toBe(404);
      const elsewhere = await registry.send("GET", "/v2/other/tags/list");
      expect(elsewhere.status).toBe(404);
    } finally {
      await registry.close();
    }
  });

  it("serves an empty blob", async () => {
    const empty = await addBlob("");
    await writeTop([]);
    const registry = await serve(await layoutContent(dir, "r"));
    const reply = await registry.send("GET", `/v2/r/blobs/${empty}`);
    await registry.close();
    expect(reply).toMatchObject({ status: 200, body: Buffer.alloc(0) });
  });

  it("does not know what an index names but the layout lacks", async () => {
    const absent = digestOf("absent");
    const index = await addIndex([
      descriptor(absent, INDEX),
      descriptor(digestOf("too"), MANIFEST),
    ]);
    await writeTop([descriptor(index, INDEX, "sparse")]);
    const content = await layoutContent(dir, "r");
    const repository = await content.repository("r");
    expect(await repository?.manifest({ tag: "sparse" })).toBeDefined();
    expect(await repository?.manifest({ digest: absent })).toBe(undefined);
  });

  it("comes to an end in an index that names itself", async () => {
    // Only a damaged layout has such files: their names are not their digests.
    const loop = digestOf("loop");
    await writeFile(
      join(dir, "blobs/sha256", hexOf(loop)),
      JSON.stringify({ manifests: [descriptor(loop, INDEX)] }),
    );
    await writeTop([descriptor(loop, INDEX, "loop")]);
    const content = await layoutContent(dir, "r");
    expect(await (await content.repository("r"))?.tags()).toEqual(["loop"]);
  });

  it("follows no links out of the layout", async () => {
    const secret = join(dir, "secret");
    await writeFile(secret, "secret");
    const linked = digestOf("linked");
    await symlink(secret, join(dir, "blobs/sha256", hexOf(linked)));
    const folder = digestOf("folder");
    await mkdir(join(dir, "blobs/sha256", hexOf(folder)));
    await writeTop([descriptor(linked, MANIFEST, "linked")]);
    const repository = await (await layoutContent(dir, "r")).repository("r");
    expect(await repository?.blob(linked)).toBe(undefined);
    expect(await repository?.manifest({ tag: "linked" })).toBe(undefined);
    expect(await repository?.blob(folder)).toBe(undefined);
  });

  const good = descriptor(digestOf("x"), MANIFEST);
  it.each([
    ["no list", undefined],
    ["a list that is none", {}],
    ["an entry that is none", [good, null]],
    ["no digest", [{ ...good, digest: undefined }]],
    ["a digest that climbs out", [{ ...good, digest: "sha256:../../x" }]],
    ["no media type", [{ ...good, mediaType: 1 }]],
    ["a media type of two lines", [{ ...good, mediaType: "a/b\r\nX: y" }]],
  ])("refuses an index with %s", async (_, manifests) => {
    await writeTop(manifests);
    await expect(layoutContent(dir, "r")).rejects.toMatchObject({
      code: "LAYOUT_INVALID",
      message: expect.stringContaining(join(dir, "index.json")) as string,
    });
  });

  it("refuses what is no layout, or one of another version", async () => {
    const refused = { code: "LAYOUT_INVALID" };
    await expect(layoutContent(dir, "r")).rejects.toMatchObject(refused);
    await writeFile(join(dir, "index.json"), "{");
    await expect(layoutContent(dir, "r")).rejects.toMatchObject(refused);
    await writeTop([]);
    await writeFile(join(dir, "oci-layout"), '{"imageLayoutVersion":"2.0.0"}');
    await expect(layoutContent(dir, "r")).rejects.toMatchObject(refused);
    await rm(join(dir, "oci-layout"));
    await expect(layoutContent(dir, "r")).rejects.toMatchObject(refused);
    await expect(layoutContent(dir, "Upper")).rejects.toMatchObject({
      code: "REPOSITORY_INVALID",
    });
  });

  it("does not have a manifest that no client would take", async () => {
    const digest = digestOf("large");
    await writeFile(
      join(dir, "blobs/sha256", hexOf(digest)),
      Buffer.alloc(4 * 1024 * 1024 + 1),
    );
    await writeTop([descriptor(digest, MANIFEST, "large")]);
    const repository = await (await layoutContent(dir, "r")).repository("r");
    expect(await repository?.manifest({ tag: "large" })).toBe(undefined);
  });
});
