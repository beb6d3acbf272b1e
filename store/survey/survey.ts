/**
 * A look at what is in a data root. Everything is read when it is first asked
 * for, and once, so that a question costs what it is about and not the whole
 * store. No lock is taken: what other processes change meanwhile shows up as an
 * image that is not whole, and {@link surveyed} then looks again.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type ChainId,
  type ImageId,
  hexOf,
  isDigest,
  shortId,
} from "../digest.js";
import { isTpullError } from "../errors.js";
import { readImageConfig } from "../images.js";
import { attempt, isAbsent } from "../io-error.js";
import { type LayerRecord, listLayers, readLayer } from "../layers.js";
import type { Layout } from "../layout.js";
import { readNames, readText } from "../read.js";
import { readRepositories, validReferences } from "../repositories.js";
import { nearestDirectory } from "../root-place.js";
import type { Store } from "../store.js";
import { ChainIds } from "./chain-ids.js";
import type { Damage } from "./damage.js";
import { parseStoredConfig, type StoredConfig } from "./image-config.js";
import { compareNames } from "./name-order.js";

/** An image with everything that it takes to use it. */
export interface StoredImage {
  readonly id: ImageId;
  readonly config: StoredConfig;
  /** Base first. */
  readonly layers: readonly LayerRecord[];
  /** Bytes of all its layers' files, as docker counts them. */
  readonly size: number;
  /** Familiar `name:tag` references, in docker's order. */
  readonly tags: readonly string[];
  /** Familiar `name@digest` references, in docker's order. */
  readonly digests: readonly string[];
  /** The image it was built from, where docker noted one. */
  readonly parent: ImageId | undefined;
}

type Names = { tags: string[]; digests: string[] };

/** What is filed under an image ID. */
interface FiledConfig {
  /** Whether there are bytes that have this hash. */
  readonly bytes: boolean;
  /** What a dockerd would load. */
  readonly config: StoredConfig | undefined;
}

export class Survey {
  readonly layout: Layout;
  /** What was found wrong so far. */
  readonly damage: Damage[] = [];
  readonly #chains = new ChainIds();
  readonly #configs = new Map<ImageId, FiledConfig>();
  readonly #images = new Map<ImageId, StoredImage | undefined>();
  readonly #layers = new Map<ChainId, LayerRecord | undefined>();
  #references: Map<string, Map<string, ImageId>> | undefined;
  #names: Map<ImageId, Names> | undefined;
  #ids: readonly ImageId[] | undefined;
  #layerIds: readonly ChainId[] | undefined;
  #withMetadata: ReadonlySet<string> | undefined;

  constructor(layout: Layout) {
    this.layout = layout;
  }

  /** All names: familiar repository, then reference, then image. Those of damaged images are among them. */
  get references(): ReadonlyMap<string, ReadonlyMap<string, ImageId>> {
    this.#references ??= this.#readReferences();
    return this.#references;
  }

  #readReferences(): Map<string, Map<string, ImageId>> {
    try {
      return validReferences(readRepositories(this.layout));
    } catch (error) {
      if (!isTpullError(error) || error.code !== "REPOSITORIES_INVALID") {
        throw error;
      }
      this.damage.push({
        code: "REPOSITORIES_DAMAGED",
        message: `${error.message}; images are shown without their names`,
        names: [],
      });
      return new Map();
    }
  }

  /** The names of an image, in docker's order. */
  namesOf(id: ImageId): Readonly<Names> {
    this.#names ??= this.#collectNames();
    return this.#names.get(id) ?? { tags: [], digests: [] };
  }

  #collectNames(): Map<ImageId, Names> {
    const names = new Map<ImageId, Names>();
    for (const references of this.references.values()) {
      for (const [reference, id] of references) {
        let own = names.get(id);
        if (own === undefined) names.set(id, (own = { tags: [], digests: [] }));
        (reference.includes("@") ? own.digests : own.tags).push(reference);
      }
    }
    for (const { tags, digests } of names.values()) {
      tags.sort(compareNames);
      digests.sort(compareNames);
    }
    return names;
  }

  /** IDs of all configs that are filed, whole or not, sorted. */
  get imageIds(): readonly ImageId[] {
    this.#ids ??= readNames(this.layout.imagedbContent)
      .map((name) => `sha256:${name}`)
      .filter(isDigest)
      .map((id) => id as string as ImageId)
      .sort();
    return this.#ids;
  }

  /** All images that a dockerd would show. What it would not is noted as damage. */
  images(): StoredImage[] {
    const found = this.imageIds.flatMap((id) => this.image(id) ?? []);
    // Names of images that are not filed at all.
    for (const references of this.references.values()) {
      for (const id of references.values()) this.image(id);
    }
    return found;
  }

  /** One image; undefined when it is absent or not whole, which is noted as damage if anything leads to it. */
  image(id: ImageId): StoredImage | undefined {
    if (this.#images.has(id)) return this.#images.get(id);
    const image = this.#readImage(id);
    this.#images.set(id, image);
    return image;
  }

  #readImage(id: ImageId): StoredImage | undefined {
    const { tags, digests } = this.namesOf(id);
    const { bytes, config } = this.#filed(id);
    if (config === undefined) {
      const filed = this.imageIds.includes(id);
      if (filed) {
        const what = bytes
          ? "is not one that docker would load"
          : "does not have its hash";
        this.#note("CONFIG_DAMAGED", id, `its config ${what}`);
      } else if (tags.length + digests.length > 0) {
        this.#note("CONFIG_MISSING", id, "its config is not there");
      }
      return undefined;
    }
    const layers: LayerRecord[] = [];
    let size = 0;
    for (const [at, chainId] of this.#chains.of(config.diffIds).entries()) {
      const record = this.layer(chainId);
      if (record?.parent !== layers.at(-1)?.chainId || record === undefined) {
        const which = `layer ${at + 1} of ${config.diffIds.length} (${shortId(chainId)})`;
        this.#note("LAYER_MISSING", id, `${which} cannot be read`);
        return undefined;
      }
      layers.push(record);
      size += record.size;
    }
    const parent = this.#parentOf(id);
    return { id, config, layers, size, tags, digests, parent };
  }

  /** The chain IDs of the layers that an image names, base first; none when a dockerd would not load its config. */
  chainOf(id: ImageId): ChainId[] {
    const config = this.config(id);
    return config === undefined ? [] : this.#chains.of(config.diffIds);
  }

  /** The config of an image, whole or not; undefined when a dockerd would not load it. Notes no damage. */
  config(id: ImageId): StoredConfig | undefined {
    return this.#filed(id).config;
  }

  #filed(id: ImageId): FiledConfig {
    let filed = this.#configs.get(id);
    if (filed === undefined) {
      const bytes = readImageConfig(this.layout, id);
      const config = bytes && parseStoredConfig(bytes);
      filed = { bytes: bytes !== undefined, config };
      this.#configs.set(id, filed);
    }
    return filed;
  }

  #note(code: Damage["code"], imageId: ImageId, what: string): void {
    const { tags, digests } = this.namesOf(imageId);
    const names = [...tags, ...digests];
    const subject = tags[0] ?? digests[0] ?? shortId(imageId);
    const message = `the image ${subject} is damaged: ${what}`;
    this.damage.push({ code, message, imageId, names });
  }

  #parentOf(id: ImageId): ImageId | undefined {
    const parent = this.metadata(id, "parent");
    return isDigest(parent) ? (parent as string as ImageId) : undefined;
  }

  /** One of docker's notes on an image (`parent`, `lastUpdated`); undefined without one. */
  metadata(id: ImageId, key: "parent" | "lastUpdated"): string | undefined {
    const { imagedbMetadata } = this.layout;
    this.#withMetadata ??= new Set(readNames(imagedbMetadata));
    if (!this.#withMetadata.has(hexOf(id))) return undefined;
    return readText(join(imagedbMetadata, hexOf(id), key));
  }

  /** The chain IDs of all entries in `layerdb`, whole or not, sorted. */
  get layerIds(): readonly ChainId[] {
    this.#layerIds ??= listLayers(this.layout).sort();
    return this.#layerIds;
  }

  /** A layer's own entry; undefined when dockerd would skip it. */
  layer(chainId: ChainId): LayerRecord | undefined {
    if (this.#layers.has(chainId)) return this.#layers.get(chainId);
    const record = readLayer(this.layout, chainId);
    this.#layers.set(chainId, record);
    return record;
  }
}

/** How often a store that changes under our eyes is looked at again. */
const LOOKS = 5;

/**
 * Answers a question from a fresh look at the store. Where something is found
 * damaged and the store has changed meanwhile, the look is taken again: a
 * removal takes the name first and then the parts, so a whole answer comes soon.
 * @returns the answer, and what is damaged of that which was looked at
 * @throws TpullError `ROOT_NOT_READABLE`, `STORE_IO_FAILED`, and what `question` throws
 */
export async function surveyed<Result>(
  store: Store,
  question: (survey: Survey) => Result,
): Promise<{ result: Result; damage: readonly Damage[] }> {
  const { layout, root } = store;
  const answer = async (): Promise<{
    result: Result;
    damage: readonly Damage[];
  }> => {
    for (let looks = 1; ; looks += 1) {
      const before = stateOf(layout);
      const survey = new Survey(layout);
      let failure: unknown;
      try {
        const result = question(survey);
        if (survey.damage.length === 0) return { result, damage: [] };
        if (looks === LOOKS || (await isSettled(layout, before))) {
          return { result, damage: survey.damage };
        }
      } catch (error) {
        failure = error;
      }
      if (failure !== undefined) {
        if (looks === LOOKS || (await isSettled(layout, before))) throw failure;
      }
    }
  };
  return await attempt(
    `read the data root ${root}`,
    () => {
      nearestDirectory(root);
      return answer();
    },
    "read",
  );
}

/** Longer than the time that two changes of a directory may have in common: kernels count it in ticks. */
const TICK_MS = 20;

/** Whether the store is as it was before, and so for long enough that this means something. */
async function isSettled(layout: Layout, before: string): Promise<boolean> {
  if (stateOf(layout) !== before) return false;
  const age = Date.now() - lastChange(layout);
  if (age > TICK_MS || age < 0) return true;
  await sleep(TICK_MS);
  return false;
}

/** When an image or a layer last came or went, in milliseconds since 1970. */
function lastChange({ repositories, imagedbContent, layers }: Layout): number {
  const times = [repositories, imagedbContent, layers].map(
    (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0,
  );
  return Math.max(...times);
}

/** Changes whenever an image or a layer comes or goes. */
export function stateOf({
  repositories,
  imagedbContent,
  layers,
}: Layout): string {
  return [repositories, imagedbContent, layers]
    .map((path) => {
      try {
        const { ino, mtimeNs } = statSync(path, { bigint: true });
        return `${ino} ${mtimeNs}`;
      } catch (error) {
        if (!isAbsent(error)) throw error;
        return "absent";
      }
    })
    .join("; ");
}
