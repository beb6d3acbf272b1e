import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { extract, type Header } from "tar-stream";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildDemoImage, type DemoImage } from "#src/demo/image.js";
import { startRegistryServer } from "#src/serve/server.js";
import type { RegistryServer } from "#src/serve/server.js";
import { digestOf } from "#store/digest.js";
import { describeWithPeers, requirePeer } from "./helpers/peers.js";
import { runOk } from "./helpers/run.js";

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}
interface Manifest {
  mediaType: string;
  config: Descriptor;
  layers: Descriptor[];
  manifests: (Descriptor & { platform: Record<string, string> })[];
}
interface Config {
  architecture: string;
  os: string;
  variant?: string;
  created: string;
  config: { Cmd: string[]; Env: string[] };
  rootfs: { type: string; diff_ids: string[] };
  history: { created: string; empty_layer?: boolean }[];
}

let demo: DemoImage;
let server: RegistryServer;

beforeAll(async () => {
  demo = await buildDemoImage();
  server = await startRegistryServer({ content: demo.content });
});

afterAll(async () => {
  await server.close();
});

/** Fetches and verifies. */
async function get(kind: string, reference: string): Promise<Buffer> {
  const url = `${server.url}/v2/${demo.repository}/${kind}/${reference}`;
  const { statusCode, body, headers } = await request(url);
  expect(statusCode).toBe(200);
  const bytes = Buffer.from(await body.arrayBuffer());
  expect(digestOf(bytes)).toBe(headers["docker-content-digest"]);
  if (reference.includes(":")) expect(digestOf(bytes)).toBe(reference);
  return bytes;
}

async function getManifest(reference: string): Promise<Manifest> {
  const bytes = await get("manifests", reference);
  return JSON.parse(bytes.toString()) as Manifest;
}

async function getConfig({ config }: Manifest): Promise<Config> {
  const bytes = await get("blobs", config.digest);
  return JSON.parse(bytes.toString()) as Config;
}

async function members(
  blob: Buffer,
): Promise<Map<string, Header & { text: string }>> {
  const archive = extract();
  archive.end(gunzipSync(blob));
  const found = new Map<string, Header & { text: string }>();
  for await (const entry of archive) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    expect(found.has(entry.header.name)).toBe(false);
    found.set(entry.header.name, {
      ...entry.header,
      text: Buffer.concat(chunks).toString(),
    });
  }
  return found;
}

/** The members of each layer of one platform's image, base first. */
async function layersOf(platform: string): ReturnType<typeof layersOfManifest> {
  const image = demo.images.find((image) => image.platform === platform);
  return await layersOfManifest(image?.manifestDigest ?? "");
}

async function layersOfManifest(
  digest: string,
): Promise<Awaited<ReturnType<typeof members>>[]> {
  const { layers } = await getManifest(digest);
  return await Promise.all(
    layers.map(async ({ digest }) => members(await get("blobs", digest))),
  );
}

describe("the demo image", () => {
  it("has the same bytes every time", async () => {
    const { content: _one, ...first } = demo;
    const { content: _two, ...second } = await buildDemoImage();
    expect(second).toEqual(first);
  });

  it("has the same config and diff IDs everywhere", () => {
    const amd64 = demo.images.find((i) => i.platform === "linux/amd64");
    expect(amd64?.imageId).toBe(
      "sha256:8d2fc8c6d7af1fb0dab6ef104b9b6b0be7bf40cb8bd97795cb1ebc542a0d7d9d",
    );
  });

  it("is an index of OCI images that agree with their configs", async () => {
    const index = await getManifest(demo.tag);
    expect(index.mediaType).toBe("application/vnd.oci.image.index.v1+json");
    const platforms = index.manifests.map(({ platform }) =>
      [platform["os"], platform["architecture"], platform["variant"]]
        .filter(Boolean)
        .join("/"),
    );
    expect(platforms).toEqual(
      expect.arrayContaining(["linux/amd64", "linux/arm64"]),
    );
    expect(demo.images.map(({ platform }) => platform)).toEqual(platforms);
    for (const { digest, size, platform } of index.manifests) {
      expect((await get("manifests", digest)).length).toBe(size);
      const manifest = await getManifest(digest);
      const { os, architecture, variant } = await getConfig(manifest);
      expect({ os, architecture, ...(variant && { variant }) }).toEqual(
        platform,
      );
    }
  });

  it("has diff IDs that are the digests of the inflated layers", async () => {
    for (const image of demo.images) {
      const manifest = await getManifest(image.manifestDigest);
      const config = await getConfig(manifest);
      expect(manifest.config.digest).toBe(image.imageId);
      expect(manifest.layers.map((layer) => layer.digest)).toEqual(
        image.layers.map((layer) => layer.digest),
      );
      const blobs = await Promise.all(
        manifest.layers.map(({ digest }) => get("blobs", digest)),
      );
      expect(blobs.map((blob) => blob.length)).toEqual(
        manifest.layers.map((layer) => layer.size),
      );
      const diffIds = blobs.map((blob) => digestOf(gunzipSync(blob)));
      expect(config.rootfs).toEqual({ type: "layers", diff_ids: diffIds });
      expect(image.layers.map((layer) => layer.diffId)).toEqual(diffIds);
    }
  });

  it("shares all layers but one between platforms", () => {
    const sets = demo.images.map(({ layers }) => layers.map((l) => l.digest));
    const all = new Set(sets.flat());
    expect(sets[0]).toHaveLength(5);
    expect(all.size).toBe(4 + sets.length);
  });

  it("has a history with a step for every layer and some without", async () => {
    const [image] = demo.images;
    const config = await getConfig(
      await getManifest(image?.manifestDigest ?? ""),
    );
    const empty = config.history.filter((step) => step.empty_layer === true);
    expect(empty.length).toBeGreaterThan(0);
    expect(config.history.length - empty.length).toBe(5);
    expect(config.created).toBe("2025-01-01T00:00:00Z");
    expect(config.config.Cmd).toEqual(["/usr/bin/hello"]);
    expect(config.config.Env[0]).toMatch(/^PATH=/);
  });
});

describe("its layers", () => {
  it("have one time and no member twice", async () => {
    const layers = await layersOf("linux/amd64");
    const times = layers.flatMap((layer) =>
      [...layer.values()].map(({ mtime }) => mtime?.toISOString()),
    );
    expect(new Set(times)).toEqual(new Set(["2025-01-01T00:00:00.000Z"]));
  });

  it("have a base with directories, sizes, links and modes", async () => {
    const [base] = await layersOf("linux/amd64");
    const { name, linkname } = base?.get("usr/share/hello/english.txt") ?? {};
    expect(base?.get(name ?? "")?.type).toBe("link");
    expect(base?.get(linkname ?? "")).toMatchObject({ type: "file" });
    const order = [...(base?.keys() ?? [])];
    expect(order.indexOf(linkname ?? "")).toBeLessThan(
      order.indexOf(name ?? ""),
    );
    expect(base?.get("bin")).toMatchObject({
      type: "symlink",
      linkname: "usr/bin",
    });
    expect(base?.get("usr/share/hello/grüße.txt")?.text).toMatch(/Grüße/);
    for (const size of [0, 1, 511, 512, 513, 100_000]) {
      expect(base?.get(`usr/share/hello/sizes/${size}`)?.text).toHaveLength(
        size,
      );
    }
    const modes = [
      ["tmp/", 0o1777],
      ["var/hello/", 0o2775],
      ["usr/bin/hello", 0o755],
      ["usr/bin/hello-as-owner", 0o4755],
    ] as const;
    for (const [path, mode] of modes) expect(base?.get(path)?.mode).toBe(mode);
    expect(base?.get("home/hello/")).toMatchObject({ uid: 1000, gid: 1000 });
  });

  it("have megabytes that stay megabytes when compressed", async () => {
    const [, data] = await layersOf("linux/amd64");
    const letters = data?.get("usr/share/hello/letters.txt");
    expect(letters?.size).toBeGreaterThan(4_000_000);
    const lines = letters?.text.split("\n") ?? [];
    expect(lines.pop()).toBe("");
    expect(lines.filter((line) => !/^[\w+/=]{1,76}$/.test(line))).toEqual([]);
    expect(demo.images[0]?.layers[1]?.size).toBeGreaterThan(4_000_000);
  });

  it("have whiteouts of what is below them", async () => {
    const [base, , tidy] = await layersOf("linux/amd64");
    for (const [whiteout, hidden] of [
      ["tmp/.wh.build.log", "tmp/build.log"],
      ["usr/share/hello/.wh.sizes", "usr/share/hello/sizes/"],
    ] as const) {
      expect(tidy?.get(whiteout)).toMatchObject({ type: "file", size: 0 });
      expect(base?.has(hidden)).toBe(true);
    }
  });

  it("have an opaque directory with new content over one below", async () => {
    const [base, , , settings] = await layersOf("linux/amd64");
    const inside = (layer: typeof base): string[] =>
      [...(layer?.keys() ?? [])].filter((path) =>
        /^etc\/hello\.d\/./.test(path),
      );
    expect(inside(settings)).toEqual([
      "etc/hello.d/.wh..wh..opq",
      "etc/hello.d/50-settings.conf",
    ]);
    expect(inside(base)).toHaveLength(2);
    expect(base?.get("etc/hello.conf")).toMatchObject({ mode: 0o644 });
    expect(settings?.get("etc/hello.conf")).toMatchObject({ mode: 0o640 });
  });

  it("say on top which platform they are for", async () => {
    for (const { platform } of demo.images) {
      const top = (await layersOf(platform)).at(-1);
      expect(top?.get("etc/hello-platform")?.text).toBe(`${platform}\n`);
    }
  });
});

describeWithPeers("skopeo and the demo image", ["skopeo"], {}, () => {
  it.each(["amd64", "arm64"])("copies linux/%s", async (architecture) => {
    const folder = await mkdtemp(join(tmpdir(), "tpull-demo-"));
    try {
      const source = `docker://${server.host}/${demo.repository}:${demo.tag}`;
      await runOk(requirePeer("skopeo"), [
        "--insecure-policy",
        "--override-os=linux",
        `--override-arch=${architecture}`,
        "copy",
        "--src-tls-verify=false",
        source,
        `dir:${folder}`,
      ]);
      const image = demo.images.find(
        ({ platform }) => platform === `linux/${architecture}`,
      );
      const manifest = await readFile(join(folder, "manifest.json"));
      expect(digestOf(manifest)).toBe(image?.manifestDigest);
      for (const { digest } of image?.layers ?? []) {
        const blob = await readFile(join(folder, digest.slice(7)));
        expect(digestOf(blob)).toBe(digest);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
