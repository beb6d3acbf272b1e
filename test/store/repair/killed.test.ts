// kill -9 before any step of a repair: nothing is worse, and the next one ends it.
//
// TPULL_REPAIR_KILLS: at how many steps (default 24); TPULL_CRASH_SEED: which.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Finding,
  isDamage,
  openStore,
  repairStore,
  type Store,
  verifyStore,
} from "#store/index.js";
import { imageOf, layerOf, type Image } from "../../helpers/image-builder.js";
import { seededRandom } from "../../helpers/images/bulk-layers.js";
import { Cleanups, runOk } from "../../helpers/run.js";
import { checkStore } from "../../helpers/store/check.js";
import { archive, file } from "../../helpers/tar-writer.js";
import { putImage } from "../verify/support/images.js";
import { Scene } from "../verify/support/scene.js";
import { readableImages } from "./support/readable.js";
import { supplierOf } from "./support/supplier.js";

const CHILD = join(import.meta.dirname, "support/child.mjs");
const KILLS = Number(process.env["TPULL_REPAIR_KILLS"] ?? 24);
const SEED = Number(process.env["TPULL_CRASH_SEED"] ?? Date.now() % 2 ** 31);

const layer = (name: string) =>
  layerOf(archive([file(name, `${name}\n`), file("last", name)]));
const IMAGE = imageOf(["one", "two", "three", "four"].map(layer));
const OTHER = imageOf(["one", "two", "five"].map(layer));
/** Nothing of it is damaged. */
const SOUND = imageOf([layer("six")]);
const IMAGES: readonly [string, Image][] = [
  ["image", IMAGE],
  ["other", OTHER],
  ["sound", SOUND],
];

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
    mkdirSync(blobs);
    for (const [repository, image] of IMAGES) {
      await putImage(damaged, image, { repository, tag: "1" });
      for (const { digest, data } of [image.config, ...image.layers]) {
        writeFileSync(join(blobs, digest.slice(7)), data);
      }
    }
    spoil(new Scene(damaged, IMAGE), new Scene(damaged, OTHER));
  });
  afterAll(() => cleanups.close());

  /** One of each kind, as a power cut and bad luck may leave them together. */
  function spoil(image: Scene, other: Scene): void {
    truncateSync(image.entry(0, "tar-split.json.gz"), 60);
    for (const name of ["link", "lower", "committed"]) {
      truncateSync(image.cache(1, name));
    }
    rmSync(image.cache(2, "diff"), { recursive: true });
    rmSync(image.link(3));
    rmSync(image.entry(3), { recursive: true });
    writeFileSync(other.file(2, "five"), "wrong\n");
    rmSync(join(image.cache(1), "work"), { recursive: true });
    truncateSync(other.config);
    rmSync(image.distribution("v2metadata-by-diffid", image.diffIds[1]!));
    mkdirSync(join(image.overlay, "d".repeat(64), "diff/x"), {
      recursive: true,
    });
    mkdirSync(join(image.driver, "layerdb/tmp/write-set-1"));
  }

  interface Ended {
    readonly signal: NodeJS.Signals | null;
    readonly calls: number;
    readonly said: string;
  }

  async function repairInChild(
    root: string,
    findings: readonly Finding[],
    options: { killAt?: number; exchange?: boolean },
  ): Promise<Ended> {
    const job = { root, blobs, findings, ...options };
    const child = spawn(process.execPath, [CHILD, JSON.stringify(job)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const closed = once(child, "close");
    const [out, err] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
    ]);
    await closed;
    const calls = /"calls":(\d+)/.exec(out)?.[1] ?? "0";
    return { signal: child.signalCode, calls: Number(calls), said: out + err };
  }

  async function check(store: Store): Promise<readonly Finding[]> {
    return (await verifyStore(store, { threads: 1 })).findings;
  }

  /** Kills a repair at some of its steps. */
  async function killOften(exchange: boolean, kills: number): Promise<void> {
    const first = await openStore(damaged);
    const findings = await check(first);
    const before = await readableImages(first, findings);
    expect(before).toEqual([SOUND.config.digest]);
    const root = join(folder, "copy");
    const restore = async (): Promise<void> => {
      rmSync(root, { recursive: true, force: true });
      await runOk("cp", ["-a", damaged, root]);
    };
    await restore();
    const whole = await repairInChild(root, findings, { exchange });
    expect(whole.signal, whole.said).toBeNull();
    expect(whole.calls).toBeGreaterThan(80);
    const stride = whole.calls / kills;
    const store = await openStore(root);
    for (let nth = 0; nth < kills; nth += 1) {
      const killAt = 1 + Math.floor((nth + random()) * stride);
      await restore();
      await repairInChild(root, findings, { killAt, exchange });
      const where = `killed before step ${killAt} of ${whole.calls}`;
      let left = await check(store);
      const after = await readableImages(store, left);
      expect(after, where).toEqual(expect.arrayContaining(before));
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
