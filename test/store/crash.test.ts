// What a killed session leaves: at every step, another one finishes.
import { execFile } from "node:child_process";
import { chmod, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { type LayerRecord, openStore } from "#store/index.js";
import {
  type FakeImage,
  fakeImage,
  leaveLayers,
  stageAll,
  storeImage,
} from "./support/images.js";
import {
  layersIn,
  litter,
  newRoot,
  SWEEPING,
  writing,
} from "./support/roots.js";
import { type JobOptions, runSession, type Said } from "./support/sessions.js";

const image = fakeImage("app", "one", "two");
const { imageId } = image.image;
const top = image.layers[1]!.chainId;

/** Shares the lower layer. */
const other = fakeImage("other", "one", "three");

describe("a session that is killed", { timeout: 120_000 }, () => {
  it("before any of its steps leaves a root that the next one completes", async () => {
    expect(await dieAtEveryStep({})).toBeGreaterThan(70);
  });

  it("while it takes layers back leaves such a root as well", async () => {
    const options = { fail: "committed", killFrom: "end" } as const;
    expect(await dieAtEveryStep(options)).toBeGreaterThan(15);
  });

  it("while it takes back what another one left does so, too", async () => {
    const steps = await everyStep(async (killAt) => {
      const root = await newRoot();
      await writing(root, (writer) => leaveLayers(writer, image));
      const leftovers = SWEEPING.leftovers;
      const options = { killFrom: "end", killAt, leftovers } as const;
      const said = await runSession(root, other, options);
      await expectNextPulls(root);
      return said;
    });
    expect(steps).toBeGreaterThan(5);
  });
});

async function dieAtEveryStep(options: JobOptions): Promise<number> {
  return await everyStep(async (killAt) => {
    const root = await newRoot();
    const said = await runSession(root, image, { ...options, killAt });
    await expectNextPulls(root);
    return said;
  });
}

/** Runs sessions that are killed at the first step, the second, … Resolves to the number of steps until one came to its end. */
async function everyStep(
  run: (step: number) => Promise<Said[]>,
): Promise<number> {
  let step = 0;
  let completed = false;
  const lane = async (): Promise<void> => {
    while (!completed) {
      step += 1;
      const said = await run(step);
      if (said.some(({ event }) => event === "done")) completed = true;
    }
  };
  // Each step is a process of its own: several at a time.
  await Promise.all([lane(), lane(), lane()]);
  return step;
}

/** What can be seen is whole; the same image makes use of it, another one removes it, and nothing is left over. */
async function expectNextPulls(root: string): Promise<void> {
  const copy = await newRoot();
  await promisify(execFile)("cp", ["-a", root, copy]).catch(() => undefined);
  const store = await openStore(root);
  const stored = (await store.imageConfig(imageId)) !== undefined;
  if ((await store.references()).has("app")) expect(stored).toBe(true);
  if (stored) expect(await store.layerChain(top)).toHaveLength(2);
  const warnings: string[] = [];
  const onWarning = ({ code }: { code: string }): void => {
    warnings.push(code);
  };

  const visible: LayerRecord[] = [];
  for (const { chainId } of image.layers) {
    const record = await store.layer(chainId);
    if (record !== undefined) visible.push(record);
  }
  await writing(root, (writer) => storeImage(writer, image), { onWarning });
  expect(await store.reference("app:latest")).toBe(imageId);
  const chain = await store.layerChain(top);
  expect(chain).toHaveLength(2);
  for (const [index, record] of visible.entries()) {
    expect(chain![index]).toEqual(record);
  }
  expect(await litter(root)).toEqual([]);

  await writing(copy, (writer) => storeImage(writer, other), {
    ...SWEEPING,
    onWarning,
  });
  expect(await layersIn(copy)).toEqual(
    namesOf(stored ? [image, other] : [other]),
  );
  expect(await litter(copy)).toEqual([]);
  expect(warnings).toEqual([]);
}

/** The names of their layers in `layerdb`. */
function namesOf(images: readonly FakeImage[]): string[] {
  const layers = images.flatMap(({ layers }) => layers);
  return [...new Set(layers.map(({ chainId }) => chainId.slice(7)))].sort();
}

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
