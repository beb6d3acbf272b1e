// What a killed session leaves: at every step, another one finishes.
import { chmod, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore } from "#store/index.js";
import { fakeImage, stageAll, storeImage } from "./support/images.js";
import { litter, newRoot, writing } from "./support/roots.js";
import { type JobOptions, runSession } from "./support/sessions.js";

const image = fakeImage("app", "one", "two");
const { imageId } = image.image;
const top = image.layers[1]!.chainId;

describe("a session that is killed", () => {
  it(
    "before any of its steps leaves a root that the next one completes",
    { timeout: 120_000 },
    async () => {
      expect(await dieAtEveryStep({})).toBeGreaterThan(60);
    },
  );

  it("while it takes layers back leaves such a root as well", async () => {
    expect(await dieAtEveryStep({ fail: "committed" })).toBeGreaterThan(8);
  });

  /** Resolves to the number of steps until a session came to its end. */
  async function dieAtEveryStep(options: JobOptions): Promise<number> {
    let step = 0;
    let completed = false;
    const lane = async (): Promise<void> => {
      while (!completed) {
        step += 1;
        if (await dieAt(step, options)) completed = true;
      }
    };
    // Each step is a process of its own: several at a time.
    await Promise.all([lane(), lane(), lane()]);
    return step;
  }

  /** True when there is no such step: the session came to its end. */
  async function dieAt(step: number, options: JobOptions): Promise<boolean> {
    const root = await newRoot();
    const said = await runSession(root, image, { ...options, killAt: step });
    const store = await openStore(root);

    // What can be seen is whole.
    if ((await store.references()).size > 0) {
      expect(await store.imageConfig(imageId)).toBeDefined();
      expect(await store.layerChain(top)).toHaveLength(2);
    }
    const warnings: string[] = [];
    const onWarning = ({ code }: { code: string }): void => {
      warnings.push(code);
    };
    await writing(
      root,
      async (writer) => {
        for (const { chainId } of image.layers) {
          if ((await store.layer(chainId)) === undefined) continue;
          expect(await writer.claimLayer(chainId)).toHaveProperty("present");
        }
      },
      { onWarning },
    );
    // A session without a result sweeps what was left, too.
    expect(await litter(root)).toEqual([]);

    await writing(root, (writer) => storeImage(writer, image), { onWarning });
    expect(await store.reference("app:latest")).toBe(imageId);
    expect(await store.layerChain(top)).toHaveLength(2);
    expect(await litter(root)).toEqual([]);
    expect(warnings).toEqual([]);
    return said.some(({ event }) => event === "done");
  }
});

describe("leftovers", () => {
  it("of hostile archives are removed as well", async () => {
    const root = await newRoot();
    const session = await (await openStore(root)).beginWrite();
    const [staged] = await stageAll(session, image.layers.slice(0, 1));
    const { diffDirectory } = staged!.claim;
    const outside = join(root, "..", "outside");
    await mkdir(outside);
    await writeFile(join(outside, "precious"), "");
    await symlink(outside, join(diffDirectory, "link"));
    await mkdir(join(diffDirectory, "closed/inner"), { recursive: true });
    await chmod(join(diffDirectory, "closed/inner"), 0);
    await chmod(join(diffDirectory, "closed"), 0);
    await session[Symbol.asyncDispose]();
    expect(await readdir(outside)).toEqual(["precious"]);
    expect(await litter(root)).toEqual([]);
  });

  it("that are not tpull's stay", async () => {
    const root = await newRoot();
    await writing(root, (writer) => storeImage(writer, image));
    const theirs = [
      "overlay2/orphan",
      "image/overlay2/layerdb/tmp/write-set-123",
      "tpull/staging/README",
    ];
    for (const path of theirs) await writeFile(join(root, path), "");
    await writing(root, async () => undefined);
    const left = await litter(root);
    expect(left.sort()).toEqual(
      [
        "tpull/staging/README",
        "image/overlay2/layerdb/tmp/write-set-123",
        "overlay2/orphan without layer",
      ].sort(),
    );
  });
});
