/** The layers of the images of a bundle, each once, and who hears of them. */
import type { DiffId, Digest, ImageId } from "../../store/index.js";
import type { About, LayerState, PullEvent } from "../events.js";
import { aboutOf } from "../items.js";
import { formatPlatform } from "../platform.js";
import type { Descriptor } from "../registry/manifest.js";
import type { Found } from "./find.js";

/** A layer, and the image that it is asked for as. */
export interface WantedLayer {
  readonly descriptor: Descriptor;
  readonly of: Found;
}

/** At most so often is said how much of a layer is here. */
const EVERY_MS = 100;

export class BundleLayers {
  readonly wanted: Map<Digest, WantedLayer> = new Map();
  /** Sizes of layers that the other side has. */
  readonly leftOut: Map<Digest, number> = new Map();
  readonly #places = new Map<Digest, { about: About; index: number }[]>();
  readonly #told = new Map<Digest, number>();
  readonly #emit: (event: PullEvent) => void;

  /** @param have what the other side has */
  constructor(
    found: readonly Found[],
    have: ReadonlySet<DiffId>,
    emit: (event: PullEvent) => void,
  ) {
    this.#emit = emit;
    for (const one of found) {
      const about = aboutOf(one.item);
      const { layers } = one.resolved.manifest;
      for (const [index, descriptor] of layers.entries()) {
        const { digest, size } = descriptor;
        if (have.has(one.config.diffIds[index] as DiffId)) {
          this.leftOut.set(digest, size);
        } else this.wanted.set(digest, { descriptor, of: one });
        const places = this.#places.get(digest) ?? [];
        this.#places.set(digest, [...places, { about, index }]);
      }
    }
  }

  /** Tells of all of them. */
  begin(found: readonly Found[]): void {
    for (const { item, reference, resolved, config } of found) {
      const { repository, tag, digest } = reference;
      const about = aboutOf(item);
      this.#emit({
        type: "pulling",
        ...about,
        tagOrDigest: digest ?? tag ?? "latest",
        repository,
        digest: resolved.digest,
      });
      this.#emit({
        type: "layers",
        ...about,
        imageId: resolved.manifest.config.digest as string as ImageId,
        platform: formatPlatform(config),
        layers: resolved.manifest.layers.map(({ digest, size }, index) => ({
          digest,
          diffId: config.diffIds[index] as DiffId,
          size,
        })),
      });
    }
    for (const digest of this.leftOut.keys()) {
      if (!this.wanted.has(digest)) this.state(digest, "exists");
    }
  }

  state(digest: Digest, state: LayerState): void {
    for (const { about, index } of this.#places.get(digest) ?? []) {
      this.#emit({ type: "layer", ...about, index, digest, state });
    }
  }

  progress(digest: Digest, current: number, total: number): void {
    const now = performance.now();
    const last = this.#told.get(digest);
    if (last !== undefined && now - last < EVERY_MS && current < total) return;
    this.#told.set(digest, now);
    for (const { about, index } of this.#places.get(digest) ?? []) {
      this.#emit({ type: "progress", ...about, index, digest, current, total });
    }
  }
}
