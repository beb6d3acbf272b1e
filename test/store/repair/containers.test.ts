// Containers on layers that are repaired: what they rely on stays as it is.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  isDamage,
  openStore,
  repairStore,
  type RepairOptions,
  verifyStore,
} from "#store/index.js";
import { imageOf, layerOf } from "../../helpers/image-builder.js";
import { describeWithPeers } from "../../helpers/peers.js";
import { runOk } from "../../helpers/run.js";
import { archive, file } from "../../helpers/tar-writer.js";
import { newRoot } from "../support/roots.js";
import { putImage } from "../verify/support/images.js";
import { Scene } from "../verify/support/scene.js";
import { supplierOf } from "./support/supplier.js";

const IMAGE = imageOf(
  ["one", "two", "three"].map((name) => layerOf(archive([file(name, name)]))),
);
const MOUNT = "c".repeat(64);
const INIT = `${MOUNT}-init`;
const LINKS = { [MOUNT]: "M".repeat(26), [INIT]: "N".repeat(26) };

/** A root with an image and a container of it, as dockerd lays it out. */
async function withContainer(): Promise<Scene> {
  const root = await newRoot();
  await putImage(root, IMAGE, { repository: "image", tag: "1" });
  const scene = new Scene(root, IMAGE);
  const links = [2, 1, 0].map(
    (at) => `l/${scene.read(scene.cache(at, "link"))}`,
  );
  const lowers = {
    [INIT]: links.join(":"),
    [MOUNT]: [`l/${LINKS[INIT]}`, ...links].join(":"),
  };
  for (const name of [INIT, MOUNT]) {
    const folder = join(scene.overlay, name);
    mkdirSync(folder);
    chmodSync(folder, 0o710);
    mkdirSync(join(folder, "diff"));
    mkdirSync(join(folder, "work"), { mode: 0o700 });
    writeFileSync(join(folder, "link"), LINKS[name]!);
    writeFileSync(join(folder, "lower"), lowers[name]!);
    symlinkSync(`../${name}/diff`, join(scene.overlay, "l", LINKS[name]!));
  }
  writeFileSync(join(scene.overlay, INIT, "committed"), "", { mode: 0o600 });
  writeFileSync(scene.cache(2, "committed"), "", { mode: 0o600 });
  writeFileSync(join(scene.overlay, MOUNT, "diff/own"), "the container's");
  const mount = join(scene.driver, "layerdb/mounts/container");
  mkdirSync(mount, { recursive: true });
  writeFileSync(join(mount, "mount-id"), MOUNT);
  writeFileSync(join(mount, "init-id"), INIT);
  writeFileSync(join(mount, "parent"), `sha256:${scene.chain[2]}`);
  return scene;
}

async function mend(root: string, options: RepairOptions = {}) {
  const store = await openStore(root);
  const check = async () =>
    (await verifyStore(store, { threads: 1 })).findings.filter(isDamage);
  const result = await repairStore(
    store,
    { findings: await check() },
    {
      supplier: supplierOf([IMAGE]).supplier,
      confirm: async () => true,
      concurrency: 1,
      ...options,
    },
  );
  return { ...result, left: await check() };
}

/** Names and content of what belongs to the container. */
function containers({ overlay }: Scene): string[] {
  return [MOUNT, INIT].flatMap((name) =>
    ["link", "lower", "diff/own"].map((path) => {
      const whole = join(overlay, name, path);
      return existsSync(whole) ? readFileSync(whole, "utf8") : "";
    }),
  );
}

describe.skipIf(process.platform !== "linux")("a container", () => {
  it("is sound as these tests lay it out", async () => {
    const { root } = await withContainer();
    const { findings } = await verifyStore(await openStore(root));
    expect(findings).toEqual([]);
  });

  it("finds its layers by the links it knows, whatever of them was lost", async () => {
    const scene = await withContainer();
    const before = containers(scene);
    const target = (at: number): string => `../${scene.cacheId(at)}/diff`;
    const links = [0, 1, 2].map((at) => scene.link(at));
    // The container's own `lower` alone still knows the links.
    for (const at of [0, 1, 2]) {
      const folder = scene.cache(at);
      rmSync(links[at]!);
      for (const name of ["link", "lower"]) {
        rmSync(join(folder, name), { force: true });
      }
    }
    rmSync(scene.cache(1), { recursive: true });
    const { left } = await mend(scene.root);
    expect(left).toEqual([]);
    expect(containers(scene)).toEqual(before);
    for (const at of [0, 1, 2]) {
      expect(readlinkSync(links[at]!)).toBe(target(at));
    }
  });

  it("keeps the place of a layer whose entry was lost", async () => {
    const scene = await withContainer();
    const before = containers(scene);
    const [cacheId, link] = [scene.cacheId(2), scene.link(2)];
    rmSync(scene.entry(2), { recursive: true });
    expect((await mend(scene.root)).left).toEqual([]);
    expect(scene.cacheId(2)).toBe(cacheId);
    expect(readlinkSync(link)).toBe(`../${cacheId}/diff`);
    expect(containers(scene)).toEqual(before);
  });

  it("keeps it even when no short link leads there any more", async () => {
    const scene = await withContainer();
    const cacheId = scene.cacheId(1);
    rmSync(scene.entry(1), { recursive: true });
    rmSync(join(scene.overlay, "l"), { recursive: true });
    expect((await mend(scene.root)).left).toEqual([]);
    expect(scene.cacheId(1)).toBe(cacheId);
  });

  it.each([MOUNT, INIT])(
    "keeps its directory %s when a layer's entry names it",
    async (name) => {
      const scene = await withContainer();
      const before = containers(scene);
      const cacheId = scene.cacheId(2);
      writeFileSync(scene.entry(2, "cache-id"), name);
      expect((await mend(scene.root)).left).toEqual([]);
      expect(scene.cacheId(2)).toBe(cacheId);
      expect(containers(scene)).toEqual(before);
    },
  );

  it("gets back what it is mounted with, and keeps its files", async () => {
    const scene = await withContainer();
    const before = containers(scene);
    for (const name of [MOUNT, INIT]) {
      const folder = join(scene.overlay, name);
      truncateSync(join(folder, "lower"));
      rmSync(join(folder, "work"), { recursive: true });
      rmSync(join(scene.overlay, "l", LINKS[name]!));
    }
    rmSync(join(scene.overlay, INIT, "committed"));
    rmSync(scene.cache(2, "committed"));
    expect((await mend(scene.root)).left).toEqual([]);
    expect(containers(scene)).toEqual(before);
  });

  it("is not removed when its entry is lost and dockerd still knows it", async () => {
    const scene = await withContainer();
    rmSync(join(scene.driver, "layerdb/mounts"), { recursive: true });
    mkdirSync(join(scene.root, "containers/container"), { recursive: true });
    const { unrepaired } = await mend(scene.root);
    expect(readdirSync(scene.overlay)).toEqual(
      expect.arrayContaining([MOUNT, INIT]),
    );
    const reasons = unrepaired.map(({ reason }) => reason);
    expect(reasons).toContain("it may hold the files of a container");
  });

  it("that nobody knows any more goes, if that is agreed to", async () => {
    const scene = await withContainer();
    rmSync(join(scene.driver, "layerdb/mounts"), { recursive: true });
    await mend(scene.root, { confirm: async () => false });
    expect(existsSync(join(scene.overlay, MOUNT))).toBe(true);
    expect((await mend(scene.root)).left).toEqual([]);
    expect(existsSync(join(scene.overlay, MOUNT))).toBe(false);
    expect(existsSync(join(scene.overlay, "l", LINKS[MOUNT]!))).toBe(false);
  });
});

describeWithPeers("a layer that is mounted", [], { root: true }, () => {
  /** Has all layers mounted, as a running container has them, while it works. */
  async function mounted(
    { root, overlay, read }: Scene,
    work: (place: string) => Promise<void>,
  ): Promise<void> {
    const place = join(root, "..", "mounted");
    mkdirSync(place);
    const lower = read(join(overlay, INIT, "lower"));
    const options = `lowerdir=${lower.replaceAll("l/", `${overlay}/l/`)}`;
    await runOk("mount", ["-t", "overlay", "overlay", "-o", options, place]);
    try {
      await work(place);
    } finally {
      await runOk("umount", [place]);
    }
  }

  it("keeps its files while it is", async () => {
    const scene = await withContainer();
    await mounted(scene, async (place) => {
      const path = scene.file(1, "two");
      writeFileSync(path, "wrong");
      const { ino } = statSync(path);
      const { unrepaired } = await mend(scene.root);
      expect(unrepaired[0]?.failure).toBe("LAYER_IN_USE");
      expect(statSync(path).ino).toBe(ino);
      expect(readFileSync(join(place, "one"), "utf8")).toBe("one");
    });
    // A process that begins elsewhere may hold a copy of the mount for a moment.
    const left = async () => (await mend(scene.root)).left;
    await expect.poll(left, { timeout: 20_000 }).toEqual([]);
  });

  it("gets back its archive record all the same", async () => {
    const scene = await withContainer();
    await mounted(scene, async () => {
      const path = scene.file(1, "two");
      const { ino } = statSync(path);
      truncateSync(scene.entry(1, "tar-split.json.gz"), 10);
      const { steps, left } = await mend(scene.root);
      expect(left).toEqual([]);
      expect(steps.map((step) => step.path)).toEqual([
        expect.stringMatching(/tar-split\.json\.gz$/),
      ]);
      expect(statSync(path).ino).toBe(ino);
    });
  });
});
