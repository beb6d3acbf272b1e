// SIGKILL at random moments of a pull over a slow link, and the pull again,
// until it is done: what was fetched once is not fetched again.
//
// TPULL_RESUME_ROUNDS: how often it is killed (default 8 times a small image;
// from 50 on an image of 400 MB); TPULL_RESUME_SEED: when.
import { createCipheriv } from "node:crypto";
import { expect, it, onTestFinished } from "vitest";
import { imageOf, layerOf, type LayerBlob } from "../helpers/image-builder.js";
import { seededRandom } from "../helpers/images/bulk-layers.js";
import { ShapingProxy } from "../helpers/shaping-proxy.js";
import { checkStore } from "../helpers/store/check.js";
import { archive, file } from "../helpers/tar-writer.js";
import { tpullOk } from "../helpers/tpull-cli.js";
import { newRoot } from "../store/support/roots.js";
import { killedAt } from "./support/killing.js";
import { publish, serve } from "./support/pulls.js";
import { expectSound } from "./support/stored.js";

const KILLS = Number(process.env["TPULL_RESUME_ROUNDS"] ?? 8);
const SEED = Number(process.env["TPULL_RESUME_SEED"] ?? Date.now() % 2 ** 31);
const BIG = KILLS >= 50;
/** Millions of bytes; of the small image, a thirtieth. */
const SIZES = [160, 90, 60, 40, 25, 15, 8, 2];
const SCALE = BIG ? 1e6 : 1e6 / 30;
const RATE = BIG ? 20e6 : 3e6;

/** A layer of bytes that do not compress. */
function noiseLayer(seed: number, bytes: number): LayerBlob {
  const key = Buffer.alloc(16, seed);
  const cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  const noise = cipher.update(Buffer.alloc(bytes));
  const half = bytes >> 1;
  const tar = archive([
    file(`first-${seed}`, noise.subarray(0, half)),
    file(`second-${seed}`, noise.subarray(half)),
  ]);
  const compression = bytes < 1e6 ? "gzip" : "none";
  return layerOf(tar, { compression, family: "oci" });
}

it(
  `a pull that is killed ${KILLS} times fetches little twice, TPULL_RESUME_SEED=${SEED}`,
  { timeout: BIG ? 600_000 : 60_000 },
  async () => {
    const registry = await serve();
    const image = imageOf(
      SIZES.map((size, seed) => noiseLayer(seed, Math.round(size * SCALE))),
    );
    publish(registry, "app:1", image);
    const proxy = await ShapingProxy.start(registry.host, RATE);
    onTestFinished(() => proxy.stop());
    const total = [image.config, image.manifest, ...image.layers].reduce(
      (sum, { size }) => sum + size,
      0,
    );
    const root = await newRoot();
    const args = ["pull", "--root", root, `${proxy.host}/app:1`];
    const random = seededRandom(SEED);
    const moments = Array.from({ length: KILLS }, () => random() * total);
    const killed = await killedAt(proxy, args, moments);
    expect(await checkStore(root, { leftoversAllowed: true })).toEqual([]);
    await tpullOk(args);
    const ratio = proxy.passed / total;
    console.log(
      `${killed} kills: fetched ${proxy.passed} bytes of an image of ${total}: ${ratio.toFixed(3)}`,
    );
    expect(killed).toBeGreaterThan(KILLS / 2);
    expect(ratio).toBeLessThanOrEqual(1.1);
    await expectSound(root);
  },
);
