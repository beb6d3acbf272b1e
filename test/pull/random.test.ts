// Random images that share layers, random faults, random ends: whatever
// happens, the store holds the images that were pulled, and nothing else.
//
// TPULL_PULL_ROUNDS: how many (default 8); TPULL_PULL_SEED: which.
import { access } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import type { Fault, FaultRegistry } from "../helpers/fault-registry.js";
import {
  chainIdsOf,
  imageOf,
  type Image,
  type LayerBlob,
} from "../helpers/image-builder.js";
import { seededRandom } from "../helpers/images/bulk-layers.js";
import { checkStore } from "../helpers/store/check.js";
import { storedLayers, storedReferences } from "../helpers/store/data-root.js";
import { litter, newRoot, SWEEPING, writing } from "../store/support/roots.js";
import { expectEvents } from "./support/event-schema.js";
import { bigLayer, smallLayer } from "./support/layers.js";
import {
  IMPATIENT,
  publish,
  pulling,
  serve,
  type Pulled,
} from "./support/pulls.js";
import { expectSound } from "./support/stored.js";

const ROUNDS = Number(process.env["TPULL_PULL_ROUNDS"] ?? 8);
const SEED = Number(process.env["TPULL_PULL_SEED"] ?? Date.now() % 2 ** 31);

const POOL: readonly LayerBlob[] = [
  ...[1, 2, 3].map((seed) => bigLayer(60_000 + 40_000 * seed, seed)),
  ...["a", "b", "c"].map((name) => smallLayer(name)),
];

class Dice {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }

  /** That many results, at least one. */
  some<Item>(most: number, make: (index: number) => Item): Item[] {
    return Array.from({ length: 1 + this.below(most) }, (_, at) => make(at));
  }

  fault(): Fault {
    const blob = this.pick(POOL);
    const on = { path: new RegExp(blob.digest) };
    const after = this.below(blob.size);
    return this.pick<Fault>([
      { do: "truncate", after, on },
      { do: "shorten", after, on },
      { do: "stall", after, on },
      { do: "reset", after, on },
      { do: "reset", on },
      { do: "status", status: 503, on },
      { do: "corrupt", at: 0, on: { ...on, range: this.below(2) === 0 } },
    ]);
  }
}

/** What may come of these faults. */
const EXPECTED =
  /^(BLOB_UNKNOWN|DIGEST_MISMATCH|SIZE_MISMATCH|REGISTRY_ERROR|NETWORK_[A-Z]+)$/;

function spoil(registry: FaultRegistry, dice: Dice): void {
  if (dice.below(3) === 0) registry.blobs.delete(dice.pick(POOL).digest);
  registry.faults.push(...dice.some(3, () => dice.fault()));
  registry.ranges = dice.pick(["on", "on", "off", "capped", "wrong-start"]);
}

/** Pulls; some of the pulls are stopped at one of their events. */
async function attempt(
  names: readonly string[],
  root: string,
  dice: Dice,
): Promise<Pulled | undefined> {
  const controller = new AbortController();
  const last = dice.below(2) === 0 ? dice.below(60) : Number.POSITIVE_INFINITY;
  let seen = 0;
  const work = pulling(names, {
    root,
    concurrency: dice.pick([1, 2, 4]),
    signal: controller.signal,
    registry: {
      ...IMPATIENT,
      stallMs: 60,
      retry: { retries: 3, baseMs: 1, maxMs: 2 },
    },
    onEvent: () => {
      seen += 1;
      if (seen > last) controller.abort();
    },
  });
  return work.catch((error: { code?: string }) => {
    if (error.code !== "ABORTED") throw error;
    return undefined;
  });
}

/** The layers in the root are those of the images that have a name there. */
async function expectNoMore(
  root: string,
  images: readonly Image[],
): Promise<void> {
  const named = new Set((await storedReferences(root)).values());
  const expected = images
    .filter(({ config }) => named.has(config.digest))
    .flatMap((image) => chainIdsOf(image))
    .map((chain) => chain.slice("sha256:".length));
  expect([...(await storedLayers(root)).keys()].sort()).toEqual(
    [...new Set(expected)].sort(),
  );
}

describe(`pulls by chance, TPULL_PULL_SEED=${SEED}`, () => {
  it.each(Array.from({ length: ROUNDS }, (_, round) => round))(
    "round %i",
    async (round) => {
      const dice = new Dice(SEED + round);
      const registries = [await serve(), await serve()];
      const images = dice.some(5, (index) =>
        imageOf(
          dice.some(4, () => dice.pick(POOL)),
          { settings: { Labels: { index: String(index) } } },
        ),
      );
      const names = images.map((image, index) =>
        publish(dice.pick(registries), `app-${index}:1`, image),
      );
      for (const registry of registries) spoil(registry, dice);
      const root = await newRoot();
      for (const _ of [1, 2]) {
        const before = await storedReferences(root);
        const pulled = await attempt(names, root, dice);
        if (pulled !== undefined) {
          expectEvents(pulled.events);
          for (const { error } of pulled.failures) {
            expect(error.code).toMatch(EXPECTED);
          }
          if (pulled.results.length === 0) {
            expect(await storedReferences(root)).toEqual(before);
          }
        }
        const exists = await access(root).then(
          () => true,
          () => false,
        );
        if (!exists) continue;
        expect(await checkStore(root)).toEqual([]);
        // Now and then what failed pulls left is over time before the next one.
        if (dice.below(2) === 0) continue;
        await writing(root, async () => undefined, SWEEPING);
        expect(await litter(root)).toEqual([]);
        if ((await storedReferences(root)).size > 0) await expectSound(root);
        await expectNoMore(root, images);
      }
    },
  );
});
