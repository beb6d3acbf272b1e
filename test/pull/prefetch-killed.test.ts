// SIGKILL at random bytes of a prefetch, and the same prefetch again, until it is done.
//
// TPULL_PREFETCH_KILLS: how often (default 6); TPULL_PREFETCH_SEED: when.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { imageOf } from "../helpers/image-builder.js";
import { seededRandom } from "../helpers/images/bulk-layers.js";
import { ShapingProxy } from "../helpers/shaping-proxy.js";
import { checkStore } from "../helpers/store/check.js";
import { storedReferences } from "../helpers/store/data-root.js";
import { tpullOk } from "../helpers/tpull-cli.js";
import { newRoot, temporaryFolder } from "../store/support/roots.js";
import { killedAt } from "./support/killing.js";
import { bigLayer, smallLayer } from "./support/layers.js";
import { publish, serve } from "./support/pulls.js";
import { expectSound } from "./support/stored.js";

const KILLS = Number(process.env["TPULL_PREFETCH_KILLS"] ?? 6);
const SEED = Number(process.env["TPULL_PREFETCH_SEED"] ?? Date.now() % 2 ** 31);
const RATE = 2e6;
/** What a process may have taken from the link and not written yet when it dies. */
const LOST_BYTES = 200_000;

it(
  `a prefetch that is killed ${KILLS} times goes on, TPULL_PREFETCH_SEED=${SEED}`,
  { timeout: 120_000 },
  async () => {
    const registry = await serve();
    const shared = bigLayer(700_000, 100);
    // Parts of smaller blobs are not kept.
    const images = [900, 800, 700, 600, 500, 400].map((size, at) =>
      imageOf([shared, bigLayer(size * 1000, at + 1), smallLayer(`${at}`)]),
    );
    for (const [at, image] of images.entries()) {
      publish(registry, `app${at}:1`, image);
    }
    const proxy = await ShapingProxy.start(registry.host, RATE);
    onTestFinished(() => proxy.stop());
    const names = images.map((_, at) => `${proxy.host}/app${at}:1`);
    const list = join(await temporaryFolder(), "images.txt");
    await writeFile(list, names.join("\n"));
    const layers = new Map(
      images.flatMap(({ layers }) => layers.map((one) => [one.digest, one])),
    );
    const total = [...layers.values()].reduce((sum, { size }) => sum + size, 0);
    const root = await newRoot();
    const args = ["prefetch", "--json", "--root", root, "-f", list];
    const random = seededRandom(SEED);
    const moments = Array.from({ length: KILLS }, () => random() * total);
    const sound = async (): Promise<void> =>
      expect(await checkStore(root, { leftoversAllowed: true })).toEqual([]);
    const killed = await killedAt(proxy, args, moments, sound);
    const report = JSON.parse(await tpullOk(args)) as Record<string, unknown>;
    expect(report).toMatchObject({ failed: 0, notStarted: 0 });
    expect(killed).toBeGreaterThan(KILLS / 2);
    await expectSound(root);
    const stored = await storedReferences(root);
    expect(names.map((name) => stored.get(name))).toEqual(
      images.map(({ config }) => config.digest),
    );
    // Documents are asked for by each run anew, layers are not.
    expect(proxy.passed).toBeLessThan(1.05 * total + killed * LOST_BYTES);
  },
);
