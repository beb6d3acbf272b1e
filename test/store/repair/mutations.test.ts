// Every kind of damage that a check knows, and what a repair makes of it.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Finding,
  isDamage,
  openStore,
  privilege,
  repairStore,
  verifyStore,
} from "#store/index.js";
import { Cleanups, runOk } from "../../helpers/run.js";
import { checkStore } from "../../helpers/store/check.js";
import { putImage } from "../verify/support/images.js";
import { MUTATIONS } from "../verify/support/mutations/all.js";
import { RICH, SIBLING } from "../verify/support/rich-image.js";
import { Scene } from "../verify/support/scene.js";
import { readableImages } from "./support/readable.js";
import { supplierOf } from "./support/supplier.js";

const LINUX = process.platform === "linux";
const ROOT = LINUX && privilege() === "native";

/** What nothing here can mend: who a container was, only dockerd knew. */
const STAYS: Readonly<Record<string, readonly string[]>> = {
  "a container that leads nowhere": ["CONTAINER_DAMAGED"],
  "a container of a layer that is gone": ["LAYER_MISSING", "CONTAINER_DAMAGED"],
};

describe.skipIf(!LINUX)("a repair of a root", () => {
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

  it.each(MUTATIONS)("after $name", async (mutation) => {
    const { damage, codes, name } = mutation;
    if (mutation.root && !ROOT) {
      console.warn(`skipped: "${name}" takes root's rights`);
      return;
    }
    const scene = await copy();
    damage(scene);
    const store = await openStore(scene.root);
    // One layer after the other: each thread takes longer to start than they take.
    const check = async (): Promise<readonly Finding[]> =>
      (await verifyStore(store, { threads: 1 })).findings;
    let findings = await check();
    const before = await readableImages(store, findings);
    const reasons = new Map<string, string>();
    // What was wrong with a config hides what is with its layers: two rounds.
    for (let round = 1; round <= 2 && findings.some(isDamage); round += 1) {
      const { unrepaired } = await repairStore(
        store,
        { findings },
        {
          supplier: supplierOf([RICH, SIBLING]).supplier,
          confirm: async () => true,
          concurrency: 1,
        },
      );
      for (const { finding, reason } of unrepaired) {
        reasons.set(`${finding.code} ${finding.path}`, reason);
      }
      findings = await check();
    }
    const left = findings.filter(isDamage);
    expect(
      left.map(({ code }) => code),
      JSON.stringify(left, null, 1),
    ).toEqual(STAYS[name] ?? []);
    for (const { code, path } of left) {
      expect(reasons.get(`${code} ${path}`), code).toMatch(/\w{3}/);
    }
    const after = await readableImages(store, findings);
    expect(after).toEqual(expect.arrayContaining(before));
    const isClean = left.length === 0 && !codes.includes("FOREIGN_FILE");
    if (isClean) expect(await checkStore(scene.root)).toEqual([]);
  });
});
