// Wherever a bit of a root turns over, a check sees it.
import { lstatSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStore, verifyStore } from "#store/index.js";
import { Cleanups } from "../../helpers/run.js";
import { keepingTime } from "./support/files.js";
import { putImage } from "./support/images.js";
import { RICH, SIBLING } from "./support/rich-image.js";

/** A gzip header's time and system, which say nothing to anybody. */
const IDLE_HEADER_BYTES = 10;

describe.skipIf(process.platform !== "linux")("a bit that turned over", () => {
  const cleanups = new Cleanups();
  let root = "";
  let files: string[] = [];
  beforeAll(async () => {
    root = join(await cleanups.tempDir(), "root");
    await putImage(root, RICH, { repository: "rich", tag: "1" });
    await putImage(root, SIBLING, { repository: "sibling", tag: "1" });
    files = [join(root, "image"), join(root, "overlay2")].flatMap(filled);
  });
  afterAll(() => cleanups.close());

  it("is found in every kind of file", async () => {
    const kinds = files.map((path) => fc.constant(path));
    expect(kinds.length).toBeGreaterThan(50);
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(...kinds),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.integer({ min: 0, max: 7 }),
        async (path, where, bit) => {
          const before = readFileSync(path);
          const first = path.endsWith(".gz") ? IDLE_HEADER_BYTES : 0;
          const at = first + Math.floor(where * (before.length - first));
          const after = Buffer.from(before);
          after[at] = after[at]! ^ (1 << bit);
          keepingTime(path, () => writeFileSync(path, after, { flag: "r+" }));
          try {
            const store = await openStore(root);
            const { findings } = await verifyStore(store, { threads: 1 });
            expect(findings).not.toEqual([]);
          } finally {
            keepingTime(path, () => {
              writeFileSync(path, before, { flag: "r+" });
            });
          }
        },
      ),
      { numRuns: 50 },
    );
    const store = await openStore(root);
    expect((await verifyStore(store)).findings).toEqual([]);
  }, 120_000);
});

/** Names that are no text, and files that lose their capabilities when they are written. */
const LEFT_OUT = /\ufffd|capab/;

/** All regular files below a directory that hold anything. */
function filled(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    if (LEFT_OUT.test(name)) return [];
    const found = lstatSync(path);
    if (found.isDirectory()) return filled(path);
    return found.isFile() && found.size > 0 ? [path] : [];
  });
}
