/** How the layers of a store sit on each other. */
import type { CacheId, ChainId, DiffId } from "../digest.js";
import type { LayerRecord } from "../layers.js";
import type { Store } from "../store.js";
import type { Damage } from "./damage.js";
import { findImage } from "./find-image.js";
import { type ImageName, nameOf } from "./image-layers.js";
import { type LayerStep, layerSteps } from "./layer-steps.js";
import { type LayerUse, layerUses, type UsedLayer } from "./layer-use.js";
import { type StoredImage, type Survey, surveyed } from "./survey.js";

/** A layer, and the layers on top of it. */
export interface LayerNode {
  readonly chainId: ChainId;
  readonly diffId: DiffId;
  readonly cacheId: CacheId;
  /** Bytes of its own files, as docker counts them. */
  readonly size: number;
  /** What made it; undefined where no image says. */
  readonly step: LayerStep | undefined;
  /** The images whose top layer this is, by name. */
  readonly images: readonly ImageName[];
  /** Why it is there. */
  readonly use: LayerUse;
  /** Its parent cannot be read: dockerd would not load it. */
  readonly cutOff?: true;
  /** Layers on top of it that are not shown, because only one image was asked for. */
  readonly hidden?: number;
  readonly children: readonly LayerNode[];
}

export interface LayerTree {
  /** Absolute path of the data root. */
  readonly root: string;
  /** Base layers, those with images first. */
  readonly tree: readonly LayerNode[];
  /** Layers in the tree, and bytes of all of them. */
  readonly layers: number;
  readonly size: number;
  /** Layers that nobody needs, and their bytes. */
  readonly orphans: { readonly layers: number; readonly size: number };
  /** Entries that dockerd could not read, and that have no place in the tree. */
  readonly unreadable: readonly ChainId[];
  readonly damage: readonly Damage[];
}

/**
 * The tree of all layers in a store, or of those of one image.
 * @param name a reference, an image ID, or the beginning of one
 * @throws TpullError with a name `IMAGE_NOT_FOUND`, `IMAGE_ID_AMBIGUOUS`,
 *   `IMAGE_DAMAGED`; `ROOT_NOT_READABLE`, `STORE_IO_FAILED`
 */
export async function layerTree(
  store: Store,
  name?: string,
): Promise<LayerTree> {
  const { result, damage } = await surveyed(store, (survey) =>
    treeOf(survey, name),
  );
  return { root: store.root, ...result, damage };
}

function treeOf(
  survey: Survey,
  name: string | undefined,
): Omit<LayerTree, "root" | "damage"> {
  const only = name === undefined ? undefined : findImage(survey, name).image;
  return new Grower(survey, only).tree();
}

/** Builds the tree from the bottom up. */
class Grower {
  readonly #uses: ReadonlyMap<ChainId, UsedLayer>;
  readonly #told: ReturnType<typeof told>;
  /** What is shown; everything without it. */
  readonly #wanted: ReadonlySet<ChainId> | undefined;
  /** The layers on top of each; under undefined, those on top of none. */
  readonly #above = new Map<ChainId | undefined, LayerRecord[]>();
  readonly #placed = new Set<ChainId>();
  /** The first of the names in each branch that has any. */
  readonly #names = new Map<LayerNode, string>();
  readonly #total = { layers: 0, size: 0 };
  readonly #orphans = { layers: 0, size: 0 };

  constructor(survey: Survey, only: StoredImage | undefined) {
    this.#uses = layerUses(survey);
    this.#told = told(survey);
    this.#wanted = only && new Set(only.layers.map(({ chainId }) => chainId));
    for (const { record } of this.#uses.values()) {
      if (record === undefined) continue;
      const place = this.#isCutOff(record) ? undefined : record.parent;
      const beside = this.#above.get(place);
      if (beside === undefined) this.#above.set(place, [record]);
      else beside.push(record);
    }
  }

  tree(): Omit<LayerTree, "root" | "damage"> {
    const tree = this.#grow(this.#shownAbove(undefined));
    const orphans = this.#orphans;
    return { tree, ...this.#total, orphans, unreadable: this.#unreadable() };
  }

  /** Damaged ones, and such as damage alone makes: that are on top of each other. */
  #unreadable(): ChainId[] {
    if (this.#wanted !== undefined) return [];
    return [...this.#uses.keys()].filter((id) => !this.#placed.has(id));
  }

  #isCutOff({ parent }: LayerRecord): boolean {
    return parent !== undefined && !this.#uses.get(parent)?.record;
  }

  #shownAbove(chainId: ChainId | undefined): LayerRecord[] {
    const all = this.#above.get(chainId) ?? [];
    const wanted = this.#wanted;
    return wanted ? all.filter((one) => wanted.has(one.chainId)) : all;
  }

  #grow(records: readonly LayerRecord[]): LayerNode[] {
    return ordered(
      records.map((record) => this.#node(record)),
      this.#names,
    );
  }

  #node(record: LayerRecord): LayerNode {
    const { chainId, diffId, cacheId, size } = record;
    const use = this.#uses.get(chainId)?.use ?? "none";
    this.#count(record, use);
    const shown = this.#shownAbove(chainId);
    const hidden = (this.#above.get(chainId)?.length ?? 0) - shown.length;
    const node: LayerNode = {
      chainId,
      diffId,
      cacheId,
      size,
      step: this.#told.steps.get(chainId),
      images: this.#told.ends.get(chainId) ?? [],
      use,
      ...(this.#isCutOff(record) ? { cutOff: true } : {}),
      ...(hidden > 0 ? { hidden } : {}),
      children: this.#grow(shown),
    };
    const first = firstName(node, this.#names);
    if (first !== undefined) this.#names.set(node, first);
    return node;
  }

  #count({ chainId, size }: LayerRecord, use: LayerUse): void {
    this.#placed.add(chainId);
    const sums = use === "none" ? [this.#total, this.#orphans] : [this.#total];
    for (const sum of sums) {
      sum.layers += 1;
      sum.size += size;
    }
  }
}

/** What images tell of layers: the steps that made them, and which images end in them. */
function told(survey: Survey): {
  steps: Map<ChainId, LayerStep>;
  ends: Map<ChainId, ImageName[]>;
} {
  const steps = new Map<ChainId, LayerStep>();
  const ends = new Map<ChainId, ImageName[]>();
  for (const image of survey.images()) {
    const own = layerSteps(image.config);
    for (const [at, { chainId }] of image.layers.entries()) {
      const step = own[at];
      if (step !== undefined && !steps.has(chainId)) steps.set(chainId, step);
    }
    const top = image.layers.at(-1)?.chainId;
    if (top === undefined) continue;
    const others = ends.get(top) ?? [];
    ends.set(top, [...others, ...callsOf(survey, image)]);
  }
  for (const names of ends.values()) {
    names.sort((a, b) => (a.name < b.name ? -1 : 1));
  }
  return { steps, ends };
}

/** All tags of an image; something else to call it by where it has none. */
function callsOf(survey: Survey, { id, tags }: StoredImage): ImageName[] {
  const names = tags.length > 0 ? tags : [nameOf(survey, id)];
  return names.map((name) => ({ imageId: id, name }));
}

/**
 * Layers with images before others, and among them by the first name that is in them.
 * @param names the first name in each of them that has any
 */
function ordered(
  nodes: LayerNode[],
  names: ReadonlyMap<LayerNode, string>,
): LayerNode[] {
  return nodes.sort((a, b) => {
    const [one, other] = [names.get(a), names.get(b)];
    if (one === other) return a.chainId < b.chainId ? -1 : 1;
    if (one === undefined) return 1;
    if (other === undefined) return -1;
    return one < other ? -1 : 1;
  });
}

/** The first of the names of images that end in a layer or on top of it. Its children are ordered. */
function firstName(
  { images, children }: LayerNode,
  names: ReadonlyMap<LayerNode, string>,
): string | undefined {
  const [child] = children;
  const above = child === undefined ? undefined : names.get(child);
  const own = images[0]?.name;
  if (own === undefined || above === undefined) return own ?? above;
  return own < above ? own : above;
}
