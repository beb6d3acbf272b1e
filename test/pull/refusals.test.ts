// Images that must not be pulled: what is said, and that nothing is left of them.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import {
  imageOf,
  indexOf,
  layerOf,
  MACHINE,
  sha256,
  type Blob,
  type Image,
  type LayerBlob,
  type Platform,
} from "../helpers/image-builder.js";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import { removeTree } from "../helpers/run.js";
import { archive, file } from "../helpers/tar-writer.js";
import { bigLayer, smallImage, smallLayer } from "./support/layers.js";
import {
  addBlob,
  publish,
  publishManifest,
  requestCounts,
  serve,
} from "./support/pulls.js";
import { expectRefused, seedRoot } from "./support/refused.js";

const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";

let folder = "";
let seed = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tpull-seed-"));
  seed = await seedRoot(folder);
});
afterAll(() => removeTree(folder));

function jsonBlob(mediaType: string, value: unknown): Blob {
  const data = Buffer.from(JSON.stringify(value));
  return { mediaType, digest: sha256(data), size: data.length, data };
}

function descriptor({ mediaType, digest, size }: Blob): object {
  return { mediaType, digest, size };
}

/** The image with some of its config's fields changed. */
function withConfig(image: Image, change: object | string): Image {
  const before = JSON.parse(String(image.config.data)) as object;
  const { mediaType } = image.config;
  const config =
    typeof change === "string"
      ? { ...jsonBlob(mediaType, 0), ...rawBlob(mediaType, change) }
      : jsonBlob(mediaType, { ...before, ...change });
  return withManifest({ ...image, config });
}

function rawBlob(mediaType: string, text: string): Blob {
  const data = Buffer.from(text);
  return { mediaType, digest: sha256(data), size: data.length, data };
}

/** The image with a manifest made anew, and some of its fields changed. */
function withManifest(image: Image, change: object = {}): Image {
  const { mediaType } = image.manifest;
  const manifest = jsonBlob(mediaType, {
    schemaVersion: 2,
    mediaType,
    config: descriptor(image.config),
    layers: image.layers.map(descriptor),
    ...change,
  });
  return { ...image, manifest };
}

const IMAGE = smallImage(["a", "b"], { family: "oci" });
const DIFF_IDS = IMAGE.layers.map(({ diffId }) => diffId);

describe("a config", () => {
  const cases: [string, object | string, string, RegExp][] = [
    ["that is not JSON", "{", "IMAGE_CONFIG_INVALID", /JSON/],
    ["that is a list", "[]", "IMAGE_CONFIG_INVALID", /JSON object/],
    ["without rootfs", { rootfs: null }, "IMAGE_CONFIG_INVALID", /rootfs/],
    [
      "with a word for diff IDs",
      { rootfs: { type: "layers", diff_ids: "all" } },
      "IMAGE_CONFIG_INVALID",
      /diff IDs/,
    ],
    [
      "with one diff ID too few",
      { rootfs: { type: "layers", diff_ids: DIFF_IDS.slice(1) } },
      "IMAGE_CONFIG_INVALID",
      /1 diff ID, the manifest 2 layers/,
    ],
    [
      "with one diff ID too many",
      { rootfs: { type: "layers", diff_ids: [...DIFF_IDS, DIFF_IDS[0]] } },
      "IMAGE_CONFIG_INVALID",
      /3 diff IDs, the manifest 2 layers/,
    ],
    [
      "with a path for a diff ID",
      { rootfs: { type: "layers", diff_ids: ["sha256:../../x", DIFF_IDS[1]] } },
      "DIGEST_INVALID",
      /diff ID 1/,
    ],
    [
      "with more history than layers",
      { history: [{}, {}, {}] },
      "IMAGE_CONFIG_INVALID",
      /3 history/,
    ],
    [
      "that is nested deeper than dockerd reads",
      `{"os":"linux","x":${"[".repeat(10_000)}${"]".repeat(10_000)}}`,
      "IMAGE_CONFIG_INVALID",
      /deeper/,
    ],
    ["for windows", { os: "windows" }, "IMAGE_OS_UNSUPPORTED", /windows/],
    ["for plan9", { os: "plan9" }, "IMAGE_OS_UNSUPPORTED", /plan9/],
  ];
  it.each(cases)("%s", async (_, change, code, words) => {
    const registry = await serve();
    const name = publish(registry, "app:1", withConfig(IMAGE, change));
    const { error } = await expectRefused(name, seed);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(words);
  });

  it("with a diff ID that is not the layer's", async () => {
    const registry = await serve();
    const image = withConfig(IMAGE, {
      rootfs: { type: "layers", diff_ids: DIFF_IDS.toReversed() },
    });
    const name = publish(registry, "app:1", image);
    const { error } = await expectRefused(name, seed);
    expect(error.code).toBe("DIFF_ID_MISMATCH");
    const digests = image.layers.map(({ digest }) => digest);
    expect(digests).toContain(error.details?.["layer"]);
    expect(error.message).toContain(String(error.details?.["layer"]));
  });

  it("that the registry has lost", async () => {
    const registry = await serve();
    const name = publish(registry, "app:1", IMAGE);
    registry.blobs.delete(IMAGE.config.digest);
    const { error } = await expectRefused(name, seed);
    expect(error.code).toBe("BLOB_UNKNOWN");
    expect(error.message).toContain(IMAGE.config.digest);
  });

  it("with other bytes than its digest says", async () => {
    const registry = await serve();
    const name = publish(registry, "app:1", IMAGE);
    const text = String(IMAGE.config.data).replace("layer 0", "layer 9");
    registry.blobs.set(IMAGE.config.digest, Buffer.from(text));
    const { error } = await expectRefused(name, seed);
    expect(error.code).toBe("DIGEST_MISMATCH");
  });

  it("of more than 8 MiB is not asked for", async () => {
    const registry = await serve();
    const config = { ...IMAGE.config, size: 8 * 1024 * 1024 + 1 };
    const image = withManifest({ ...IMAGE, config });
    const { error } = await expectRefused(
      publish(registry, "app:1", image),
      seed,
    );
    expect(error.code).toBe("BLOB_TOO_LARGE");
    expect(registry.sent(new RegExp(config.digest))).toEqual([]);
  });
});

describe("a layer", () => {
  const TAR = archive([file("big", Buffer.alloc(20_000, "x"))]);
  const GZIP = gzipSync(TAR);
  const crc = Buffer.from(GZIP);
  crc.writeUInt8(crc.readUInt8(crc.length - 8) ^ 1, crc.length - 8);

  /** A layer of these bytes, whatever they are; the diff ID is that of the tar. */
  const raw = (data: Buffer): LayerBlob => ({
    ...smallLayer("x"),
    data,
    digest: sha256(data),
    size: data.length,
    diffId: sha256(TAR),
  });

  it.each([
    ["whose gzip ends early", raw(GZIP.subarray(0, -20))],
    ["whose gzip has a wrong CRC", raw(crc)],
    ["that ends within a file", layerOf(TAR.subarray(0, 5_000))],
    ["that climbs out", layerOf(archive([file("../../out", "x")]))],
    ["that is no archive", layerOf(Buffer.alloc(4096, "no tar"))],
    ["in bzip2", raw(Buffer.from("BZh91AY&SY and so on"))],
  ])("%s", async (_, layer) => {
    const registry = await serve();
    const image = imageOf([smallLayer("below"), layer, smallLayer("above")]);
    const name = publish(registry, "app:1", image);
    const { error } = await expectRefused(name, seed);
    expect(error.code).toMatch(/^LAYER_/);
    expect(error.message).toContain(layer.digest);
    expect(error.details).toMatchObject({ layer: layer.digest, image: name });
  });

  it.each([
    ["longer", -1],
    ["shorter", 1],
  ])("that is %s than its descriptor says", async (_, by) => {
    const registry = await serve();
    const layer = bigLayer(100_000);
    const image = imageOf([{ ...layer, size: layer.size + by }]);
    const name = publish(registry, "app:1", image);
    addBlob(registry, layer);
    const { error } = await expectRefused(name, seed);
    expect(error.code).toBe("SIZE_MISMATCH");
    expect(error.message).toContain(layer.digest);
  });

  it("with other bytes than its digest says, which is not asked for again", async () => {
    const registry = await serve();
    const layer = bigLayer(100_000);
    const name = publish(registry, "app:1", imageOf([layer]));
    const bytes = Buffer.from(layer.data);
    bytes.writeUInt8(bytes.readUInt8(50_000) ^ 1, 50_000);
    registry.blobs.set(layer.digest, bytes);
    const { error } = await expectRefused(name, seed);
    expect(error.code).toBe("DIGEST_MISMATCH");
    expect(registry.sent(new RegExp(layer.digest))).toHaveLength(2);
  });

  it("that the registry has lost", async () => {
    const registry = await serve();
    const lost = bigLayer(1000);
    const image = imageOf([smallLayer("a"), lost, smallLayer("b")]);
    const name = publish(registry, "app:1", image);
    registry.blobs.delete(lost.digest);
    const { error } = await expectRefused(name, seed);
    expect(error.code).toBe("BLOB_UNKNOWN");
    expect(error.message).toContain(lost.digest);
    expect(error.details).toMatchObject({ layer: lost.digest });
    expect(registry.sent(new RegExp(lost.digest))).toHaveLength(2);
  });

  it("beyond the 125th", async () => {
    const registry = await serve();
    const layer = smallLayer("same");
    const image = imageOf(Array.from({ length: 126 }, () => layer));
    const name = publish(registry, "app:1", image);
    const { error } = await expectRefused(name, seed);
    expect(error.code).toBe("TOO_MANY_LAYERS");
    expect(error.message).toMatch(/126.*125/);
  });
});

describe("a manifest", () => {
  it("with another digest than it was asked for by", async () => {
    const registry = await serve();
    const { digest } = IMAGE.manifest;
    const name = publish(registry, "app", IMAGE);
    const { error } = await expectRefused(name, seed, () => {
      registry.faults.push({ do: "corrupt", at: 3 });
    });
    expect(error.code).toBe("DIGEST_MISMATCH");
    expect(error.message).toContain(digest);
    expect(requestCounts(registry)).toEqual({ "GET manifests": 2 });
  });

  it("with another digest than its header promises", async () => {
    const registry = await serve();
    const name = publish(registry, "app:1", IMAGE);
    const promised = sha256("another");
    const { error } = await expectRefused(name, seed, () => {
      registry.faults.push({
        do: "headers",
        headers: { "docker-content-digest": promised },
      });
    });
    expect(error.code).toBe("DIGEST_MISMATCH");
    expect(error.message).toContain(promised);
  });

  it("with another digest than its index says", async () => {
    const registry = await serve();
    publish(registry, "app", IMAGE);
    const index = indexOf([{ image: IMAGE, platform: MACHINE }], "oci");
    const name = publishManifest(registry, "app:1", index);
    const { error } = await expectRefused(name, seed, () => {
      registry.faults.push({
        do: "corrupt",
        at: 3,
        on: { path: new RegExp(IMAGE.manifest.digest) },
      });
    });
    expect(error.code).toBe("DIGEST_MISMATCH");
    expect(error.message).toContain(IMAGE.manifest.digest);
  });

  it("of more than 4 MiB is not read to its end", async () => {
    const registry = await serve();
    const annotations = { filler: "x".repeat(4 * 1024 * 1024) };
    const image = withManifest(IMAGE, { annotations });
    const name = publish(registry, "app:1", image);
    const { error } = await expectRefused(name, seed, () => {
      registry.faults.push({
        do: "headers",
        headers: { "content-length": undefined },
      });
    });
    expect(error.code).toBe("MANIFEST_TOO_LARGE");
  });

  const text = (value: unknown): string => JSON.stringify(value);
  const layers = IMAGE.layers.map(descriptor);
  const config = descriptor(IMAGE.config);
  const cases: [string, string, string, string][] = [
    [
      "of schema 1",
      "application/vnd.docker.distribution.manifest.v1+prettyjws",
      text({ schemaVersion: 1, fsLayers: [] }),
      "MANIFEST_UNSUPPORTED",
    ],
    [
      "of an artifact",
      OCI_MANIFEST,
      text({
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        artifactType: "application/vnd.example.thing",
        config: {
          mediaType: "application/vnd.oci.empty.v1+json",
          digest: sha256("{}"),
          size: 2,
        },
        layers,
      }),
      "NOT_AN_IMAGE",
    ],
    [
      "of a Helm chart",
      OCI_MANIFEST,
      text({
        schemaVersion: 2,
        config: {
          ...config,
          mediaType: "application/vnd.cncf.helm.config.v1+json",
        },
        layers: [],
      }),
      "NOT_AN_IMAGE",
    ],
    ["that is not JSON", OCI_MANIFEST, "<html>", "MANIFEST_INVALID"],
    [
      "that is an index, too",
      OCI_MANIFEST,
      text({ schemaVersion: 2, config, layers, manifests: [] }),
      "MANIFEST_INVALID",
    ],
    [
      "that calls itself otherwise",
      OCI_MANIFEST,
      text({ schemaVersion: 2, mediaType: OCI_INDEX, config, layers }),
      "MANIFEST_INVALID",
    ],
    [
      "with a path for a digest",
      OCI_MANIFEST,
      text({
        schemaVersion: 2,
        config,
        layers: [{ ...layers[0], digest: "sha256:../../../etc/passwd" }],
      }),
      "DIGEST_INVALID",
    ],
    [
      "with a digest of another kind",
      OCI_MANIFEST,
      text({
        schemaVersion: 2,
        config,
        layers: [{ ...layers[0], digest: `sha512:${"a".repeat(128)}` }],
      }),
      "DIGEST_UNSUPPORTED",
    ],
    [
      "of an unheard-of type",
      "application/vnd.example.manifest+json",
      text({ schemaVersion: 9 }),
      "MANIFEST_UNSUPPORTED",
    ],
  ];
  it.each(cases)("%s", async (_, mediaType, body, code) => {
    const registry = await serve();
    const name = publishManifest(registry, "app:1", rawBlob(mediaType, body));
    const { error } = await expectRefused(name, seed);
    expect(error.code).toBe(code);
    expect(registry.sent(/blobs/)).toEqual([]);
  });

  it("that is a web page", async () => {
    const registry = await serve();
    const { error } = await expectRefused(
      `${registry.host}/app:1`,
      seed,
      () => {
        registry.faults.push({
          do: "status",
          status: 200,
          headers: { "content-type": "text/html" },
          body: "<html><title>Sign in</title></html>",
        });
      },
    );
    expect(error.code).toBe("NOT_A_REGISTRY");
  });

  it("that nobody has", async () => {
    const registry = await serve();
    publish(registry, "app:1.0", IMAGE);
    const { error } = await expectRefused(`${registry.host}/app:1.1`, seed);
    expect(error.code).toBe("MANIFEST_UNKNOWN");
    expect(error.message + error.hint).toContain("1.0");
  });
});

describe("an index", () => {
  const ARM: Platform = { os: "linux", architecture: "arm64" };

  it("without the platform says which ones it has", async () => {
    const registry = await serve();
    const image = smallImage(["a"], { platform: ARM });
    const windows = { os: "windows", architecture: "amd64" };
    const index = indexOf([
      { image, platform: ARM },
      { image, platform: windows },
    ]);
    const name = publishManifest(registry, "app:1", index);
    const options = { platform: "linux/s390x" };
    const { error } = await expectRefused(name, seed, undefined, options);
    expect(error.code).toBe("PLATFORM_NOT_FOUND");
    expect(error.message).toContain("linux/s390x");
    expect(error.message).toContain("linux/arm64, windows/amd64");
    expect(error.hint).toContain("--platform");
    expect(requestCounts(registry)).toEqual({ "GET manifests": 2 });
  });

  it("of attestations only", async () => {
    const registry = await serve();
    const unknown = { os: "unknown", architecture: "unknown" };
    const index = indexOf([{ image: IMAGE, platform: unknown }], "oci");
    const name = publishManifest(registry, "app:1", index);
    const { error } = await expectRefused(name, seed);
    expect(error.code).toBe("PLATFORM_NOT_FOUND");
  });

  it("of nothing", async () => {
    const registry = await serve();
    const name = publishManifest(registry, "app:1", indexOf([], "oci"));
    const { error } = await expectRefused(name, seed);
    expect(error.code).toBe("PLATFORM_NOT_FOUND");
  });

  it("five deep", async () => {
    const registry = await serve();
    publish(registry, "app", IMAGE);
    let manifest = IMAGE.manifest;
    for (let depth = 0; depth < 5; depth++) {
      const image = { ...IMAGE, manifest };
      manifest = indexOf([{ image, platform: MACHINE }], "oci");
      publishManifest(registry, "app", manifest);
    }
    const name = publishManifest(registry, "app:1", manifest);
    const { error } = await expectRefused(name, seed);
    expect(error.code).toBe("INDEX_TOO_DEEP");
  });

  it("whose image is lost", async () => {
    const registry = await serve();
    const index = indexOf([{ image: IMAGE, platform: MACHINE }], "oci");
    const name = publishManifest(registry, "app:1", index);
    const { error } = await expectRefused(name, seed);
    expect(error.code).toBe("MANIFEST_UNKNOWN");
    expect(error.message).toContain(IMAGE.manifest.digest);
  });

  it("with signatures beside the image is no obstacle", async () => {
    const registry: FaultRegistry = await serve();
    const root = `${folder}/with-signatures`;
    publish(registry, "app", IMAGE);
    const index = jsonBlob(OCI_INDEX, {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [
        {
          mediaType: "application/vnd.example.signature+json",
          digest: sha256("signature"),
          size: 9,
          platform: MACHINE,
        },
        {
          ...descriptor(IMAGE.manifest),
          digest: sha256("bill"),
          artifactType: "application/spdx+json",
          platform: MACHINE,
        },
        { ...descriptor(IMAGE.manifest), platform: MACHINE },
      ],
    });
    const name = publishManifest(registry, "app:1", index);
    const { pulling } = await import("./support/pulls.js");
    const { failures } = await pulling(name, { root });
    expect(failures).toEqual([]);
    expect(OCI_CONFIG).toBe(IMAGE.config.mediaType);
  });
});
