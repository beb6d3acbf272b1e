// SIGKILL at random moments of a pull that keeps blobs, and the pull again, until
// it is done: nothing half is ever under a digest, and nothing is left over.
//
// TPULL_KEEP_SEED: when it is killed.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { diskUsage, listKeptBlobs, openStore } from "#store/index.js";
import { imageOf, sha256 } from "../helpers/image-builder.js";
import { seededRandom } from "../helpers/images/bulk-layers.js";
import { ShapingProxy } from "../helpers/shaping-proxy.js";
import { checkStore } from "../helpers/store/check.js";
import { tpullOk } from "../helpers/tpull-cli.js";
import { newRoot } from "../store/support/roots.js";
import { killedAt } from "./support/killing.js";
import { bigLayer } from "./support/layers.js";
import { publish, serve } from "./support/pulls.js";
import { expectSound } from "./support/stored.js";

const KILLS = 8;
const SEED = Number(process.env["TPULL_KEEP_SEED"] ?? Date.now() % 2 ** 31);
const RATE = 3e6;

async function expectWhole(root: string): Promise<void> {
  for (const { digest } of listKeptBlobs(root)) {
    const path = join(root, "tpull/blobs/sha256", digest.slice(7));
    expect(sha256(await readFile(path))).toBe(digest);
  }
}

it(
  `a pull that keeps blobs is killed ${KILLS} times, TPULL_KEEP_SEED=${SEED}`,
  { timeout: 90_000 },
  async () => {
    const registry = await serve();
    const sizes = [2_000_000, 1_000_000, 700_000, 300_000, 100_000, 1000];
    const image = imageOf(sizes.map((size, seed) => bigLayer(size, seed + 1)));
    publish(registry, "app:1", image);
    const proxy = await ShapingProxy.start(registry.host, RATE);
    onTestFinished(() => proxy.stop());
    const total = image.layers.reduce((sum, { size }) => sum + size, 0);
    const root = await newRoot();
    const args = ["--keep-blobs", "--root", root, `${proxy.host}/app:1`];
    const random = seededRandom(SEED);
    const moments = Array.from({ length: KILLS }, () => random() * total);
    const killed = await killedAt(proxy, args, moments, () =>
      expectWhole(root),
    );
    expect(killed).toBeGreaterThan(KILLS / 2);
    expect(await checkStore(root, { leftoversAllowed: true })).toEqual([]);
    await tpullOk(args);
    expect(
      listKeptBlobs(root)
        .map(({ digest }) => digest)
        .sort(),
    ).toEqual(image.layers.map(({ digest }) => digest).sort());
    await expectWhole(root);
    expect(await readdir(join(root, "tpull/blobs"))).toEqual(["sha256"]);
    expect((await diskUsage(await openStore(root))).leftovers).toEqual([]);
    await expectSound(root);
  },
);
