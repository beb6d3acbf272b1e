// Pulls, tags, removals and prunes by chance, some of them killed at a moment
// of chance: names are as they should be, what can be seen is whole, and after
// a last run nothing is left that nobody needs. A dockerd sees the same.
//
// TPULL_REMOVAL_ROUNDS: how many sequences (default 3); TPULL_REMOVAL_SEED: which.
import { once } from "node:events";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { openStore } from "#store/index.js";
import { surveyed } from "#store/survey/survey.js";
import { startDockerd } from "../helpers/dockerd.js";
import { chainIdsOf, imageOf, type Image } from "../helpers/image-builder.js";
import { seededRandom } from "../helpers/images/bulk-layers.js";
import { describeWithPeers } from "../helpers/peers.js";
import { removeTree } from "../helpers/run.js";
import { checkStore } from "../helpers/store/check.js";
import {
  namesIn,
  storedImages,
  storedLayers,
  storedReferences,
} from "../helpers/store/data-root.js";
import { spawnTpull, tpull } from "../helpers/tpull-cli.js";
import { bigLayer, smallLayer } from "../pull/support/layers.js";
import { publish, serve } from "../pull/support/pulls.js";
import { litter, newRoot } from "../store/support/roots.js";
import { copyRoot } from "./suite.js";

const ROUNDS = Number(process.env["TPULL_REMOVAL_ROUNDS"] ?? 3);
const SEED = Number(process.env["TPULL_REMOVAL_SEED"] ?? Date.now() % 2 ** 31);
const STEPS = 14;
const ROUND_MS = 180_000;
/** A command takes about so long. */
const COMMAND_MS = 350;

/** All that an image is called, by name. */
type Names = ReadonlyMap<string, string>;

/** One command, and what it does to the names. */
interface Step {
  readonly words: readonly string[];
  readonly after: (names: Names) => Names;
}

const LAYERS = [
  ...["a", "b", "c", "d"].map((name) => smallLayer(name)),
  bigLayer(300_000, 1),
  bigLayer(500_000, 2),
];

const repositoryOf = (name: string): string =>
  name.replace(/(@sha256:.*|:[^:/]*)$/, "");
const isTag = (name: string): boolean => !name.includes("@");

/** The names without one, and where that was the last tag of its repository, without its digests. */
function without(names: Names, name: string): Names {
  const id = names.get(name);
  const left = new Map(names);
  left.delete(name);
  const own = [...left].filter(
    ([other, its]) => its === id && repositoryOf(other) === repositoryOf(name),
  );
  if (isTag(name) && !own.some(([other]) => isTag(other))) {
    for (const [other] of own) left.delete(other);
  }
  return left;
}

function withoutImages(names: Names, gone: (id: string) => boolean): Names {
  return new Map([...names].filter(([, id]) => !gone(id)));
}

/** Whether an image has a tag. */
function isTagged(names: Names, id: string): boolean {
  return [...names].some(([name, its]) => its === id && isTag(name));
}

class Dice {
  readonly random: () => number;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.random() * items.length)]!;
  }
}

describeWithPeers(
  `removals by chance, TPULL_REMOVAL_SEED=${SEED}`,
  ["docker", "dockerd", "python3"],
  { root: true },
  () => {
    it.each(Array.from({ length: ROUNDS }, (_, round) => round))(
      "round %i",
      async (round) => {
        const dice = new Dice(SEED + round);
        const registry = await serve();
        const images = Array.from({ length: 6 }, (_, index) =>
          imageOf(LAYERS.slice(0, 1 + (index % 3)).concat(dice.pick(LAYERS)), {
            settings: { Labels: { index: String(index) } },
          }),
        );
        const published = images.map((image, index) => ({
          image,
          name: publish(registry, `app-${index >> 1}:${index & 1}`, image),
        }));
        const root = await newRoot();
        let names: Names = new Map();
        for (let count = 0; count < STEPS; count += 1) {
          const step = nextStep(dice, published, names);
          const killAfter =
            dice.random() < 0.4 ? dice.random() * COMMAND_MS : undefined;
          const done = await carryOut(root, step, killAfter);
          const found = await expectWhole(root);
          const title = `${count}: ${step.words.join(" ")}`;
          const wanted = done
            ? [step.after(names)]
            : [names, step.after(names)];
          const fits = wanted.map(textOf);
          expect(fits, title).toContain(textOf(found));
          names = found;
        }
        await expectNothingElse(root, images);
        await expectSameForDockerd(root);
      },
      ROUND_MS,
    );
  },
);

function textOf(names: Names): string {
  return [...names]
    .map((pair) => pair.join(" = "))
    .sort()
    .join("\n");
}

function nextStep(
  dice: Dice,
  published: readonly { image: Image; name: string }[],
  names: Names,
): Step {
  const known = [...names];
  const kind = dice.random();
  if (known.length === 0 || kind < 0.4) {
    const { image, name } = dice.pick(published);
    const digest = `${repositoryOf(name)}@${image.manifest.digest}`;
    const id = image.config.digest;
    return {
      words: ["pull", name],
      after: (before) => new Map([...before, [name, id], [digest, id]]),
    };
  }
  const [name, id] = dice.pick(known);
  if (kind < 0.55) {
    const tag = dice.pick(["x:1", "x:2", "me/y:1", dice.pick(published).name]);
    return {
      words: ["tag", dice.pick([name, id]), tag],
      after: (before) => new Map([...before, [tag, id]]),
    };
  }
  if (kind < 0.7) {
    return { words: ["rmi", name], after: (before) => without(before, name) };
  }
  if (kind < 0.8) {
    const [other] = dice.pick(known);
    return {
      words: ["rmi", "-f", name, id, other],
      after: (before) => {
        const left = withoutImages(without(before, name), (its) => its === id);
        // By ID only what is still there, and the third only if it is.
        return left.has(other) ? without(left, other) : left;
      },
    };
  }
  return dice.pick<Step>([
    {
      words: ["prune", "-f"],
      after: (before) => withoutImages(before, (its) => !isTagged(before, its)),
    },
    { words: ["prune", "-af"], after: () => new Map() },
    {
      words: ["prune", "-af", "--keep-storage", "0"],
      // An image without layers takes no room; these all have some.
      after: () => new Map(),
    },
    { words: ["prune", "--partial", "-f"], after: (before) => before },
  ]);
}

/** @returns whether it came to its end */
async function carryOut(
  root: string,
  { words }: Step,
  killAfter: number | undefined,
): Promise<boolean> {
  const args = [...words, "--root", root];
  if (killAfter === undefined) {
    const { code, stderr } = await tpull(args);
    // A third operand may have gone with the first two.
    const fine = stderr
      .split("\n")
      .filter((line) => line.startsWith("tpull: "))
      .filter((line) => !line.includes("(IMAGE_NOT_FOUND)"));
    expect({ code, fine }, words.join(" ")).toEqual({ code: 0, fine: [] });
    return true;
  }
  const child = spawnTpull(args);
  const exited = once(child, "exit");
  await Promise.race([exited, delay(killAfter)]);
  child.kill("SIGKILL");
  await exited;
  return child.signalCode === null;
}

/** What can be seen is whole. Resolves to the names. */
async function expectWhole(root: string): Promise<Names> {
  const begun = await access(join(root, "image")).then(
    () => true,
    () => false,
  );
  if (!begun) return new Map();
  expect(await checkStore(root, { leftoversAllowed: true })).toEqual([]);
  const store = await openStore(root);
  const { result, damage } = await surveyed(store, (survey) =>
    survey.images().map(({ id }) => id.slice(7)),
  );
  expect(damage).toEqual([]);
  expect(result.sort()).toEqual([...(await storedImages(root)).keys()].sort());
  return await storedReferences(root);
}

/** After a last run the layers are those of the images. */
async function expectNothingElse(
  root: string,
  images: readonly Image[],
): Promise<void> {
  const last = await tpull(["prune", "--partial", "-f", "--root", root]);
  expect({ code: last.code, stderr: last.stderr }).toEqual({
    code: 0,
    stderr: "",
  });
  await expectWhole(root);
  expect([...(await checkStore(root)), ...(await litter(root))]).toEqual([]);
  const ids = await storedImages(root);
  const wanted = images
    .filter(({ config }) => ids.has(config.digest.slice(7)))
    .flatMap((image) => chainIdsOf(image))
    .map((chain) => chain.slice(7));
  expect([...(await storedLayers(root)).keys()]).toEqual(
    [...new Set(wanted)].sort(),
  );
}

/** A dockerd lists what our own look finds, and has nothing left when it removed all of it. */
async function expectSameForDockerd(root: string): Promise<void> {
  const store = await openStore(root);
  const { result } = await surveyed(store, (survey) =>
    survey.images().flatMap(({ id, tags, digests }) => {
      const pairs = [...tags, ...digests].map((name) => `${name} ${id}`);
      return pairs.length > 0 ? pairs : [`<none> ${id}`];
    }),
  );
  const copy = `${root}-copy`;
  await copyRoot(root, copy);
  const dockerd = await startDockerd(copy);
  try {
    expect(await dockerd.dropped()).toEqual([]);
    const ids = (await dockerd.docker(["images", "-aq", "--no-trunc"]))
      .split("\n")
      .filter(Boolean);
    const found: string[] = [];
    for (const id of new Set(ids)) {
      const format = '{{join .RepoTags "\\n"}}\n{{join .RepoDigests "\\n"}}';
      const text = await dockerd.docker(["inspect", "-f", format, id]);
      const names = text.split("\n").filter(Boolean);
      if (names.length === 0) found.push(`<none> ${id}`);
      found.push(...names.map((name) => `${name} ${id}`));
    }
    expect(found.sort()).toEqual(result.sort());
    if (ids.length > 0) await dockerd.docker(["rmi", "-f", ...new Set(ids)]);
    expect(await namesIn(join(copy, "image/overlay2/layerdb/sha256"))).toEqual(
      [],
    );
    expect(await namesIn(join(copy, "overlay2"))).toEqual(["l"]);
  } finally {
    await dockerd.stop();
    await removeTree(copy);
  }
}
