// Repairs that fetch: only what is damaged, from where it came, and nothing that is wrong.
import {
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { repair, type RepairOptions } from "#src/index.js";
import type { HostConfig } from "#src/registry/endpoint.js";
import { isDamage, openStore, verifyStore } from "#store/index.js";
import type { Finding, FindingCode } from "#store/index.js";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import { chainIdsOf, indexOf, type Image } from "../helpers/image-builder.js";
import { checkStore } from "../helpers/store/check.js";
import { storedLayers } from "../helpers/store/data-root.js";
import { smallImage } from "../pull/support/layers.js";
import {
  fetches,
  IMPATIENT,
  publish,
  publishManifest,
  pulling,
  requestCounts,
  serve,
} from "../pull/support/pulls.js";
import { listing, newRoot } from "../store/support/roots.js";

const S390X = { os: "linux", architecture: "s390x" };

interface Pulled {
  readonly registry: FaultRegistry;
  readonly root: string;
  readonly image: Image;
}

/** A root with an image of three layers and one that shares the lowest. */
async function pulled(): Promise<Pulled> {
  const registry = await serve();
  const image = smallImage(["a", "b", "c"]);
  const root = await newRoot();
  const { failures } = await pulling(
    [
      publish(registry, "team/app:1", image),
      publish(registry, "team/other:1", smallImage(["a", "d"])),
    ],
    { root },
  );
  expect(failures).toEqual([]);
  registry.requests.length = 0;
  return { registry, root, image };
}

async function check(root: string): Promise<Finding[]> {
  const { findings } = await verifyStore(await openStore(root), { threads: 1 });
  return findings.filter(isDamage);
}

async function mend(root: string, options: RepairOptions = {}) {
  const findings = await check(root);
  const result = await repair(
    await openStore(root),
    { findings },
    {
      registry: IMPATIENT,
      concurrency: 1,
      ...options,
    },
  );
  const codes = findings.map(({ code }) => code);
  return { ...result, codes };
}

async function folderOf(
  root: string,
  image: Image,
  layer: number,
): Promise<{ record: string; folder: string }> {
  const chain = chainIdsOf(image)[layer]!.slice(7);
  return (await storedLayers(root)).get(chain)!;
}

/** Spoils the one file of a layer, and nothing beside its content. */
async function spoil(root: string, image: Image, layer: number): Promise<void> {
  const { folder } = await folderOf(root, image, layer);
  const etc = join(folder, "diff/etc");
  writeFileSync(join(etc, readdirSync(etc)[0]!), "X\n");
}

describe("a damaged layer", () => {
  it("is fetched again by its blob, and nothing else is asked for", async () => {
    const { registry, root, image } = await pulled();
    await spoil(root, image, 1);
    const { codes, left, steps, bytesFetched } = await mend(root);
    expect(new Set<FindingCode>(codes)).toContain("TREE_DAMAGED");
    expect(left).toEqual([]);
    const { digest, size } = image.layers[1]!;
    expect(steps).toMatchObject([
      {
        action: "fetched",
        note: `from ${registry.host}/team/app@${digest}`,
        bytes: size,
      },
    ]);
    expect(bytesFetched).toBe(size);
    expect(requestCounts(registry)).toEqual({ "GET blobs": 1 });
    expect(fetches(registry, digest)).toBe(1);
    expect(await checkStore(root)).toEqual([]);
  });

  it("keeps its place, so that layers above need not change", async () => {
    const { root, image } = await pulled();
    const before = await storedLayers(root);
    await spoil(root, image, 0);
    await mend(root);
    expect(await storedLayers(root)).toEqual(before);
  });

  it("is found without a kept manifest, and its size by HEAD", async () => {
    const { registry, root, image } = await pulled();
    rmSync(join(root, "tpull/manifests"), { recursive: true });
    await spoil(root, image, 2);
    expect((await mend(root)).left).toEqual([]);
    expect(requestCounts(registry)).toEqual({
      "GET blobs": 1,
      "HEAD blobs": 1,
    });
  });

  it("is found by the image's manifest where nothing is noted of it", async () => {
    const registry = await serve();
    const root = await newRoot();
    const image = smallImage(["a", "b"]);
    const foreign = smallImage(["x"], { platform: S390X });
    const platform = { os: "linux", architecture: "amd64" };
    publish(registry, "team/app", image);
    publish(registry, "team/app", foreign);
    const index = indexOf([
      { image: foreign, platform: S390X },
      { image, platform },
    ]);
    const name = publishManifest(registry, "team/app:1", index);
    const options = { root, platform: "linux/amd64" };
    expect((await pulling(name, options)).failures).toEqual([]);
    rmSync(join(root, "tpull/manifests"), { recursive: true });
    rmSync(join(root, "image/overlay2/distribution"), { recursive: true });
    await spoil(root, image, 1);
    registry.requests.length = 0;
    const { left } = await mend(root);
    expect(left).toEqual([]);
    // The index, and at once the manifest of the image's own platform.
    expect(requestCounts(registry)).toMatchObject({
      "GET manifests": 2,
      "GET blobs": 1,
    });
    expect(await checkStore(root)).toEqual([]);
  });

  it("is fetched from another repository where the newest lacks it", async () => {
    const { registry, root, image } = await pulled();
    await spoil(root, image, 0);
    registry.faults.push({
      on: { path: /team\/other\/blobs/ },
      do: "status",
      status: 404,
      times: 10,
    });
    const { left, steps } = await mend(root);
    expect(left).toEqual([]);
    expect(steps[0]?.note).toContain("/team/app@");
  });

  it("is put together from another layer with the same content", async () => {
    const { registry, root } = await pulled();
    const twin = smallImage(["b"]);
    const name = publish(registry, "team/twin:1", twin);
    expect((await pulling(name, { root })).failures).toEqual([]);
    await spoil(root, twin, 0);
    registry.requests.length = 0;
    const { left, steps } = await mend(root);
    expect(left).toEqual([]);
    expect(steps).toMatchObject([{ action: "restored" }]);
    expect(registry.requests).toEqual([]);
  });
});

describe("layers with the same content", () => {
  it("are fetched once, however many are damaged", async () => {
    const registry = await serve();
    const root = await newRoot();
    const image = smallImage(["a", "b", "a", "a"]);
    const name = publish(registry, "app:1", image);
    expect((await pulling(name, { root })).failures).toEqual([]);
    for (const layer of [0, 2, 3]) await spoil(root, image, layer);
    registry.requests.length = 0;
    const { left, steps } = await mend(root, { concurrency: 3 });
    expect(left).toEqual([]);
    expect(steps.map(({ action }) => action).sort()).toEqual([
      "fetched",
      "restored",
      "restored",
    ]);
    expect(fetches(registry, image.layers[0]!.digest)).toBe(1);
    expect(await checkStore(root)).toEqual([]);
  });
});

describe("what cannot be had", () => {
  /** Repairs in vain: everything is as it was, and the reason is told. */
  async function inVain(
    { root, image }: Pulled,
    options: RepairOptions = {},
  ): Promise<{ reason: string; failure: string | undefined }> {
    await spoil(root, image, 1);
    const before = await listing(root);
    const { left, steps } = await mend(root, options);
    expect(steps).toEqual([]);
    expect(await listing(root)).toEqual(before);
    expect(left.length).toBeGreaterThan(0);
    const damaged = left.find(({ code }) => code === "TREE_DAMAGED");
    return { reason: damaged?.reason ?? "", failure: damaged?.failure };
  }

  it("is said with the registry's words, and the old stays", async () => {
    const here = await pulled();
    here.registry.blobs.clear();
    const { reason, failure } = await inVain(here);
    expect(failure).toBe("BLOB_UNKNOWN");
    expect(reason).toContain(here.registry.host);
  });

  it("includes wrong bytes, however often they come", async () => {
    const here = await pulled();
    const { digest } = here.image.layers[1]!;
    const bytes = here.registry.blobs.get(digest)!;
    here.registry.blobs.set(digest, Buffer.alloc(bytes.length));
    expect((await inVain(here)).failure).toBe("DIGEST_MISMATCH");
  });

  it("includes all that a silent registry has, which is asked for one thing", async () => {
    const here = await pulled();
    await spoil(here.root, here.image, 0);
    here.registry.faults.push({ do: "reset", times: 1000 });
    const { reason, failure } = await inVain(here);
    expect(failure).toMatch(/^NETWORK_/);
    expect(reason).toContain(here.registry.host);
    const asked = here.registry.requests.map(({ url }) => url);
    expect(new Set(asked).size).toBe(1);
  });

  it("is named with where it would come from, when nothing is to be fetched", async () => {
    const here = await pulled();
    const { reason, failure } = await inVain(here, { offline: true });
    expect(failure).toBe("FETCH_NEEDED");
    const { digest } = here.image.layers[1]!;
    expect(reason).toContain(`${here.registry.host}/team/app@${digest}`);
    expect(here.registry.requests).toEqual([]);
  });

  it("is another try's, when a mirror sent wrong bytes", async () => {
    const mirror = await serve();
    const { registry, root, image } = await pulled();
    await spoil(root, image, 1);
    const { digest } = image.layers[1]!;
    const bytes = registry.blobs.get(digest)!;
    mirror.blobs.set(digest, Buffer.alloc(bytes.length));
    const place = (url: string, origin: boolean): HostConfig => ({
      url,
      origin,
      capabilities: ["pull", "resolve"],
      overridePath: false,
      headers: {},
      connection: { verify: true },
      plainHttpFallback: false,
    });
    const places = [place(mirror.url, false), place(registry.url, true)];
    const { left } = await mend(root, {
      registry: { ...IMPATIENT, hosts: async () => places },
    });
    expect(left).toEqual([]);
    expect(fetches(mirror, `${digest}.*`)).toBe(1);
    expect(fetches(registry, digest)).toBe(1);
  });
});

describe("a lost config", () => {
  const config = (root: string, image: Image): string =>
    join(
      root,
      "image/overlay2/imagedb/content/sha256",
      image.config.digest.slice(7),
    );

  it("is fetched as the blob that it is", async () => {
    const { registry, root, image } = await pulled();
    truncateSync(config(root, image));
    const { left, codes } = await mend(root);
    expect(codes).toContain("CONFIG_DAMAGED");
    expect(left).toEqual([]);
    expect(requestCounts(registry)).toEqual({
      "GET blobs": 1,
      "HEAD blobs": 1,
    });
    expect(await checkStore(root)).toEqual([]);
  });

  it("brings its layers back, which nobody could miss without it", async () => {
    const { root, image } = await pulled();
    const { record } = await folderOf(root, image, 2);
    rmSync(config(root, image));
    rmSync(record, { recursive: true });
    const { left } = await mend(root, { confirm: async () => true });
    expect(left).toEqual([]);
    expect(await checkStore(root)).toEqual([]);
  });

  it("keeps its layers from being taken for orphans", async () => {
    const { registry, root, image } = await pulled();
    rmSync(config(root, image));
    const layers = await storedLayers(root);
    await registry.close();
    const { left } = await mend(root, { confirm: async () => true });
    expect(left.map(({ code }) => code)).toEqual(["CONFIG_MISSING"]);
    expect(await storedLayers(root)).toEqual(layers);
    const names = join(root, "image/overlay2/repositories.json");
    expect(await listing(names)).toEqual(
      expect.arrayContaining([expect.stringContaining("team/app:1")]),
    );
  });
});

describe("what may still be of use", () => {
  it("stays where all configs and names are lost, at every try", async () => {
    const { root } = await pulled();
    const driver = join(root, "image/overlay2");
    rmSync(join(driver, "imagedb"), { recursive: true });
    rmSync(join(driver, "repositories.json"));
    const before = (await storedLayers(root)).size;
    expect(before).toBeGreaterThan(0);
    for (let tries = 1; tries <= 2; tries += 1) {
      await mend(root, { confirm: async () => true });
      expect((await storedLayers(root)).size).toBe(before);
    }
  });

  it("comes back when all of overlay2 is lost", async () => {
    const { root } = await pulled();
    rmSync(join(root, "overlay2"), { recursive: true });
    await mend(root);
    expect(await check(root)).toEqual([]);
    await checkStore(root);
  });

  it("is asked of no registry by a name that was only given here", async () => {
    const { registry, root } = await pulled();
    const file = join(root, "image/overlay2/repositories.json");
    const names = JSON.parse(readFileSync(file, "utf8")) as {
      Repositories: Record<string, Record<string, string>>;
    };
    // As after a build: a tag and no digest, and no record of the layers' origin.
    for (const references of Object.values(names.Repositories)) {
      for (const name of Object.keys(references)) {
        if (name.includes("@")) delete references[name];
      }
    }
    writeFileSync(file, JSON.stringify(names));
    rmSync(join(root, "image/overlay2/distribution"), { recursive: true });
    rmSync(join(root, "tpull/manifests"), { recursive: true });
    const [layer] = (await storedLayers(root)).values();
    rmSync(join(root, "overlay2", layer!.cacheId, "diff"), { recursive: true });
    registry.requests.length = 0;
    await mend(root);
    expect(registry.requests).toEqual([]);
    expect((await check(root)).map(({ code }) => code)).toContain(
      "OVERLAY_MISSING",
    );
  });
});
