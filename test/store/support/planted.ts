/** Roots made by hand, file by file, with whatever is to be in them: without any right, and without the code under test. */
import { createHash } from "node:crypto";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { newRoot } from "./roots.js";

export const sha256 = (text: string): string =>
  `sha256:${createHash("sha256").update(text).digest("hex")}`;

export interface PlantedImage {
  /** What is in the config beside `rootfs`; a string is the whole config. */
  readonly config?: Readonly<Record<string, unknown>> | string;
  /** One for each layer, base first: its content (equal beginnings are shared layers) and its size. */
  readonly layers?: readonly (readonly [content: string, size: number])[];
  /** Familiar references with a tag or a digest. */
  readonly names?: readonly string[];
  /** docker's note of the image it was built from. */
  readonly parent?: string;
  readonly lastUpdated?: string;
}

export interface Planted {
  readonly id: string;
  /** Chain IDs, base first. */
  readonly chain: readonly string[];
}

/** A root that grows image by image. */
export class PlantedRoot {
  readonly root: string;
  readonly #repositories: Record<string, Record<string, string>> = {};
  /** Cache-id and link of each layer that is there, by chain ID. */
  readonly #layers = new Map<string, { cacheId: string; link: string }>();

  constructor(root: string) {
    this.root = root;
  }

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  layerFile(chainId: string, file: string): string {
    return this.path("image/overlay2/layerdb/sha256", hex(chainId), file);
  }

  config(id: string): string {
    return this.path("image/overlay2/imagedb/content/sha256", hex(id));
  }

  /** The directory of a layer's files. */
  overlay(chainId: string): string {
    const { cacheId = "" } = this.#layers.get(chainId) ?? {};
    return this.path("overlay2", cacheId);
  }

  async plant(image: PlantedImage): Promise<Planted> {
    const { layers = [], names = [], config = {} } = image;
    const diffIds = layers.map(([content]) => sha256(content));
    const chain: string[] = [];
    for (const [at, diffId] of diffIds.entries()) {
      const below = chain.at(-1);
      const chainId = below ? sha256(`${below} ${diffId}`) : diffId;
      await this.#plantLayer(chainId, diffId, layers[at]![1], chain);
      chain.push(chainId);
    }
    const rootfs = { type: "layers", diff_ids: diffIds };
    const text =
      typeof config === "string"
        ? config
        : JSON.stringify({ rootfs, ...config });
    const id = sha256(text);
    await write(this.config(id), text);
    for (const name of names) this.name(name, id);
    await this.writeNames();
    await this.#note(id, "parent", image.parent);
    await this.#note(id, "lastUpdated", image.lastUpdated);
    return { id, chain };
  }

  /** Takes effect with {@link writeNames}. */
  name(reference: string, id: string): void {
    const repository = reference.replace(/(@.*|:[^/]*)$/, "");
    (this.#repositories[repository] ??= {})[reference] = id;
  }

  async writeNames(): Promise<void> {
    await write(
      this.path("image/overlay2/repositories.json"),
      JSON.stringify({ Repositories: this.#repositories }),
    );
  }

  async #note(id: string, key: string, text?: string): Promise<void> {
    if (text === undefined) return;
    const folder = "image/overlay2/imagedb/metadata/sha256";
    await write(this.path(folder, hex(id), key), text);
  }

  async #plantLayer(
    chainId: string,
    diffId: string,
    size: number,
    below: readonly string[],
  ): Promise<void> {
    if (this.#layers.has(chainId)) return;
    const cacheId = hex(sha256(`cache of ${chainId}`));
    const link = hex(chainId).slice(0, 26).toUpperCase();
    const lower = below
      .toReversed()
      .map((chain) => `l/${this.#layers.get(chain)!.link}`);
    this.#layers.set(chainId, { cacheId, link });
    await write(this.layerFile(chainId, "diff"), diffId);
    await write(this.layerFile(chainId, "size"), String(size));
    await write(this.layerFile(chainId, "cache-id"), cacheId);
    await mkdir(this.path("overlay2", cacheId, "diff"), { recursive: true });
    await write(this.path("overlay2", cacheId, "link"), link);
    await mkdir(this.path("overlay2/l"), { recursive: true });
    await symlink(`../${cacheId}/diff`, this.path("overlay2/l", link));
    const parent = below.at(-1);
    if (parent === undefined) return;
    await write(this.layerFile(chainId, "parent"), parent);
    await write(this.path("overlay2", cacheId, "lower"), lower.join(":"));
  }
}

/** An empty root, removed after the test. */
export async function plantedRoot(): Promise<PlantedRoot> {
  return new PlantedRoot(await newRoot());
}

const hex = (digest: string): string => digest.slice("sha256:".length);

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}
