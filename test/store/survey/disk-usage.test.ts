// What takes the space in a root: images that share layers, and what serves nobody.
import {
  link,
  mkdir,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  diskUsage,
  type DiskUsage,
  openStore,
  type UsageKind,
} from "#store/index.js";
import {
  type FakeImage,
  fakeImage,
  leaveLayers,
  stage,
  storeImage,
  withConfig,
} from "../support/images.js";
import { listing, newRoot, writing } from "../support/roots.js";

const driver = "image/overlay2";
const layerdb = `${driver}/layerdb`;

async function rootOf(...images: FakeImage[]): Promise<string> {
  const root = await newRoot();
  for (const image of images) {
    await writing(root, (writer) => storeImage(writer, image));
  }
  return root;
}

const usageOf = async (root: string): Promise<DiskUsage> =>
  diskUsage(await openStore(root));

/** Writes files, with the directories that they need. */
async function plant(
  root: string,
  files: Record<string, string>,
): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
}

/** What is left over, as `kind size path`. */
function leftoversOf({ root, leftovers }: DiskUsage): string[] {
  return leftovers.map(
    ({ kind, size, path }) =>
      `${kind} ${size} ${path.slice(root.length + 1).replaceAll(/[0-9a-f]{64}/g, "ID")}`,
  );
}

/** A container made from an image, as far as a store shows it. */
async function containerOf(
  root: string,
  { image, layers }: FakeImage,
  id: string,
  state: object,
  written: Record<string, string> = {},
): Promise<void> {
  const mount = id.replaceAll(/./g, "e");
  await plant(root, {
    [`${layerdb}/mounts/${id}/mount-id`]: mount,
    [`${layerdb}/mounts/${id}/init-id`]: `${mount}-init`,
    [`${layerdb}/mounts/${id}/parent`]: layers.at(-1)!.chainId,
    [`containers/${id}/config.v2.json`]: JSON.stringify({
      ID: id,
      Driver: "overlay2",
      Name: "/box",
      Image: image.imageId,
      Config: { Image: image.naming.repository },
      State: state,
    }),
    ...Object.fromEntries(
      Object.entries(written).map(([path, content]) => [
        `overlay2/${mount}/diff/${path}`,
        content,
      ]),
    ),
  });
  await mkdir(join(root, `overlay2/${mount}/diff`), { recursive: true });
  await mkdir(join(root, `overlay2/${mount}-init/diff`), { recursive: true });
}

const ID = "b".repeat(64);
const base = fakeImage("base", "1".repeat(75));
const one = fakeImage("one", "1".repeat(75), "22");
const two = fakeImage("two", "1".repeat(75), "333");

describe("images", () => {
  it("share what is there once", async () => {
    const usage = await usageOf(await rootOf(base, one, two));
    expect(usage.totals.images).toEqual({
      count: 3,
      active: 0,
      size: 80,
      reclaimable: 80,
    });
    const sizes = usage.images.map(
      ({ tags, size, sharedSize, uniqueSize }) =>
        `${tags.join()} ${size} ${sharedSize} ${uniqueSize}`,
    );
    expect(sizes.sort()).toEqual([
      "base:latest 75 75 0",
      "one:latest 77 75 2",
      "two:latest 78 75 3",
    ]);
  });

  it("have a layer twice that is the same tar twice", async () => {
    const usage = await usageOf(await rootOf(fakeImage("twin", "ab", "ab")));
    expect(usage.totals.images.size).toBe(4);
    expect(usage.images).toMatchObject([
      { size: 4, sharedSize: 0, uniqueSize: 4 },
    ]);
  });

  it("come the newest first", async () => {
    const old = withConfig(one, { created: "2020-01-01T00:00:00Z" });
    const recent = withConfig(two, { created: "2026-01-01T00:00:00.5+01:00" });
    const { images } = await usageOf(await rootOf(base, old, recent));
    expect(images.map(({ tags }) => tags[0])).toEqual([
      "two:latest",
      "one:latest",
      "base:latest",
    ]);
  });

  it("that others were built from do not count without a name", async () => {
    const root = await rootOf(one);
    const { imageId } = base.image;
    await plant(root, {
      [`${driver}/imagedb/content/sha256/${imageId.slice(7)}`]:
        base.image.config,
    });
    expect((await usageOf(root)).totals.images.count).toBe(2);
    const metadata = `${driver}/imagedb/metadata/sha256`;
    await plant(root, {
      [`${metadata}/${one.image.imageId.slice(7)}/parent`]: imageId,
    });
    const { totals, images } = await usageOf(root);
    expect(totals.images).toMatchObject({ count: 1, size: 77 });
    // As dockerd has it, that one has a share nevertheless.
    expect(images[0]).toMatchObject({ sharedSize: 75, uniqueSize: 2 });
  });

  it("are in use while a container was made from them", async () => {
    const root = await rootOf(base, one, two);
    await containerOf(root, two, ID, { Running: false });
    const { totals, images, leftovers } = await usageOf(root);
    expect(totals.images).toEqual({
      count: 3,
      active: 1,
      size: 80,
      reclaimable: 77,
    });
    const counts = images.map(
      ({ tags, containers }) => `${tags[0]} ${containers}`,
    );
    expect(counts.sort()).toEqual([
      "base:latest 0",
      "one:latest 0",
      "two:latest 1",
    ]);
    expect(leftovers).toEqual([]);
  });

  it("are told of when they are damaged, and the others are counted", async () => {
    const root = await rootOf(base, one, two);
    const { chainId } = two.layers[1]!;
    await rm(join(root, layerdb, "sha256", chainId.slice(7), "diff"));
    const { totals, damage, leftovers } = await usageOf(root);
    expect(totals.images).toMatchObject({ count: 2, size: 77 });
    expect(damage).toMatchObject([
      { code: "LAYER_MISSING", names: expect.arrayContaining(["two:latest"]) },
    ]);
    expect(leftovers).toEqual([]);
  });
});

describe("containers", () => {
  it("take what they wrote, each inode once", async () => {
    const root = await rootOf(one);
    const files = { "etc/a": "12345", "etc/b": "123", empty: "" };
    await containerOf(root, one, ID, { Running: true }, files);
    const diff = join(root, "overlay2", "e".repeat(64), "diff");
    await link(join(diff, "etc/a"), join(diff, "etc/again"));
    await symlink("0123456789", join(diff, "link"));
    const { totals, containers } = await usageOf(root);
    expect(totals.containers).toEqual({
      count: 1,
      active: 1,
      size: 18,
      reclaimable: 0,
    });
    expect(containers).toMatchObject([
      { id: ID, name: "box", image: "one", state: "running", size: 18 },
    ]);
  });

  it("are called by the ID of an image whose name has gone on", async () => {
    const root = await rootOf(one);
    await containerOf(root, one, ID, { Running: false });
    const next = withConfig(one, { created: "2026-01-01T00:00:00Z" });
    await writing(root, (writer) => storeImage(writer, next));
    const { containers } = await usageOf(root);
    expect(containers[0]?.image).toBe(one.image.imageId);
  });

  it("that a dockerd would not load are none", async () => {
    const root = await rootOf(one);
    await containerOf(root, one, ID, {});
    const config = join(root, `containers/${ID}/config.v2.json`);
    for (const content of ["{", "[]", '{"ID":"other","Driver":"overlay2"}']) {
      await writeFile(config, content);
      expect((await usageOf(root)).containers).toEqual([]);
    }
    await writeFile(config, JSON.stringify({ ID, Driver: "vfs" }));
    expect((await usageOf(root)).containers).toEqual([]);
  });
});

describe("volumes", () => {
  it("are measured, but for those that may be mounts", async () => {
    const root = await rootOf(one);
    await plant(root, {
      "volumes/data/_data/file": "12345",
      "volumes/other/opts.json": '{"MountType":"nfs"}',
      "volumes/other/_data/file": "12345",
    });
    await mkdir(join(root, "volumes/broken"));
    const { totals, volumes } = await usageOf(root);
    expect(volumes).toEqual([
      {
        name: "broken",
        path: join(root, "volumes/broken/_data"),
        containers: 0,
        labels: {},
        size: undefined,
      },
      {
        name: "data",
        path: join(root, "volumes/data/_data"),
        containers: 0,
        labels: {},
        size: 5,
      },
    ]);
    expect(totals.volumes).toEqual({
      count: 2,
      active: 0,
      size: 5,
      reclaimable: 5,
    });
  });
});

describe("what docker does not see", () => {
  it("partial blobs, those in use apart", async () => {
    const root = await rootOf(one);
    const digests = ["a", "c"].map((digit) => `sha256:${digit.repeat(64)}`);
    for (const digest of digests) {
      await plant(root, { [`tpull/partial/${digest.slice(7)}/0`]: "12345" });
    }
    await utimes(join(root, `tpull/partial/${"a".repeat(64)}/0`), 1000, 1000);
    await utimes(join(root, `tpull/partial/${"a".repeat(64)}`), 1000, 1000);
    const idle = await usageOf(root);
    expect(idle.totals.partialBlobs).toEqual({
      count: 2,
      active: 0,
      size: 10,
      reclaimable: 10,
    });
    expect(idle.partialBlobs[0]).toEqual({
      digest: digests[0],
      size: 5,
      modified: 1_000_000,
      inUse: false,
    });
    await writing(root, async (writer) => {
      const blob = writer.partialBlob(digests[1] as never, 300_000);
      expect(blob).toBeDefined();
      const { totals } = await usageOf(root);
      expect(totals.partialBlobs).toMatchObject({ active: 1, reclaimable: 5 });
    });
  });

  it("layers in work, complete ones, and those that wait for their image", async () => {
    const root = await newRoot();
    await writing(root, (writer) =>
      leaveLayers(writer, fakeImage("left", "four", "seven77")),
    );
    await writing(root, async (writer) => {
      writer.keepUnusedLayers();
      const { chainId } = one.layers[0]!;
      const claimed = await writer.claimLayer(chainId);
      if (!("claim" in claimed)) throw new Error("it is there");
      await writeFile(join(claimed.claim.diffDirectory, "half"), "123");
      const complete = await stage(writer, one.layers[1]!);
      await complete!.claim.release();
      const { unfinishedLayers, totals, leftovers } = await usageOf(root);
      const told = unfinishedLayers.map(
        ({ state, size, inUse }) => `${state} ${size > 2} ${inUse}`,
      );
      expect(told.sort()).toEqual([
        "complete true false",
        "unpacking true true",
        "waiting true false",
        "waiting true false",
      ]);
      const waiting = unfinishedLayers.filter(
        ({ state }) => state === "waiting",
      );
      expect(waiting.map(({ size }) => size).sort()).toEqual([4, 7]);
      expect(totals.unfinishedLayers).toMatchObject({ count: 4, active: 1 });
      expect(leftovers).toEqual([]);
    });
  });

  it("layers whose removal was interrupted", async () => {
    const root = await rootOf(base, one);
    const { imageId } = one.image;
    await rm(join(root, driver, "imagedb/content/sha256", imageId.slice(7)));
    const note = join(root, "tpull/unused", one.layers[1]!.chainId.slice(7));
    await writeFile(note, "");
    await utimes(note, 0, 0);
    const usage = await usageOf(root);
    expect(usage.unfinishedLayers).toEqual([
      {
        chainId: one.layers[1]!.chainId,
        state: "going",
        size: 2,
        since: 0,
        inUse: false,
      },
    ]);
    expect(leftoversOf(usage)).toEqual([]);
  });

  it("manifests, with and without their image", async () => {
    const root = await rootOf(one);
    await plant(root, {
      [`tpull/manifests/${one.image.imageId.slice(7)}`]: "{}",
      [`tpull/manifests/${ID}`]: "gone",
    });
    const { totals } = await usageOf(root);
    expect(totals.manifests).toEqual({
      count: 2,
      active: 1,
      size: 6,
      reclaimable: 4,
    });
  });
});

describe("leftovers", () => {
  it("are none in a root where all is well, and looking changes nothing", async () => {
    const root = await rootOf(base, one, two);
    const before = await listing(root);
    expect(leftoversOf(await usageOf(root))).toEqual([]);
    expect(await listing(root)).toEqual(before);
    const absent = await newRoot();
    expect((await usageOf(absent)).totals.leftovers.count).toBe(0);
    expect(await listing(absent)).toEqual([]);
  });

  it("are layers that nobody needs", async () => {
    const root = await rootOf(base, two);
    const { imageId } = two.image;
    await rm(join(root, driver, "imagedb/content/sha256", imageId.slice(7)));
    expect(leftoversOf(await usageOf(root))).toEqual([
      `layer 3 ${layerdb}/sha256/ID`,
    ]);
  });

  it("are layers whose entry is torn, measured with their files", async () => {
    const root = await rootOf(base);
    await plant(root, {
      [`${layerdb}/sha256/${ID}/cache-id`]: "d".repeat(64),
      [`overlay2/${"d".repeat(64)}/diff/file`]: "12345",
    });
    expect(leftoversOf(await usageOf(root))).toEqual([
      `layer ${64 + 5} ${layerdb}/sha256/ID`,
    ]);
  });

  it("are removals that dockerd did not finish", async () => {
    const root = await rootOf(base);
    await plant(root, {
      [`${layerdb}/sha256/${ID}-123-removing/cache-id`]: "d".repeat(64),
      [`overlay2/${"d".repeat(64)}/diff/file`]: "12345",
    });
    expect(leftoversOf(await usageOf(root))).toEqual([
      `removing ${64 + 5} ${layerdb}/sha256/ID-123-removing`,
    ]);
  });

  it("are directories in overlay2 that nothing mentions, of layers, builds and trials", async () => {
    const root = await rootOf(base);
    const built = "pz3k1v0q8w2m7x5y4t6u9r1ab";
    const kept = "pz3k1v0q8w2m7x5y4t6u9r1cd";
    await plant(root, {
      [`overlay2/${ID}/diff/file`]: "1",
      [`overlay2/${ID}/link`]: "22",
      [`overlay2/${ID}-init/diff/file`]: "333",
      [`overlay2/${built}/diff/file`]: "4444",
      [`overlay2/${kept}/diff/file`]: "4444",
      "overlay2/check-overlayfs-support12/lower1/x": "55555",
      "overlay2/backup/file": "somebody's own",
      "buildkit/snapshots.db": `…${kept}…`,
    });
    expect(leftoversOf(await usageOf(root)).sort()).toEqual([
      "overlay-directory 3 overlay2/ID",
      "overlay-directory 3 overlay2/ID-init",
      "overlay-directory 4 overlay2/pz3k1v0q8w2m7x5y4t6u9r1ab",
      "overlay-directory 5 overlay2/check-overlayfs-support12",
    ]);
  });

  it("are links to nothing, write-sets, temporary files and downloads", async () => {
    const root = await rootOf(base);
    await symlink("../gone/diff", join(root, "overlay2/l/ABC"));
    await plant(root, {
      [`${layerdb}/tmp/write-set-1/diff`]: "1",
      [`${driver}/.tmp-repositories.json12`]: "22",
      [`${driver}/imagedb/content/sha256/.tmp-x`]: "333",
      [`${driver}/distribution/v2metadata-by-diffid/sha256/.tmp-y`]: "4444",
      "tmp/GetImageBlob123": "55555",
      "tmp-old/GetImageBlob4": "666666",
    });
    expect(leftoversOf(await usageOf(root))).toEqual([
      "link 0 overlay2/l/ABC",
      `write-set 1 ${layerdb}/tmp/write-set-1`,
      `temporary-file 2 ${driver}/.tmp-repositories.json12`,
      `temporary-file 3 ${driver}/imagedb/content/sha256/.tmp-x`,
      `temporary-file 4 ${driver}/distribution/v2metadata-by-diffid/sha256/.tmp-y`,
      "docker-temporary 5 tmp/GetImageBlob123",
      "docker-temporary 6 tmp-old/GetImageBlob4",
    ]);
  });

  it("are not the files of a layer on its way in or out", async () => {
    const root = await rootOf(base, one);
    const { chainId } = one.layers[1]!;
    const hex = chainId.slice(7);
    // As a commit leaves it between moving the files and the entry.
    await mkdir(join(root, "tpull/staging", hex), { recursive: true });
    await rename(
      join(root, layerdb, "sha256", hex),
      join(root, "tpull/staging", hex, "write-set"),
    );
    const { imageId } = one.image;
    await rm(join(root, driver, "imagedb/content/sha256", imageId.slice(7)));
    const usage = await usageOf(root);
    expect(leftoversOf(usage)).toEqual([]);
    expect(usage.unfinishedLayers).toMatchObject([
      { chainId, state: "unpacking", inUse: false },
    ]);
    expect(usage.unfinishedLayers[0]!.size).toBeGreaterThan(2);
  });
});

it("ends when its signal does", async () => {
  const root = await rootOf(one);
  await containerOf(root, one, ID, {});
  const diff = join(root, "overlay2", "e".repeat(64), "diff");
  await Promise.all(
    Array.from({ length: 2100 }, (_, at) => writeFile(join(diff, `${at}`), "")),
  );
  const store = await openStore(root);
  await expect(
    diskUsage(store, { signal: AbortSignal.abort() }),
  ).rejects.toMatchObject({ code: "ABORTED" });
});

it("counts every kind in the totals", async () => {
  const usage = await usageOf(await rootOf(base, one));
  for (const kind of Object.keys(usage.totals) as UsageKind[]) {
    expect(usage.totals[kind].count).toBe(usage[kind].length);
  }
});
