import {
  chmodSync,
  mkdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  FINDING_CODES,
  FINDING_KINDS,
  openStore,
  privilege,
  type Verification,
  type VerifyOptions,
  verifyStore,
  type VerifyProgress,
} from "#store/index.js";
import { Cleanups, runOk } from "../../helpers/run.js";
import { imageOf, layerOf } from "../../helpers/image-builder.js";
import { archive, file } from "../../helpers/tar-writer.js";
import { fakeImage } from "../support/images.js";
import { ChildSession } from "../support/sessions.js";
import { putImage } from "./support/images.js";
import { RICH, SIBLING } from "./support/rich-image.js";
import { Scene } from "./support/scene.js";

const LINUX = process.platform === "linux";

describe.skipIf(!LINUX)("verifyStore", () => {
  const cleanups = new Cleanups();
  let folder = "";
  let copies = 0;
  beforeAll(async () => {
    folder = await cleanups.tempDir();
    const root = join(folder, "sound");
    await putImage(root, RICH, { repository: "rich", tag: "1" });
    await putImage(root, SIBLING, { repository: "sibling", tag: "1" });
  });
  afterAll(() => cleanups.close());

  async function copy(): Promise<Scene> {
    copies += 1;
    const root = join(folder, String(copies));
    await runOk("cp", ["-a", "--reflink=auto", join(folder, "sound"), root]);
    return new Scene(root, RICH);
  }

  async function verify(
    root: string,
    options: VerifyOptions = {},
  ): Promise<Verification> {
    return await verifyStore(await openStore(root), { threads: 1, ...options });
  }

  async function codes(
    root: string,
    options?: VerifyOptions,
  ): Promise<string[]> {
    const { findings } = await verify(root, options);
    return [...new Set(findings.map(({ code }) => code))];
  }

  it("counts what it looked at, and tells how far it is", async () => {
    const { root } = await copy();
    const seen: VerifyProgress[] = [];
    const found = await verify(root, {
      threads: 2,
      onProgress: (progress) => seen.push(progress),
    });
    expect(found.files).toBeGreaterThan(60);
    expect(found.bytes).toBeGreaterThan(700_000);
    expect(found.durationMs).toBeGreaterThan(0);
    const last = seen.at(-1)!;
    expect(last.layers).toBe(5);
    expect(last.totalLayers).toBe(5);
    expect(last.bytes).toBe(found.bytes);
    expect(last.totalBytes).toBeGreaterThan(700_000);
  });

  it("reads no content when it is to be quick", async () => {
    const scene = await copy();
    writeFileSync(scene.file(0, "etc/config"), "changed");
    unlinkSync(scene.cache(1, "link"));
    const found = await verify(scene.root, { quick: true });
    expect(found.findings.map(({ code }) => code)).toEqual([
      "OVERLAY_LINK_DAMAGED",
    ]);
    expect(found.bytes).toBe(0);
    expect(await codes(scene.root)).toContain("TREE_DAMAGED");
  });

  it("sees the mode of a layer's directory when it is quick, too", async () => {
    const scene = await copy();
    chmodSync(scene.cache(0, "diff"), 0o700);
    expect(await codes(scene.root, { quick: true })).toEqual(["OVERLAY_MODE"]);
  });

  it("reads the content of chosen layers only", async () => {
    const scene = await copy();
    for (const layer of [0, 1]) {
      writeFileSync(scene.file(layer, "extra"), "");
    }
    const contentOf = new Set([`sha256:${scene.chain[1]!}` as never]);
    const { findings } = await verify(scene.root, { contentOf });
    expect(findings.map(({ chainId }) => chainId)).toEqual([...contentOf]);
  });

  describe("of some images", () => {
    it("finds what concerns them, and nothing else", async () => {
      const scene = await copy();
      // The base is shared; the layer above is rich's own.
      writeFileSync(scene.file(0, "extra"), "");
      writeFileSync(scene.file(1, "extra"), "");
      mkdirSync(join(scene.overlay, "d".repeat(64), "diff"), {
        recursive: true,
      });
      const { findings, images, layers } = await verify(scene.root, {
        images: ["sibling:1"],
      });
      expect({ images, layers }).toEqual({ images: 1, layers: 2 });
      expect(findings).toHaveLength(1);
      expect(findings[0]).toMatchObject({
        code: "TREE_DIFFERS",
        chainId: `sha256:${scene.chain[0]}`,
        cacheId: scene.cacheId(0),
        images: ["rich:1", "sibling:1"],
      });
    });

    it("takes IDs, and refuses what is not there", async () => {
      const { root } = await copy();
      const short = RICH.config.digest.slice(7, 19);
      expect((await verify(root, { images: [short] })).layers).toBe(4);
      await expect(verify(root, { images: ["other"] })).rejects.toMatchObject({
        code: "IMAGE_NOT_FOUND",
      });
    });
  });

  it("finds nothing where nothing is, and makes nothing", async () => {
    const root = join(folder, "absent");
    expect(await verify(root)).toMatchObject({ findings: [], images: 0 });
    mkdirSync(root);
    expect(await verify(root)).toMatchObject({ findings: [], layers: 0 });
    rmdirSync(root);
  });

  it("stops when it is told to", async () => {
    const { root } = await copy();
    await expect(
      verify(root, { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: "ABORTED" });
    const controller = new AbortController();
    await expect(
      verify(root, {
        signal: controller.signal,
        onProgress: () => controller.abort(),
      }),
    ).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("does not call layers orphans that may be of an image whose config is lost", async () => {
    const scene = await copy();
    unlinkSync(scene.config);
    const { findings, notChecked } = await verify(scene.root);
    expect(findings.map(({ code }) => code)).toEqual(["CONFIG_MISSING"]);
    expect(notChecked.map(({ code }) => code)).toEqual(
      privilege() === "native" ? ["ORPHANS"] : ["ORPHANS", "OWNERS"],
    );
  });

  it("still knows a damaged config's layers, as far as they are there", async () => {
    const scene = await copy();
    scene.append(scene.config, " ");
    writeFileSync(scene.file(3, "extra"), "");
    const { findings } = await verify(scene.root);
    expect(findings.map(({ code, images }) => [code, images])).toEqual([
      ["CONFIG_DAMAGED", ["rich:1"]],
      ["TREE_DIFFERS", ["rich:1"]],
    ]);
  });

  it("says where a layer's files are when its cache-id is lost", async () => {
    const scene = await copy();
    const cacheId = scene.cacheId(1);
    unlinkSync(scene.entry(1, "cache-id"));
    const { findings } = await verify(scene.root);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ code: "LAYER_FILE_DAMAGED", cacheId });
    expect(findings[0]?.message).toContain(cacheId);
  });

  it("leaves the layers of dockerd's builder alone", async () => {
    const scene = await copy();
    const id = "k2x9qf0e7w3b5n8m1c4v6z7aa";
    // Built where it lies: its directory has the builder's own kind of name.
    renameSync(scene.cache(3), join(scene.overlay, id));
    unlinkSync(
      join(scene.overlay, "l", scene.read(join(scene.overlay, id, "link"))),
    );
    scene.write(scene.entry(3, "cache-id"), id);
    const link = scene.read(join(scene.overlay, id, "link"));
    symlinkSync(`../${id}/diff`, join(scene.overlay, "l", link));
    // And one that only its own database knows.
    const other = "z9x9qf0e7w3b5n8m1c4v6z7bb";
    mkdirSync(join(scene.overlay, other, "diff"), { recursive: true });
    expect(await codes(scene.root)).toEqual(["OVERLAY_ORPHAN"]);
    scene.write(join(scene.root, "buildkit/snapshots.db"), `…${other}…`);
    expect(await codes(scene.root)).toEqual([]);
  });

  it("does not follow a link that replaced a directory out of the layer", async () => {
    const scene = await copy();
    const outside = join(folder, "outside");
    mkdirSync(outside, { recursive: true });
    writeFileSync(join(outside, "inside"), "x");
    rmSync(scene.file(0, "etc/folder"), { recursive: true });
    symlinkSync(outside, scene.file(0, "etc/folder"));
    const { findings } = await verify(scene.root);
    const about = findings.map(({ path }) => path.split("/diff/")[1]);
    expect(about).toContain("etc/folder/inside");
    expect(about).toContain("etc/folder");
  });

  it("shows names that are no text, and counts what is too much to tell", async () => {
    const scene = await copy();
    const odd = Buffer.concat([
      Buffer.from(`${scene.cache(0, "diff")}/`),
      Buffer.from([0x61, 0xff]),
    ]);
    writeFileSync(odd, "");
    for (let at = 0; at < 300; at += 1) {
      writeFileSync(scene.file(0, `extra-${at}`), "");
    }
    const { findings } = await verify(scene.root);
    expect(findings.length).toBe(201);
    expect(
      findings.some(({ message }) =>
        message.startsWith("101 more differences"),
      ),
    ).toBe(true);
    for (let at = 0; at < 300; at += 1)
      unlinkSync(scene.file(0, `extra-${at}`));
    const [finding] = (await verify(scene.root)).findings;
    expect(finding?.path.endsWith("/diff/a\\xff")).toBe(true);
  });

  describe("while another tpull is at work", () => {
    const other = fakeImage("other", "one", "two");

    it.each(["begun", "staged", "committed"] as const)(
      "takes nothing for damage that is in the making: %s",
      async (hold) => {
        const scene = await copy();
        const session = new ChildSession(scene.root, other, { hold });
        await session.saying("held");
        try {
          const { findings, notChecked } = await verify(scene.root, {
            quick: true,
          });
          expect(findings).toEqual([]);
          expect(notChecked.map(({ code }) => code)).toContain("IN_THE_MAKING");
        } finally {
          session.release();
          await session.end();
        }
      },
    );

    it("finds damage all the same", async () => {
      const scene = await copy();
      unlinkSync(scene.cache(1, "link"));
      const session = new ChildSession(scene.root, other, { hold: "staged" });
      await session.saying("held");
      try {
        expect(await codes(scene.root)).toEqual(["OVERLAY_LINK_DAMAGED"]);
      } finally {
        session.release();
        await session.end();
      }
    });

    it("lets layers wait that a killed one has left whole", async () => {
      const scene = await copy();
      for (const hold of ["staged", "committed"] as const) {
        const session = new ChildSession(scene.root, other, { hold });
        await session.saying("held");
        await session.kill();
        const { findings } = await verify(scene.root, { quick: true });
        expect(findings).toEqual([]);
      }
    });

    it("calls what a killed one has begun a leftover, and nothing damaged", async () => {
      // Half-written files, and the second of two maps that are written in turn.
      const passing = ["DISTRIBUTION_MISSING", "TEMPORARY_LEFTOVER"];
      const found = new Set<string>();
      let ended = false;
      for (let killAt = 3; !ended; killAt += 4) {
        const scene = await copy();
        const session = new ChildSession(scene.root, other, { killAt });
        ended = (await session.end()).some(({ event }) => event === "done");
        for (const code of await codes(scene.root, { quick: true })) {
          found.add(code);
        }
      }
      for (const code of passing) found.delete(code);
      expect([...found]).toEqual(["STAGING_LEFTOVER"]);
    }, 120_000);
  });

  it("says nothing of a layer that others remove before it has read it", async () => {
    const root = join(folder, "changing");
    const image = imageOf([
      layerOf(archive([file("large", Buffer.alloc(1_000_000, "a"))])),
      layerOf(archive([file("small", "x")])),
    ]);
    await putImage(root, image, { repository: "changing", tag: "1" });
    const scene = new Scene(root, image);
    writeFileSync(scene.file(1, "extra"), "");
    const untouched = await verify(root);
    expect(untouched.findings.map(({ code }) => code)).toEqual([
      "TREE_DIFFERS",
    ]);
    // One thread reads the larger layer first, and says when it has.
    let isGone = false;
    const { findings } = await verify(root, {
      threads: 1,
      onProgress: ({ layers }) => {
        if (layers === 0 || isGone) return;
        isGone = true;
        rmSync(scene.entry(1), { recursive: true });
      },
    });
    expect({ isGone, findings }).toEqual({ isGone: true, findings: [] });
  });
});

describe("the kinds of findings", () => {
  it("are in one order, each with a meaning of its own and a remedy", () => {
    expect(FINDING_CODES).toEqual(Object.keys(FINDING_KINDS));
    for (const { meaning, remedy } of Object.values(FINDING_KINDS)) {
      expect(meaning).toMatch(/^[^.]+$/);
      expect(["refetch", "derive", "remove", "none"]).toContain(remedy);
    }
  });
});
