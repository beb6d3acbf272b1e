// kill -9 in the middle of pulls: whatever the moment, a dockerd opens the
// root with nothing dropped, and the next pull ends as if nothing had been.
//
// TPULL_CRASH_ROUNDS: how many moments (default 12); TPULL_CRASH_SEED: which.
import { once } from "node:events";
import { access, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { startDockerd } from "../helpers/dockerd.js";
import { chainIdsOf, type Image } from "../helpers/image-builder.js";
import { packBulk, seededRandom } from "../helpers/images/bulk-layers.js";
import { cachedImage } from "../helpers/images/image-cache.js";
import { describeWithPeers } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import { Cleanups, removeTree } from "../helpers/run.js";
import { checkStore } from "../helpers/store/check.js";
import { diffLayers, diffMetadata } from "../helpers/store/diff.js";
import { spawnTpull, tpullOk } from "../helpers/tpull-cli.js";
import { copyRoot, SUITE_PEERS } from "./suite.js";

const ROUNDS = Number(process.env["TPULL_CRASH_ROUNDS"] ?? 12);
const SEED = Number(process.env["TPULL_CRASH_SEED"] ?? Date.now() % 2 ** 31);
/** Every how many rounds a dockerd looks at the root, too. */
const DOCKERD_EVERY = 4;
const ROUND_MS = 120_000;

const LAYERS = [1, 2, 3, 4, 5, 6].map((seed) => ({
  seed,
  files: 50 * seed,
  meanSize: 20_000,
}));

describeWithPeers("kill -9", SUITE_PEERS, { root: true }, () => {
  const cleanups = new Cleanups();
  const random = seededRandom(SEED);
  const sides = ["after a crash", "undisturbed"] as const;
  let image: Image;
  let reference = "";
  let folder = "";
  let undisturbed = "";
  let durationMs = 0;

  beforeAll(async () => {
    console.log(`TPULL_CRASH_SEED=${SEED}`);
    folder = await cleanups.tempDir();
    undisturbed = join(folder, "undisturbed");
    const registry = cleanups.use(await startDockerRegistry());
    image = await cachedImage(
      "crash",
      LAYERS,
      LAYERS.map((layer) => (pack) => packBulk(pack, layer)),
    );
    const pushed = await pushImage(registry.host, "crash", "tag", image);
    reference = pushed.reference;
    const start = performance.now();
    await tpullOk(["pull", "--root", undisturbed, reference]);
    durationMs = performance.now() - start;
  }, ROUND_MS);
  afterAll(() => cleanups.close());

  /** Starts a pull and kills it after a while, if it runs that long. */
  async function killedPull(root: string, afterMs: number): Promise<boolean> {
    const child = spawnTpull(["pull", "--root", root, reference]);
    const exited = once(child, "exit");
    await Promise.race([exited, delay(afterMs)]);
    child.kill("SIGKILL");
    await exited;
    return child.signalCode === "SIGKILL";
  }

  async function dockerdDrops(root: string, copy: string): Promise<string[]> {
    await copyRoot(root, copy);
    const dockerd = await startDockerd(copy);
    const dropped = await dockerd.dropped().finally(() => dockerd.stop());
    await removeTree(copy);
    return dropped;
  }

  const rounds = Array.from({ length: ROUNDS }, (_, round) => {
    // Now and then the pull that repairs is killed as well.
    const kills = random() < 0.25 ? 2 : 1;
    const moments = Array.from({ length: kills }, () => random());
    const shown = moments.map((moment) => `${Math.round(moment * 100)} %`);
    return { round, moments, shown: shown.join(", then ") };
  });

  it.each(rounds)(
    "round $round: after $shown of the pull",
    async ({ round, moments }) => {
      const root = join(folder, `round-${round}`);
      await mkdir(root, { mode: 0o710 });
      for (const moment of moments) {
        await killedPull(root, moment * durationMs);
        const begun = await access(join(root, "image")).then(
          () => true,
          () => false,
        );
        const withDockerd = begun && round % DOCKERD_EVERY === 0;
        expect([
          ...(await checkStore(root, { leftoversAllowed: true })),
          ...(withDockerd ? await dockerdDrops(root, `${root}-copy`) : []),
        ]).toEqual([]);
      }
      await tpullOk(["pull", "--root", root, reference]);
      expect([
        ...(await checkStore(root)),
        ...(await diffLayers(root, undisturbed, chainIdsOf(image), sides)),
        ...(await diffMetadata(root, undisturbed, sides)),
      ]).toEqual([]);
      await removeTree(root);
    },
    ROUND_MS,
  );
});
