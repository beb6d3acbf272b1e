// What can be pulled: every kind of manifest, every compression, every form of reference.
import { describe, expect, it } from "vitest";
import { pull } from "#src/index.js";
import {
  imageOf,
  indexOf,
  MACHINE,
  type Compression,
  type Family,
  type Platform,
} from "../helpers/image-builder.js";
import { findPeer } from "../helpers/peers.js";
import { newRoot } from "../store/support/roots.js";
import { smallImage, smallLayer } from "./support/layers.js";
import {
  fetches,
  publish,
  publishManifest,
  pulling,
  requestCounts,
  serve,
} from "./support/pulls.js";
import { expectImage, expectSound } from "./support/stored.js";

const FAMILIES: readonly Family[] = ["docker", "oci"];
const ARM: Platform = { os: "linux", architecture: "arm64", variant: "v8" };

describe.each(FAMILIES)("media types of %s", (family) => {
  const layers = ["one", "two", "three"].map((name) =>
    smallLayer(name, { family }),
  );

  it("an image", async () => {
    const registry = await serve();
    const root = await newRoot();
    const image = imageOf(layers, { family });
    const name = publish(registry, "team/app:1.0", image);
    const result = await pull(name, { root });
    expect(result).toMatchObject({
      reference: name,
      canonicalName: name,
      familiarName: name,
      digest: image.manifest.digest,
      manifestDigest: image.manifest.digest,
      imageId: image.config.digest,
      platform: `linux/${MACHINE.architecture}`,
      status: "downloaded",
    });
    const repository = `${registry.host}/team/app`;
    await expectSound(root);
    await expectImage(root, image, repository, [
      name,
      `${repository}@${image.manifest.digest}`,
    ]);
    expect(requestCounts(registry)).toEqual({
      "GET manifests": 1,
      "GET blobs": 4,
    });
  });

  it("one of an index, and nothing of the others", async () => {
    const registry = await serve();
    const root = await newRoot();
    const ours = imageOf(layers, { family });
    const other = smallImage(["other"], { family, platform: ARM });
    publish(registry, "team/app", ours);
    publish(registry, "team/app", other);
    const index = indexOf(
      [
        { image: other, platform: ARM },
        { image: ours, platform: MACHINE },
      ],
      family,
    );
    const name = publishManifest(registry, "team/app:1.0", index);
    const result = await pull(name, { root, platform: "linux/amd64" });
    expect(result.digest).toBe(index.digest);
    expect(result.manifestDigest).toBe(ours.manifest.digest);
    const repository = `${registry.host}/team/app`;
    await expectSound(root);
    await expectImage(root, ours, repository, [
      name,
      `${repository}@${index.digest}`,
    ]);
    expect(fetches(registry, other.config.digest)).toBe(0);
    expect(requestCounts(registry)).toEqual({
      "GET manifests": 2,
      "GET blobs": 4,
    });
  });
});

it("one of an index in an index", async () => {
  const registry = await serve();
  const root = await newRoot();
  const image = smallImage(["a"], { family: "oci" });
  publish(registry, "app", image);
  let index = indexOf([{ image, platform: MACHINE }], "oci");
  publishManifest(registry, "app", index);
  index = indexOf(
    [{ image: { ...image, manifest: index }, platform: MACHINE }],
    "oci",
  );
  const name = publishManifest(registry, "app:nested", index);
  const result = await pull(name, { root });
  expect(result.digest).toBe(index.digest);
  expect(result.manifestDigest).toBe(image.manifest.digest);
  await expectSound(root);
});

const COMPRESSIONS: readonly Compression[] = [
  "gzip",
  "gzip-members",
  "zstd",
  "none",
];

describe.each(COMPRESSIONS)("layers compressed by %s", (compression) => {
  it.skipIf(compression === "zstd" && !findPeer("zstd"))(
    "come out as their tar",
    async () => {
      const registry = await serve();
      const root = await newRoot();
      const options = { compression, family: "oci" } as const;
      const image = imageOf(
        ["one", "two"].map((name) => smallLayer(name, options)),
        { family: "oci" },
      );
      const name = publish(registry, "app:1", image);
      const { layers } = await pull(name, { root });
      expect(layers).toMatchObject(
        image.layers.map(({ digest, diffId, size }) => ({
          digest,
          diffId,
          compressedSize: size,
          source: "fetched",
        })),
      );
      await expectSound(root);
    },
  );
});

it("a layer whose media type names another compression than its bytes", async () => {
  const registry = await serve();
  const root = await newRoot();
  const plain = smallLayer("plain", { compression: "none" });
  const image = imageOf([
    { ...plain, mediaType: smallLayer("x").mediaType },
    smallLayer("above"),
  ]);
  await pull(publish(registry, "app:1", image), { root });
  await expectSound(root);
});

it("an image without layers", async () => {
  const registry = await serve();
  const root = await newRoot();
  const image = imageOf([]);
  const name = publish(registry, "empty:1", image);
  const { results, events } = await pulling(name, { root });
  expect(results[0]).toMatchObject({ status: "downloaded", layers: [] });
  expect(events.filter(({ type }) => type === "layer")).toEqual([]);
  const repository = `${registry.host}/empty`;
  await expectImage(root, image, repository, [
    name,
    `${repository}@${image.manifest.digest}`,
  ]);
});

describe("a reference", () => {
  it.each([
    ["by tag", (host: string, _digest: string) => `${host}/team/app:1.0`],
    ["by digest", (host, digest) => `${host}/team/app@${digest}`],
    ["by both", (host, digest) => `${host}/team/app:1.0@${digest}`],
    ["by digest and a tag nobody has", (host, d) => `${host}/team/app:no@${d}`],
  ] as [string, (host: string, digest: string) => string][])(
    "%s",
    async (_, referenceOf) => {
      const registry = await serve();
      const root = await newRoot();
      const image = smallImage(["a", "b"]);
      publish(registry, "team/app:1.0", image);
      const { digest } = image.manifest;
      const reference = referenceOf(registry.host, digest);
      const pinned = reference.includes("@");
      const { results, events } = await pulling(reference, { root });
      expect(results[0]).toMatchObject({
        canonicalName: reference,
        familiarName: pinned
          ? `${registry.host}/team/app@${digest}`
          : reference,
        digest,
      });
      expect(events).toContainEqual({
        type: "pulling",
        image: reference,
        tagOrDigest: pinned ? `${registry.host}/team/app@${digest}` : "1.0",
        repository: "team/app",
        digest,
      });
      // The digest decides: a tag beside it is never asked for, nor set.
      const asked = pinned ? digest : "1.0";
      expect(registry.sent(/\/manifests\//).map(({ url }) => url)).toEqual([
        `/v2/team/app/manifests/${asked}`,
      ]);
      await expectSound(root);
      await expectImage(root, image, `${registry.host}/team/app`, [
        ...(pinned ? [] : [reference]),
        `${registry.host}/team/app@${digest}`,
      ]);
    },
  );

  it("to Docker Hub is named as docker names it", async () => {
    const registry = await serve();
    const root = await newRoot();
    const image = smallImage(["a"]);
    publish(registry, "library/nginx:latest", image);
    const result = await pull("nginx", {
      root,
      registry: {
        endpoint: (host) => (host === "docker.io" ? registry.url : undefined),
      },
    });
    expect(result).toMatchObject({
      reference: "nginx",
      canonicalName: "docker.io/library/nginx:latest",
      familiarName: "nginx:latest",
    });
    await expectImage(root, image, "docker.io/library/nginx", [
      "nginx:latest",
      `nginx@${image.manifest.digest}`,
    ]);
  });
});
