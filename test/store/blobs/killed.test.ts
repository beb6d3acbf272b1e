// A session that keeps blobs, killed or without power at every moment: what is there under a digest is whole.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { digestOf, listKeptBlobs } from "#store/index.js";
import { fakeImage } from "../support/images.js";
import { powerCuts } from "../support/power-cut.js";
import { litter, newRoot, temporaryFolder, writing } from "../support/roots.js";
import { type JobOptions, runSession } from "../support/sessions.js";

const image = fakeImage("app", "one");
const blobs = ["x".repeat(5000), "y".repeat(100), "z".repeat(3000)];
const options: JobOptions = { blobs, keptBlobs: { maxBytes: 6000 } };

/** Whatever happened: whole blobs only, within the limit, and nothing on its way after the next session. */
async function expectWhole(root: string): Promise<number> {
  const kept = listKeptBlobs(root);
  for (const { digest } of kept) {
    const path = join(root, "tpull/blobs/sha256", digest.slice(7));
    expect(digestOf(await readFile(path))).toBe(digest);
  }
  const total = kept.reduce((sum, { bytes }) => sum + bytes, 0);
  expect(total).toBeLessThanOrEqual(6000);
  await writing(root, async () => undefined);
  const left = await readdir(join(root, "tpull/blobs")).catch(() => []);
  expect(left.filter((name) => name !== "sha256")).toEqual([]);
  expect((await litter(root)).filter((one) => /blobs/.test(one))).toEqual([]);
  return kept.length;
}

it("killed before each of its steps", { timeout: 120_000 }, async () => {
  const counts = new Set<number>();
  let step = 0;
  let done = false;
  const lane = async (): Promise<void> => {
    while (!done) {
      step += 1;
      const root = await newRoot();
      const said = await runSession(root, image, { ...options, killAt: step });
      counts.add(await expectWhole(root));
      if (said.some(({ event }) => event === "done")) done = true;
    }
  };
  await Promise.all([lane(), lane()]);
  expect(step).toBeGreaterThan(50);
  expect([...counts].sort()).toEqual([0, 1, 2]);
});

it("in a power cut, with what was not flushed lost", async () => {
  const root = await newRoot();
  const said = await runSession(root, image, { ...options, record: true });
  expect(said.filter(({ event }) => event === "kept")).toEqual([
    { event: "kept" },
    { event: "kept" },
    { event: "kept", code: "BLOBS_LIMIT_REACHED" },
  ]);
  const operations = said.flatMap(({ operation }) => operation ?? []);
  const counts = new Set<number>();
  for (const cut of powerCuts(root, operations)) {
    const restored = cut.restore(await temporaryFolder());
    counts.add(
      await expectWhole(restored).catch((error: unknown) => {
        throw new Error(cut.title, { cause: error });
      }),
    );
  }
  expect([...counts].sort()).toEqual([0, 1, 2]);
});
