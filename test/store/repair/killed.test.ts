// kill -9 before any step of a repair: nothing is worse, and the next one ends it.
//
// TPULL_REPAIR_KILLS: at how many steps (default 14); TPULL_CRASH_SEED: which.
import { rmSync } from "node:fs";
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
import {
  IMAGES,
  makeDamagedRoot,
  readableFiles,
  SOUND,
} from "./support/damaged-root.js";
import { readableImages } from "./support/readable.js";
import { repairInChild } from "./support/repair-process.js";
import { supplierOf } from "./support/supplier.js";

const KILLS = Number(process.env["TPULL_REPAIR_KILLS"] ?? 14);
const SEED = Number(process.env["TPULL_CRASH_SEED"] ?? Date.now() % 2 ** 31);

describe.skipIf(process.platform !== "linux")("a repair that is killed", () => {
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

  /** Kills a repair at some of its steps. */
  async function killOften(exchange: boolean, kills: number): Promise<void> {
    const first = await openStore(damaged);
    const findings = await check(first);
    const before = await readableImages(first, findings);
    expect(before).toEqual([SOUND.config.digest]);
    const filesBefore = readableFiles(damaged);
    const root = join(folder, "copy");
    const restore = async (): Promise<void> => {
      rmSync(root, { recursive: true, force: true });
      await runOk("cp", ["-a", damaged, root]);
    };
    await restore();
    const whole = await repairInChild({ root, blobs, findings, exchange });
    expect(whole.signal, whole.said).toBeNull();
    expect(whole.calls).toBeGreaterThan(80);
    const stride = whole.calls / kills;
    const store = await openStore(root);
    for (let nth = 0; nth < kills; nth += 1) {
      const killAt = 1 + Math.floor((nth + random()) * stride);
      await restore();
      await repairInChild({ root, blobs, findings, killAt, exchange });
      const where = `killed before step ${killAt} of ${whole.calls}`;
      let left = await check(store);
      const after = await readableImages(store, left);
      expect(after, where).toEqual(expect.arrayContaining(before));
      const files = readableFiles(root);
      expect(files, where).toEqual(expect.arrayContaining(filesBefore));
      for (let round = 1; round <= 2 && left.some(isDamage); round += 1) {
        const { supplier } = supplierOf(IMAGES.map(([, image]) => image));
        await repairStore(
          store,
          { findings: left },
          { supplier, confirm: async () => true, concurrency: 1 },
        );
        left = await check(store);
      }
      expect(left.filter(isDamage), where).toEqual([]);
      expect(await checkStore(root), where).toEqual([]);
    }
  }

  it(
    "leaves nothing worse, and is ended by the next one",
    () => killOften(true, KILLS),
    600_000,
  );

  it(
    "does so where names cannot be exchanged, too",
    () => killOften(false, Math.ceil(KILLS / 2)),
    600_000,
  );
});
