// A store hurt by a power cut comes back by one command.
import {
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isDamage, openStore, verifyStore } from "#store/index.js";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import { chainIdsOf } from "../helpers/image-builder.js";
import { checkStore } from "../helpers/store/check.js";
import { storedLayers, type StoredLayer } from "../helpers/store/data-root.js";
import { tpull } from "../helpers/tpull-cli.js";
import { smallImage } from "../pull/support/layers.js";
import { publish, pulling, serve } from "../pull/support/pulls.js";
import { newRoot } from "../store/support/roots.js";

const OLD = smallImage(["base", "old"]);
/** On the same base; what was written last is what a power cut hurts. */
const NEW = smallImage(["base", "new-1", "new-2", "new-3"]);

class Hurt {
  readonly root: string;
  readonly registry: FaultRegistry;
  readonly #layers: ReadonlyMap<string, StoredLayer>;

  constructor(
    root: string,
    registry: FaultRegistry,
    layers: ReadonlyMap<string, StoredLayer>,
  ) {
    this.root = root;
    this.registry = registry;
    this.#layers = layers;
  }

  /** The layers that came last. */
  get newest(): StoredLayer[] {
    return chainIdsOf(NEW)
      .slice(1)
      .map((chain) => this.#layers.get(chain.slice(7))!);
  }

  /** The small files of the newest layers, in `layerdb` and `overlay2`. */
  get small(): string[] {
    return this.newest.flatMap(({ record, folder }) => [
      ...readdirSync(record).map((name) => join(record, name)),
      ...["link", "lower", "committed"]
        .map((name) => join(folder, name))
        .filter((path) => isFile(path)),
    ]);
  }

  /** What was unpacked of them. */
  get unpacked(): string[] {
    return this.newest.flatMap(({ folder }) => filesBelow(`${folder}/diff`));
  }

  get config(): string {
    const { digest } = NEW.config;
    return this.inDriver("imagedb/content/sha256", digest.slice(7));
  }

  /** What is noted of where they came from. */
  get notes(): string[] {
    const layers = NEW.layers.slice(1);
    return [
      ...layers.map(({ digest }) =>
        this.inDriver("distribution/diffid-by-digest/sha256", digest.slice(7)),
      ),
      ...layers.map(({ diffId }) =>
        this.inDriver(
          "distribution/v2metadata-by-diffid/sha256",
          diffId.slice(7),
        ),
      ),
      join(this.root, "tpull/manifests", NEW.config.digest.slice(7)),
    ];
  }

  get links(): string[] {
    const links = join(this.root, "overlay2/l");
    return readdirSync(links).map((name) => join(links, name));
  }

  inDriver(...path: string[]): string {
    return join(this.root, "image/overlay2", ...path);
  }
}

function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter(isFile);
}

const half = (path: string): void =>
  truncateSync(path, statSync(path).size >> 1);
const gone = (path: string): void => rmSync(path, { recursive: true });

const CUTS: readonly [string, (hurt: Hurt) => void][] = [
  ["empty small files", ({ small }) => small.forEach((p) => truncateSync(p))],
  ["small files cut in half", ({ small }) => small.forEach(half)],
  ["no small files", ({ small }) => small.forEach(gone)],
  ["empty files", ({ unpacked }) => unpacked.forEach((p) => truncateSync(p))],
  ["lost files", ({ unpacked }) => unpacked.forEach(gone)],
  ["no short links", ({ links }) => links.forEach(gone)],
  [
    "no short links, and empty ones in the directories",
    ({ links, newest }) => {
      links.forEach(gone);
      for (const { folder } of newest) truncateSync(join(folder, "link"));
    },
  ],
  [
    "lost entries",
    ({ newest }) => newest.forEach(({ record }) => gone(record)),
  ],
  [
    "lost directories",
    ({ newest, links }) => {
      for (const { folder } of newest) gone(folder);
      for (const link of links) {
        const isDangling = newest.some(({ cacheId }) =>
          readlinkSync(link).includes(cacheId),
        );
        if (isDangling) gone(link);
      }
    },
  ],
  ["an empty config", ({ config }) => truncateSync(config)],
  ["a lost config", ({ config }) => gone(config)],
  ["empty notes", ({ notes }) => notes.forEach((path) => truncateSync(path))],
  [
    "empty files everywhere",
    ({ small, unpacked, notes, config }) => {
      for (const path of [...small, ...unpacked, ...notes, config]) {
        truncateSync(path);
      }
    },
  ],
  [
    "nothing but its name",
    ({ newest, notes, config, links }) => {
      for (const path of [...links, ...notes, config]) gone(path);
      for (const { record, folder } of newest) {
        gone(record);
        gone(folder);
      }
    },
  ],
];

describe("what a power cut leaves", { timeout: 120_000 }, () => {
  it.each(CUTS)("%s", async (_, cut) => {
    const registry = await serve();
    const root = await newRoot();
    for (const [name, image] of Object.entries({ old: OLD, new: NEW })) {
      const reference = publish(registry, `${name}:1`, image);
      expect((await pulling(reference, { root })).failures).toEqual([]);
    }
    cut(new Hurt(root, registry, await storedLayers(root)));
    const { stdout, stderr, code } = await tpull([
      "verify",
      "--repair",
      "--yes",
      "--root",
      root,
    ]);
    expect(code, stdout + stderr).toBe(0);
    const { findings } = await verifyStore(await openStore(root));
    expect(findings.filter(isDamage)).toEqual([]);
    expect(await checkStore(root)).toEqual([]);
    const names = readFileSync(
      join(root, "image/overlay2/repositories.json"),
      "utf8",
    );
    expect(names).toContain(`/new:1":"${NEW.config.digest}"`);
    expect(names).toContain(`/old:1":"${OLD.config.digest}"`);
  });
});
