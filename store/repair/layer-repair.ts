/** The layers that findings are about: small files first, then content, then the small files that depend on it. */
import { lstatSync } from "node:fs";
import type { CacheId, ChainId, ImageId } from "../digest.js";
import { isAbsent } from "../io-error.js";
import { readCacheId } from "../layers.js";
import type { Layout } from "../layout.js";
import type { Session } from "../session.js";
import type { Finding } from "../verify/finding.js";
import type { AskedManifests } from "./blob-places.js";
import { deriveContainers } from "./containers.js";
import { deriveEntry, deriveOverlay } from "./derive.js";
import { type KnownLayer, KnownLayers } from "./known-layers.js";
import { OF_ABSENCE, OF_CONTENT, OF_SMALL_FILES, OF_TREE } from "./kinds.js";
import { foretellContent, repairContent } from "./layer-content.js";
import { OverlayMap } from "./overlay-map.js";
import type { Proofs } from "./ownership.js";
import type { RepairOptions } from "./repair-types.js";
import type { Steps } from "./steps.js";

export interface LayersRepair {
  readonly layout: Layout;
  /** Undefined in a dry run. */
  readonly session: Session | undefined;
  readonly steps: Steps;
  readonly options: RepairOptions;
  readonly asked: AskedManifests;
}

export interface LayersRepaired {
  readonly bytesFetched: number;
  /** Directories in `overlay2` that were nobody's, and are a layer's (again). */
  readonly adopted: ReadonlySet<CacheId>;
}

/**
 * Repairs layers.
 * @param all findings of whatever kind
 * @param filed images whose configs have just been filed, and whose layers nobody has checked
 */
export async function repairLayers(
  repair: LayersRepair,
  all: readonly Finding[],
  filed: readonly ImageId[],
): Promise<LayersRepaired> {
  const findings = all.filter(
    ({ code }) => OF_CONTENT.has(code) || OF_SMALL_FILES.has(code),
  );
  if (findings.length === 0 && filed.length === 0) {
    return { bytesFetched: 0, adopted: new Set() };
  }
  const isLost = all.some(({ code }) => code.startsWith("CONFIG_"));
  return await new Layers(repair, findings).run(filed, isLost);
}

class Layers {
  readonly #repair: LayersRepair;
  readonly #findings: readonly Finding[];
  readonly #proofs: Proofs = new Map();
  #known: KnownLayers;

  constructor(repair: LayersRepair, findings: readonly Finding[]) {
    this.#repair = repair;
    this.#findings = findings;
    this.#known = new KnownLayers(repair.layout);
  }

  /** @param isConfigLost whether there is an image of which it is not known which layers it has */
  async run(
    filed: readonly ImageId[],
    isConfigLost: boolean,
  ): Promise<LayersRepaired> {
    const { layout, session } = this.#repair;
    const cacheIds = new Map(
      this.#known
        .bottomUp()
        .map(({ chainId }) => [chainId, readCacheId(layout.layer(chainId))]),
    );
    this.#leaveUnknown(isConfigLost);
    const scope = this.#scope(cacheIds, filed);
    const map = await this.#derive(scope);
    const lacking = scope.filter((layer) =>
      this.#lacksContent(layer, map, cacheIds.get(layer.chainId)),
    );
    const adopted = this.#adopted(map, cacheIds);
    if (lacking.length === 0) return { bytesFetched: 0, adopted };
    const content = {
      ...this.#repair,
      known: this.#known,
      map,
      findingsOf: (layer: KnownLayer) => this.#findingsOf(layer),
    };
    if (session === undefined) {
      await foretellContent(content, lacking);
      return { bytesFetched: 0, adopted };
    }
    const bytesFetched = await repairContent(content, session, lacking);
    this.#known = new KnownLayers(layout);
    await this.#derive(scope);
    return { bytesFetched, adopted };
  }

  #adopted(
    map: OverlayMap,
    cacheIds: ReadonlyMap<ChainId, CacheId | undefined>,
  ): Set<CacheId> {
    const adopted = new Set<CacheId>();
    for (const { chainId } of this.#known.bottomUp()) {
      const place = map.placeOf(chainId);
      if (place?.cacheId === undefined || !place.isThere) continue;
      if (place.cacheId !== cacheIds.get(chainId)) adopted.add(place.cacheId);
    }
    return adopted;
  }

  #findingsOf({ chainId }: KnownLayer): Finding[] {
    return this.#findings.filter((finding) => finding.chainId === chainId);
  }

  #leaveUnknown(isConfigLost: boolean): void {
    const { steps } = this.#repair;
    for (const finding of this.#findings) {
      const { chainId, code } = finding;
      if (chainId === undefined) continue;
      if (this.#known.get(chainId) === undefined) {
        const until = isConfigLost ? " before the image's config is there" : "";
        steps.leave(finding, `nothing tells which layer this is${until}`);
      } else if (OF_CONTENT.has(code) && !this.#known.isNeeded(chainId)) {
        steps.leave(finding, "nobody needs the layer");
      }
    }
  }

  /** The layers concerned, those above them, and those directly below, whose marks depend on them. */
  #scope(
    cacheIds: ReadonlyMap<ChainId, CacheId | undefined>,
    filed: readonly ImageId[],
  ): KnownLayer[] {
    const named = new Set<string | undefined>();
    for (const { chainId, cacheId } of this.#findings) {
      named.add(chainId).add(cacheId);
    }
    const images = new Set(filed);
    const chosen = new Set<ChainId>();
    const choose = ({ chainId }: KnownLayer): void => {
      if (chosen.has(chainId)) return;
      chosen.add(chainId);
      this.#known.childrenOf(chainId).forEach(choose);
    };
    const layers = this.#known.bottomUp();
    for (const layer of layers) {
      const { chainId } = layer;
      const cacheId = cacheIds.get(chainId);
      const isNamed =
        named.has(chainId) || (cacheId !== undefined && named.has(cacheId));
      const isNew = this.#known.imagesOf(chainId).some((id) => images.has(id));
      if (isNamed || isNew) choose(layer);
    }
    for (const { chainId, parent } of layers) {
      if (parent !== undefined && chosen.has(chainId)) chosen.add(parent);
    }
    return layers.filter(({ chainId }) => chosen.has(chainId));
  }

  /** Brings all small files to what they must be, as far as there is something that they belong to. */
  async #derive(scope: readonly KnownLayer[]): Promise<OverlayMap> {
    const { layout, session, steps } = this.#repair;
    const write = async (): Promise<OverlayMap> => {
      const map = await OverlayMap.read(layout, this.#known, this.#proofs);
      const derivation = { layout, known: this.#known, map, steps };
      for (const layer of scope) {
        const concerned = this.#findingsOf(layer);
        await steps.part("rebuild a layer's files", concerned, async () => {
          await deriveEntry(derivation, layer, this.#sizeOf(concerned));
          await deriveOverlay(derivation, layer);
        });
      }
      await deriveContainers(derivation, this.#findings);
      return map;
    };
    if (session === undefined) return await write();
    // What takes long is found out before others are held up.
    await OverlayMap.read(layout, this.#known, this.#proofs);
    return await session.section(write, session.signal);
  }

  /** A size is counted where it is all that is wrong: files that are not the layer's have not its size. */
  #sizeOf(findings: readonly Finding[]): "noted" | "count" {
    const isWrong = findings.some(({ code }) => code === "LAYER_SIZE_WRONG");
    const isBadTree = findings.some(({ code }) => OF_TREE.has(code));
    return isWrong && !isBadTree ? "count" : "noted";
  }

  /** @param cacheId what the layer's entry said when the findings were made */
  #lacksContent(
    layer: KnownLayer,
    map: OverlayMap,
    cacheId: CacheId | undefined,
  ): boolean {
    const { layout } = this.#repair;
    const { chainId } = layer;
    if (!this.#known.isNeeded(chainId)) return false;
    const place = map.placeOf(chainId);
    const hasParts =
      place?.isThere === true && isFile(layout.layerFile(chainId, "tarSplit"));
    if (!hasParts) return true;
    const wrong = this.#findingsOf(layer).filter(
      ({ code }) => OF_CONTENT.has(code) && !OF_ABSENCE.has(code),
    );
    // Where another directory proved to be the layer's, the findings are about one that is not.
    const isFound =
      place.cacheId !== cacheId &&
      this.#proofs.get(`${chainId} ${place.cacheId}`) === true;
    return isFound
      ? wrong.some(({ code }) => !OF_TREE.has(code))
      : wrong.length > 0;
  }
}

function isFile(path: string): boolean {
  try {
    return lstatSync(path).isFile();
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}
