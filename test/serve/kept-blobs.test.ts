// A data root served with its registry's own digests, where the blobs are kept.
import { readFile, rm, writeFile } from "node:fs/promises";
import { expect, it, onTestFinished } from "vitest";
import { pull } from "#src/index.js";
import { serve as serveRoot } from "#src/serve/serve.js";
import { openStore, pruneBlobs, type Layout } from "#store/index.js";
import {
  imageOf,
  indexOf,
  layerOf,
  MACHINE,
  type Image,
} from "../helpers/image-builder.js";
import { archive, file } from "../helpers/tar-writer.js";
import { noise, smallLayer } from "../pull/support/layers.js";
import {
  failureOf,
  IMPATIENT,
  publish,
  publishManifest,
  serve,
} from "../pull/support/pulls.js";
import { newRoot } from "../store/support/roots.js";

const big = (compression: "gzip" | "none") =>
  layerOf(archive([file("noise", noise(3_000_000))]), {
    compression,
    family: "oci",
  });
const one = (): Image => imageOf([smallLayer("base"), big("gzip")]);
const two = (): Image => imageOf([smallLayer("base"), smallLayer("two")]);
const index = () => indexOf([{ image: one(), platform: MACHINE }]);

/** A root with `one` behind an index and `two`; both are kept, unless it is said otherwise. */
async function served(keepTwo = true) {
  const registry = await serve();
  const root = await newRoot();
  publish(registry, "one", one());
  const names = [
    publishManifest(registry, "one:1", index()),
    publish(registry, "team/two:1", two()),
  ] as const;
  await pull(names[0], { root, keepBlobs: true });
  await pull(names[1], { root, keepBlobs: keepTwo });
  const warnings: string[] = [];
  const serving = await serveRoot({
    sources: [{ root }],
    listen: "127.0.0.1:0",
    graceMs: 0,
    onWarning: ({ code, message }) => warnings.push(`${code} ${message}`),
  });
  onTestFinished(() => serving.close());
  const { layout } = await openStore(root);
  return { root, layout, warnings, host: serving.host, url: serving.url };
}

const get = (url: string, path: string): Promise<Response> =>
  fetch(`${url}/v2/${path}`);

async function pulled(reference: string) {
  const root = await newRoot();
  return await pull(reference, { root, registry: IMPATIENT });
}

const blobAt = (layout: Layout, digest: string): string =>
  layout.keptBlob(digest as never);

it("gives index, manifest and blobs byte for byte, and says nothing of rebuilding", async () => {
  const { url, warnings } = await served();
  expect(warnings).toEqual([]);
  const top = await get(url, "one/manifests/1");
  expect(top.headers.get("content-type")).toBe(index().mediaType);
  expect(top.headers.get("docker-content-digest")).toBe(index().digest);
  expect(Buffer.from(await top.arrayBuffer())).toEqual(index().data);
  for (const { digest, data, mediaType } of [index(), one().manifest]) {
    const reply = await get(url, `one/manifests/${digest}`);
    expect(reply.headers.get("content-type")).toBe(mediaType);
    expect(Buffer.from(await reply.arrayBuffer())).toEqual(data);
  }
  for (const { digest, data } of [one().config, ...one().layers]) {
    const reply = await get(url, `one/blobs/${digest}`);
    const bytes = Buffer.from(await reply.arrayBuffer());
    expect(bytes.equals(data as Buffer), digest).toBe(true);
  }
  const [, layer] = one().layers;
  const part = await fetch(`${url}/v2/one/blobs/${layer!.digest}`, {
    headers: { range: "bytes=1000000-1000099" },
  });
  expect(part.status).toBe(206);
  expect(Buffer.from(await part.arrayBuffer())).toEqual(
    (layer!.data as Buffer).subarray(1_000_000, 1_000_100),
  );
});

it("gives a pull the registry's digests", async () => {
  const { host } = await served();
  const byTag = await pulled(`${host}/one:1`);
  expect(byTag.digest).toBe(index().digest);
  expect(byTag.manifestDigest).toBe(one().manifest.digest);
  const byDigest = await pulled(`${host}/one@${index().digest}`);
  expect(byDigest.imageId).toBe(one().config.digest);
  const two_ = await pulled(`${host}/team/two:1`);
  expect(two_.digest).toBe(two().manifest.digest);
});

it("keeps one repository's documents and blobs out of another", async () => {
  const { url } = await served();
  const [, layer] = one().layers;
  for (const path of [
    `team/two/manifests/${index().digest}`,
    `team/two/manifests/${one().manifest.digest}`,
    `team/two/blobs/${layer!.digest}`,
    // An index is a manifest, and no blob.
    `one/blobs/${index().digest}`,
  ]) {
    expect((await get(url, path)).status, path).toBe(404);
  }
});

it("rebuilds what is not kept, and says which", async () => {
  const { url, host, warnings } = await served(false);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(/^SERVE_REBUILT 1 of 2 images \(.*team\/two:1\)/);
  const reply = await get(url, "team/two/manifests/1");
  expect(reply.headers.get("docker-content-digest")).not.toBe(
    two().manifest.digest,
  );
  expect((await pulled(`${host}/team/two:1`)).imageId).toBe(
    two().config.digest,
  );
  expect((await pulled(`${host}/one:1`)).digest).toBe(index().digest);
});

it("follows blobs that go and come", async () => {
  const { root, host, url } = await served();
  await pruneBlobs(await openStore(root));
  const rebuilt = await pulled(`${host}/one:1`);
  expect(rebuilt.imageId).toBe(one().config.digest);
  expect(rebuilt.digest).not.toBe(index().digest);
  expect((await get(url, `one/manifests/${index().digest}`)).status).toBe(404);
});

it("sends nothing of a damaged blob to its end, and then rebuilds the image", async () => {
  const { layout, host, warnings } = await served();
  const [, layer] = one().layers;
  const path = blobAt(layout, layer!.digest);
  const bytes = await readFile(path);
  bytes[2_500_000]! ^= 1;
  await writeFile(path, bytes);
  await failureOf(pulled(`${host}/one:1`));
  expect(warnings[0]).toMatch(/^SERVE_SOURCE_DAMAGED the kept blob /);
  const rebuilt = await pulled(`${host}/one:1`);
  expect(rebuilt.imageId).toBe(one().config.digest);
  expect(rebuilt.digest).not.toBe(index().digest);
  // When it is right again, so is the image.
  await rm(path);
  await writeFile(path, layer!.data);
  expect((await pulled(`${host}/one:1`)).digest).toBe(index().digest);
});

it("puts a tar together where the damaged blob was one", async () => {
  const registry = await serve();
  const root = await newRoot();
  const image = imageOf([big("none")]);
  await pull(publish(registry, "tar:1", image), { root, keepBlobs: true });
  const { layout } = await openStore(root);
  await writeFile(
    blobAt(layout, image.layers[0]!.digest),
    Buffer.alloc(image.layers[0]!.size),
  );
  const serving = await serveRoot({
    sources: [{ root }],
    listen: "127.0.0.1:0",
    graceMs: 0,
  });
  onTestFinished(() => serving.close());
  const result = await pulled(`${serving.host}/tar:1`);
  expect(result.manifestDigest).toBe(image.manifest.digest);
});

it("serves by its digest what has no tag", async () => {
  const registry = await serve();
  const root = await newRoot();
  publish(registry, "one", one());
  publishManifest(registry, "one:1", index());
  const reference = `${registry.host}/one@${index().digest}`;
  await pull(reference, { root, keepBlobs: true });
  const serving = await serveRoot({
    sources: [{ root }],
    listen: "127.0.0.1:0",
    graceMs: 0,
  });
  onTestFinished(() => serving.close());
  const result = await pulled(`${serving.host}/one@${index().digest}`);
  expect(result.imageId).toBe(one().config.digest);
  expect((await get(serving.url, "one/tags/list")).status).toBe(200);
});

it("of an index it says which platforms are there, at the start and to who asks for another", async () => {
  const registry = await serve();
  const root = await newRoot();
  publish(registry, "app", one());
  publish(registry, "app", two());
  const other = { os: "linux", architecture: "s390x" };
  const name = publishManifest(
    registry,
    "app:1",
    indexOf([
      { image: one(), platform: MACHINE },
      { image: two(), platform: other },
    ]),
  );
  await pull(name, { root, keepBlobs: true });
  const warnings: unknown[] = [];
  const serving = await serveRoot({
    sources: [{ root }],
    listen: "127.0.0.1:0",
    graceMs: 0,
    onWarning: (warning) => warnings.push(warning),
  });
  onTestFinished(() => serving.close());
  const here = `linux/${MACHINE.architecture}`;
  expect(warnings).toEqual([
    {
      code: "SERVE_PARTIAL",
      message: `of app:1 there is only ${here}: 1 more image of its index cannot be pulled from here`,
    },
  ]);
  const { digest } = two().manifest;
  const reply = await get(serving.url, `app/manifests/${digest}`);
  expect(reply.status).toBe(404);
  const why = `manifest unknown to the repository: it is linux/s390x of app:1, of which this server holds only ${here}`;
  expect(await reply.json()).toMatchObject({
    errors: [{ code: "MANIFEST_UNKNOWN", message: why }],
  });
  const failure = await failureOf(
    pull(`${serving.host}/app:1`, {
      root: await newRoot(),
      platform: "linux/s390x",
      registry: IMPATIENT,
    }),
  );
  expect(failure.message).toContain(why);
  const unheard = await get(
    serving.url,
    `app/manifests/sha256:${"0".repeat(64)}`,
  );
  expect(await unheard.json()).toMatchObject({
    errors: [{ message: "manifest unknown to the repository" }],
  });
});
