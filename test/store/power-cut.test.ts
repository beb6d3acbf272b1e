// Power cuts at every moment of recorded sessions, with what was not flushed lost.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openStore } from "#store/index.js";
import { fakeImage, storeImage } from "./support/images.js";
import { type Cut, powerCuts } from "./support/power-cut.js";
import {
  layersIn,
  litter,
  newRoot,
  SWEEPING,
  temporaryFolder,
  writing,
} from "./support/roots.js";
import { type JobOptions, runSession } from "./support/sessions.js";

const image = fakeImage("app", "one", "two");
const other = fakeImage("other", "one", "three");
const { imageId } = image.image;

it.each<[string, JobOptions]>([
  ["a pull", {}],
  ["a pull that takes its layers back", { fail: "committed" }],
  ["a pull that leaves complete layers", { fail: "staged", keep: true }],
])("a power cut in %s", { timeout: 120_000 }, async (_, options) => {
  const root = await newRoot();
  const said = await runSession(root, image, { ...options, record: true });
  expect(said.at(-1)).toEqual({ event: "done" });
  const cuts = powerCuts(
    root,
    said.flatMap(({ operation }) => operation ?? []),
  );
  expect(cuts.length).toBeGreaterThan(options.fail === "staged" ? 20 : 80);
  for (const cut of cuts) {
    await expectSound(cut).catch((error: unknown) => {
      throw new Error(cut.title, { cause: error });
    });
  }
});

/** Complete layers say in which run of the kernel they were written: it is another one now. */
async function reboot(root: string): Promise<void> {
  const staging = join(root, "tpull/staging");
  for (const name of await readdir(staging).catch(() => [])) {
    const path = join(staging, name, "complete");
    const note = await readFile(path, "utf8").catch(() => "");
    if (note === "") continue;
    const { era, ...rest } = JSON.parse(note) as { era: string };
    const [, ...mount] = era.split(" ");
    const later = ["another-boot", ...mount].join(" ");
    await writeFile(path, JSON.stringify({ era: later, ...rest }));
  }
}

/** What can be seen is whole; whichever image is pulled next, that works and nothing is left over. */
async function expectSound(cut: Cut): Promise<void> {
  const warnings: string[] = [];
  const onWarning = ({ code }: { code: string }) => warnings.push(code);
  const same = cut.restore(await temporaryFolder());
  await reboot(same);
  const store = await openStore(same);
  for (const { chainId, content } of image.layers) {
    const record = await store.layer(chainId);
    if (record === undefined) continue;
    const file = join(store.layerPath(record.cacheId), "diff/file");
    expect(await readFile(file, "utf8")).toBe(content);
  }
  const named = (await store.reference("app:latest")) !== undefined;
  const stored = (await store.imageConfig(imageId)) !== undefined;
  const chain = await store.layerChain(image.layers[1]!.chainId);
  if (named) expect(stored).toBe(true);
  if (stored) expect(chain).toHaveLength(2);

  await writing(same, (writer) => storeImage(writer, image), { onWarning });
  expect(await litter(same)).toEqual([]);
  expect(await store.reference("app:latest")).toBe(imageId);

  const different = cut.restore(await temporaryFolder());
  await reboot(different);
  await writing(different, (writer) => storeImage(writer, other), {
    ...SWEEPING,
    onWarning,
  });
  expect(await litter(different)).toEqual([]);
  const wanted = [...other.layers, ...(stored ? image.layers : [])];
  const expected = new Set(wanted.map(({ chainId }) => chainId.slice(7)));
  expect(await layersIn(different)).toEqual([...expected].sort());
  expect(warnings).toEqual([]);
}
