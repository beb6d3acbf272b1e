// Power cuts in a repair, with what was not flushed lost: nothing is worse, and
// the next repair ends it.
//
// TPULL_REPAIR_CUTS: so many of the states that cuts may leave (default 18);
// TPULL_CRASH_SEED: which.
import { readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Finding,
  isDamage,
  openStore,
  repairStore,
  type Store,
  verifyStore,
} from "#store/index.js";
import { seededRandom } from "../../helpers/images/bulk-layers.js";
import { Cleanups, runOk } from "../../helpers/run.js";
import { checkStore } from "../../helpers/store/check.js";
import { powerCuts } from "../support/power-cut.js";
import type { Operation } from "../support/sessions.js";
import {
  IMAGES,
  makeDamagedRoot,
  readableFiles,
  SOUND,
} from "./support/damaged-root.js";
import { readableImages } from "./support/readable.js";
import { repairInChild } from "./support/repair-process.js";
import { supplierOf } from "./support/supplier.js";

const CUTS = Number(process.env["TPULL_REPAIR_CUTS"] ?? 18);
const SEED = Number(process.env["TPULL_CRASH_SEED"] ?? Date.now() % 2 ** 31);

describe.skipIf(process.platform !== "linux")("a power cut in a repair", () => {
  const cleanups = new Cleanups();
  const random = seededRandom(SEED);
  let folder = "";
  let damaged = "";
  let blobs = "";
  beforeAll(async () => {
    console.log(`TPULL_CRASH_SEED=${SEED}`);
    folder = await cleanups.tempDir();
    damaged = join(folder, "damaged");
    blobs = join(folder, "blobs");
    await makeDamagedRoot(damaged, blobs);
  });
  afterAll(() => cleanups.close());

  async function check(store: Store): Promise<readonly Finding[]> {
    return (await verifyStore(store, { threads: 1 })).findings;
  }

  it.each([
    ["", true],
    [" where names cannot be exchanged", false],
  ])(
    "leaves nothing worse%s, and is made good by the next one",
    { timeout: 600_000 },
    async (_, exchange) => {
      const findings = await check(await openStore(damaged));
      const before = readableFiles(damaged);
      expect(before).toHaveLength(11);
      const root = join(folder, "recorded/root");
      rmSync(root, { recursive: true, force: true });
      await runOk("mkdir", ["-p", join(folder, "recorded")]);
      await runOk("cp", ["-a", damaged, root]);
      const settled: Operation[] = [
        { op: "mkdir", path: root },
        ...operationsFor(root),
        { op: "flushAll" },
      ];
      const job = { root, blobs, findings, exchange, concurrency: 1 };
      const recorded = await repairInChild({ ...job, record: true });
      expect(recorded.calls, recorded.said).toBeGreaterThan(80);
      const operations = [...settled, ...recorded.operations];
      const cuts = powerCuts(root, operations, settled.length);
      expect(cuts.length).toBeGreaterThan(80);
      const stride = cuts.length / Math.min(CUTS, cuts.length);
      for (let at = random() * stride; at < cuts.length; at += stride) {
        const { title, restore } = cuts[Math.floor(at)]!;
        const place = await cleanups.tempDir();
        const store = await openStore(restore(place));
        let left = await check(store);
        const readable = readableFiles(store.root);
        expect(readable, title).toEqual(expect.arrayContaining(before));
        expect(await readableImages(store, left), title).toContain(
          SOUND.config.digest,
        );
        for (let round = 1; round <= 2 && left.some(isDamage); round += 1) {
          const { supplier } = supplierOf(IMAGES.map(([, image]) => image));
          await repairStore(
            store,
            { findings: left },
            { supplier, confirm: async () => true, concurrency: 1 },
          );
          left = await check(store);
        }
        expect(left.filter(isDamage), title).toEqual([]);
        expect(await checkStore(store.root), title).toEqual([]);
        rmSync(place, { recursive: true });
      }
    },
  );
});

/** What would make a tree as it is, as far as power cuts are concerned with it. */
function operationsFor(path: string): Operation[] {
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const child = join(path, entry.name);
    if (entry.isDirectory()) {
      return [{ op: "mkdir", path: child }, ...operationsFor(child)];
    }
    if (entry.isSymbolicLink()) {
      return [{ op: "symlink", path: child, target: readlinkSync(child) }];
    }
    const data = readFileSync(child).toString("base64");
    return [
      { op: "create", path: child },
      { op: "write", path: child, data },
    ];
  });
}
