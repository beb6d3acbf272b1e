// What a repair deletes: nothing unasked, and nothing that somebody may need.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  type Finding,
  isDamage,
  openStore,
  type RemovalQuestion,
  repairStore,
  type RepairOptions,
  verifyStore,
} from "#store/index.js";
import { imageOf, layerOf } from "../../helpers/image-builder.js";
import { archive, file } from "../../helpers/tar-writer.js";
import { listing, newRoot, writing } from "../support/roots.js";
import { putImage } from "../verify/support/images.js";
import { Scene } from "../verify/support/scene.js";
import { supplierOf } from "./support/supplier.js";

const layer = (name: string) => layerOf(archive([file(name, name)]));
const IMAGE = imageOf([layer("one"), layer("two")]);
const OTHER = imageOf([layer("one"), layer("three")]);
const ORPHAN = "d".repeat(64);

async function sound(): Promise<Scene> {
  const root = await newRoot();
  await putImage(root, IMAGE, { repository: "image", tag: "1" });
  await putImage(root, OTHER, { repository: "other", tag: "1" });
  return new Scene(root, IMAGE);
}

async function check(root: string): Promise<Finding[]> {
  const { findings } = await verifyStore(await openStore(root), { threads: 1 });
  return findings.filter(isDamage);
}

/** Repairs, and remembers what was asked. */
async function mend(
  root: string,
  answer: boolean | undefined,
  options: RepairOptions = {},
) {
  const questions: RemovalQuestion[] = [];
  const confirm = async (question: RemovalQuestion): Promise<boolean> => {
    questions.push(question);
    return answer ?? false;
  };
  const findings = await check(root);
  const repaired = await repairStore(
    await openStore(root),
    { findings },
    {
      supplier: supplierOf([IMAGE, OTHER]).supplier,
      concurrency: 1,
      ...(answer === undefined ? {} : { confirm }),
      ...options,
    },
  );
  return { ...repaired, questions, left: await check(root) };
}

/** A directory that is nobody's, a link that leads nowhere, and half a write. */
function litter({ overlay, driver }: Scene): void {
  mkdirSync(join(overlay, ORPHAN, "diff"), { recursive: true });
  writeFileSync(join(overlay, ORPHAN, "diff/file"), "12345");
  mkdirSync(join(driver, "layerdb/tmp/write-set-7"));
}

describe.skipIf(process.platform !== "linux")("leftovers", () => {
  it("are asked about once, with their size, and go when that is agreed to", async () => {
    const scene = await sound();
    litter(scene);
    const { questions, left } = await mend(scene.root, true);
    expect(questions).toHaveLength(1);
    expect(questions[0]?.about).toBe("leftovers");
    expect(questions[0]?.items).toEqual(
      expect.arrayContaining([
        {
          path: `overlay2/${ORPHAN}`,
          what: "files of no layer",
          bytes: 5,
        },
      ]),
    );
    expect(left).toEqual([]);
  });

  it.each([
    [false, "it was not agreed that it goes"],
    [undefined, "nobody was asked whether it may go"],
  ])("stay when the answer is %s", async (answer, reason) => {
    const scene = await sound();
    litter(scene);
    const before = await listing(scene.root);
    const { unrepaired, steps } = await mend(scene.root, answer);
    expect(steps).toEqual([]);
    expect(await listing(scene.root)).toEqual(before);
    expect(new Set(unrepaired.map((one) => one.reason))).toEqual(
      new Set([reason]),
    );
  });

  it("stay where dockerd's builder knows them", async () => {
    const scene = await sound();
    litter(scene);
    const findings = await check(scene.root);
    mkdirSync(join(scene.root, "buildkit"));
    writeFileSync(join(scene.root, "buildkit/metadata_v2.db"), `x${ORPHAN}y`);
    const { unrepaired } = await repairStore(
      await openStore(scene.root),
      { findings },
      { confirm: async () => true },
    );
    expect(unrepaired.map(({ reason }) => reason)).toEqual([
      "dockerd's builder knows it",
    ]);
  });

  it("stay that came into use since they were found", async () => {
    const scene = await sound();
    litter(scene);
    const findings = await check(scene.root);
    const { steps } = await repairStore(
      await openStore(scene.root),
      { findings },
      {
        confirm: async () => {
          // Another process has made a layer of it while somebody thought.
          scene.write(scene.entry(1, "cache-id"), ORPHAN);
          return true;
        },
      },
    );
    expect(existsSync(join(scene.overlay, ORPHAN))).toBe(true);
    expect(steps.map(({ path }) => path)).toEqual([
      "image/overlay2/layerdb/tmp/write-set-7",
    ]);
  });
});

describe.skipIf(process.platform !== "linux")(
  "layers that no image needs",
  () => {
    it("go with their files, top down, and leave those that are shared", async () => {
      const scene = await sound();
      rmSync(scene.config);
      const names = JSON.parse(readFileSync(scene.repositories, "utf8")) as {
        Repositories: Record<string, unknown>;
      };
      delete names.Repositories["image"];
      writeFileSync(scene.repositories, JSON.stringify(names));
      const own = scene.cacheId(1);
      const { questions, left, steps } = await mend(scene.root, true);
      expect(questions.map(({ about }) => about)).toEqual(["layers"]);
      expect(left).toEqual([]);
      expect(steps).toMatchObject([{ action: "removed", bytes: 3 }]);
      expect(existsSync(join(scene.overlay, own))).toBe(false);
      expect(existsSync(scene.entry(0))).toBe(true);
      expect(readdirSync(join(scene.root, "tpull/unused"))).toEqual([]);
    });

    it("stay while a running tpull relies on them", async () => {
      const scene = await sound();
      rmSync(scene.config);
      rmSync(scene.repositories);
      writeFileSync(scene.repositories, '{"Repositories":{}}');
      const findings = await check(scene.root);
      const chainId = `sha256:${scene.chain[1]}` as never;
      await writing(scene.root, async (writer) => {
        expect(await writer.claimLayer(chainId)).toHaveProperty("present");
        const { unrepaired } = await repairStore(
          await openStore(scene.root),
          { findings },
          { confirm: async () => true },
        );
        expect(unrepaired.map(({ reason }) => reason)).toContain(
          "another layer or a running tpull relies on it",
        );
      });
      expect(existsSync(scene.entry(1))).toBe(true);
    });

    it("stay while a config is lost: they may be its own", async () => {
      const scene = await sound();
      const findings = await check(scene.root);
      expect(findings).toEqual([]);
      truncateSync(scene.config);
      // As a check would have found it that did not know of the other damage.
      const orphan: Finding = {
        code: "LAYER_ORPHAN",
        path: `image/overlay2/layerdb/sha256/${scene.chain[1]}`,
        message: "",
        chainId: `sha256:${scene.chain[1]}` as never,
        images: [],
      };
      const { unrepaired } = await repairStore(
        await openStore(scene.root),
        { findings: [orphan, ...(await check(scene.root))] },
        { confirm: async () => true },
      );
      expect(unrepaired.map(({ reason }) => reason)).toContainEqual(
        expect.stringContaining("it may belong to what could not be repaired"),
      );
      expect(existsSync(scene.entry(1))).toBe(true);
    });
  },
);

describe.skipIf(process.platform !== "linux")("names", () => {
  const kept = (root: string): string[] => {
    const folder = join(root, "tpull/kept");
    return existsSync(folder)
      ? readdirSync(folder).map((name) => join(folder, name))
      : [];
  };

  it("of a torn file are saved as far as they go, and the file is kept", async () => {
    const scene = await sound();
    const whole = scene.read(scene.repositories);
    const torn = whole.slice(0, -3);
    writeFileSync(scene.repositories, torn);
    const { questions, left } = await mend(scene.root, true);
    expect(questions.map(({ about }) => about)).toEqual(["repositories"]);
    expect(left).toEqual([]);
    expect(scene.read(scene.repositories)).toBe(whole);
    const files = kept(scene.root);
    expect(files.map((path) => readFileSync(path, "utf8"))).toEqual([torn]);
  });

  it.each([false, undefined])(
    "of a torn file stay as they are when the answer is %s",
    async (answer) => {
      const scene = await sound();
      const torn = scene.read(scene.repositories).slice(0, 200);
      writeFileSync(scene.repositories, torn);
      // Other damage is mended all the same.
      rmSync(scene.cache(1, "lower"));
      const { unrepaired, left } = await mend(scene.root, answer);
      expect(left.map(({ code }) => code)).toEqual(["REPOSITORIES_DAMAGED"]);
      expect(unrepaired[0]?.reason).toMatch(/^1 name could be saved/);
      expect(scene.read(scene.repositories)).toBe(torn);
      expect(kept(scene.root)).toEqual([]);
    },
  );

  it("that are all lost are said to be", async () => {
    const scene = await sound();
    rmSync(scene.repositories);
    const { questions, steps } = await mend(scene.root, true);
    expect(questions[0]?.items.map(({ what }) => what)).toEqual([
      "an image whose names are lost",
      "an image whose names are lost",
    ]);
    expect(steps.at(-1)?.note).toBe("with no name; those of 2 images are lost");
    expect(scene.read(scene.repositories)).toBe('{"Repositories":{}}');
  });

  it("of images that are nowhere go when that is agreed to, others never", async () => {
    const scene = await sound();
    const ghost = "f".repeat(64);
    scene.json(
      scene.repositories,
      ({ Repositories }: { Repositories: Record<string, object> }) => {
        Object.assign(Repositories["image"]!, {
          "image:ghost": `sha256:${ghost}`,
          [`image@sha256:${"e".repeat(64)}`]: `sha256:${ghost}`,
        });
      },
    );
    const no = await mend(scene.root, false);
    expect(no.questions.map(({ about }) => about)).toEqual(["names"]);
    expect(scene.read(scene.repositories)).toContain("image:ghost");
    const offline = await mend(scene.root, true, { supplier: undefined });
    expect(offline.questions).toEqual([]);
    expect(offline.unrepaired[0]?.failure).toBe("FETCH_NEEDED");
    const yes = await mend(scene.root, true);
    expect(yes.left).toEqual([]);
    expect(scene.read(scene.repositories)).not.toContain("image:ghost");
    expect(scene.read(scene.repositories)).toContain("image:1");
  });

  it("of images that came from no registry go when that is agreed to, without asking one", async () => {
    const scene = await sound();
    scene.json(
      scene.repositories,
      ({ Repositories }: { Repositories: Record<string, object> }) => {
        Repositories["built"] = { "built:1": `sha256:${"f".repeat(64)}` };
      },
    );
    const yes = await mend(scene.root, true, { supplier: undefined });
    expect(yes.questions.map(({ about }) => about)).toEqual(["names"]);
    expect(yes.left).toEqual([]);
    expect(scene.read(scene.repositories)).not.toContain("built:1");
  });

  it("that docker would file elsewhere are filed there", async () => {
    const scene = await sound();
    scene.json(
      scene.repositories,
      ({ Repositories }: { Repositories: Record<string, object> }) => {
        Repositories["docker.io/library/more"] = {
          "docker.io/library/more:1": IMAGE.config.digest,
        };
        Object.assign(Repositories["image"]!, {
          "away:1": IMAGE.config.digest,
        });
      },
    );
    expect((await mend(scene.root, undefined)).left).toEqual([]);
    const store = await openStore(scene.root);
    expect(await store.reference("more:1")).toBe(IMAGE.config.digest);
    expect(await store.reference("away:1")).toBe(IMAGE.config.digest);
  });
});

describe.skipIf(process.platform !== "linux")("a dry run", () => {
  it("changes nothing, asks nobody, and takes no lock", async () => {
    const scene = await sound();
    litter(scene);
    rmSync(scene.cache(1, "lower"));
    rmSync(scene.entry(0, "tar-split.json.gz"));
    truncateSync(scene.config);
    const before = await listing(scene.root);
    const asked = supplierOf([IMAGE, OTHER]);
    const { steps, questions } = await mend(scene.root, false, {
      dryRun: true,
      supplier: asked.supplier,
    });
    expect(await listing(scene.root)).toEqual(before);
    expect(questions).toEqual([]);
    expect(asked.asked).toEqual([]);
    const actions = new Set(steps.map(({ action }) => action));
    expect(actions).toEqual(new Set(["fetched", "rebuilt", "removed"]));
  });

  it("says what a repair then does", async () => {
    const scene = await sound();
    litter(scene);
    rmSync(scene.cache(1, "lower"));
    rmSync(scene.link(0));
    const told = await mend(scene.root, true, { dryRun: true });
    const done = await mend(scene.root, true);
    expect(told.steps).toEqual(done.steps);
    expect(done.left).toEqual([]);
  });
});

describe.skipIf(process.platform !== "linux")("two repairs of one root", () => {
  it("wait for each other", async () => {
    const scene = await sound();
    rmSync(scene.entry(1), { recursive: true });
    rmSync(scene.cache(0, "diff"), { recursive: true });
    const findings = await check(scene.root);
    const waits: string[] = [];
    const one = async () =>
      repairStore(
        await openStore(scene.root),
        { findings },
        {
          supplier: supplierOf([IMAGE, OTHER]).supplier,
          confirm: async () => true,
          onWait: (reason) => waits.push(reason),
        },
      );
    await Promise.all([one(), one()]);
    expect(waits).toContain("another tpull repairs the same root");
    expect(await check(scene.root)).toEqual([]);
  });
});

describe("what only a link makes part of the root", () => {
  it("stays, although somebody agrees to its removal", async () => {
    const { root } = await sound();
    const outside = await newRoot();
    mkdirSync(join(outside, "photos"), { recursive: true });
    writeFileSync(join(outside, "photos/one"), "precious");
    symlinkSync(outside, join(root, "tmp"));
    const before = await listing(outside);
    const findings: Finding[] = [
      {
        code: "DOWNLOAD_LEFTOVER",
        path: "tmp/photos",
        message: "no dockerd is at work on it",
        images: [],
      },
    ];
    const { steps, unrepaired } = await repairStore(
      await openStore(root),
      { findings },
      { confirm: async () => true },
    );
    expect(steps).toEqual([]);
    expect(unrepaired).toMatchObject([
      { reason: "a symbolic link is on the way to it" },
    ]);
    expect(await listing(outside)).toEqual(before);
  });

  it("is not taken for the files of a layer, and not written in", async () => {
    const scene = await sound();
    const outside = await newRoot();
    cpSync(scene.cache(0), outside, { recursive: true });
    rmSync(join(outside, "link"));
    rmSync(scene.cache(0), { recursive: true });
    symlinkSync(outside, scene.cache(0));
    const before = await listing(outside);
    await mend(scene.root, true, { supplier: supplierOf([IMAGE]).supplier });
    expect(await listing(outside)).toEqual(before);
    expect(await check(scene.root)).toEqual([]);
  });
});
