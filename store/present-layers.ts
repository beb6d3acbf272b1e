/** Layers of the store that a writing session relies on: found there, or put there by it. */
import type { ChainId } from "./digest.js";
import { type LayerRecord, readLayer } from "./layers.js";
import type { Layout } from "./layout.js";
import { type LockedFile, tryLockDirectory } from "./lock.js";
import { LOCK_SH } from "./native/libc.js";
import { findPlace, MAX_LAYERS } from "./place.js";
import type { Session } from "./session.js";

export class PresentLayers {
  readonly #session: Session;
  readonly #layout: Layout;
  /** Whole. They stay, because they or one above them are pinned. */
  readonly #known: Map<ChainId, LayerRecord> = new Map();
  /** Locks on layers that keep other sessions from retracting them. */
  readonly #pins: Map<ChainId, LockedFile> = new Map();
  readonly #damaged: Set<ChainId> = new Set();

  constructor(session: Session) {
    this.#session = session;
    this.#layout = session.layout;
  }

  /**
   * Adds a layer that this write session published. Runs in the section of the
   * commit, so that nobody takes it back in between.
   */
  add(record: LayerRecord): void {
    const pin = tryLockDirectory(this.#layout.layer(record.chainId), LOCK_SH);
    if (typeof pin === "string") {
      throw new Error(`the new layer ${record.chainId} is ${pin}`);
    }
    this.#keep(record, pin);
  }

  /** A layer that is in the store with all it needs; from now on it stays for this write session. */
  find(chainId: ChainId): LayerRecord | undefined {
    const known = this.#known.get(chainId);
    if (known !== undefined) return known;
    const pin = tryLockDirectory(this.#layout.layer(chainId), LOCK_SH);
    if (typeof pin === "string") return undefined;
    let record: LayerRecord | undefined;
    try {
      record = this.#readWhole(chainId);
    } finally {
      if (record === undefined) pin.close();
    }
    if (record === undefined) {
      this.#warnOfDamage(chainId);
      return undefined;
    }
    this.#keep(record, pin);
    return record;
  }

  /** Whether this write session found the layer, or published it. */
  has(chainId: ChainId): boolean {
    return this.#known.has(chainId);
  }

  #keep(record: LayerRecord, pin: LockedFile): void {
    const { chainId, parent } = record;
    this.#unpin(chainId);
    this.#pins.set(chainId, pin);
    this.#known.set(chainId, record);
    // A layer with a child is not retracted: one lock holds a whole chain.
    if (parent !== undefined) this.#unpin(parent);
  }

  /** Reads a layer down to what is known already, and checks upwards from there. */
  #readWhole(chainId: ChainId): LayerRecord | undefined {
    const { places } = this.#session;
    const unchecked: LayerRecord[] = [];
    let next: ChainId | undefined = chainId;
    while (next !== undefined && (next === chainId || !places.has(next))) {
      const record: LayerRecord | undefined = readLayer(this.#layout, next);
      if (record === undefined || unchecked.length === MAX_LAYERS) {
        return undefined;
      }
      unchecked.push(record);
      next = record.parent;
    }
    for (const record of unchecked.toReversed()) {
      const below = record.parent && places.get(record.parent);
      const place = findPlace(this.#layout, record, below);
      if (place === undefined) return undefined;
      places.set(record.chainId, place);
    }
    return unchecked[0];
  }

  #unpin(chainId: ChainId): void {
    const pin = this.#pins.get(chainId);
    this.#pins.delete(chainId);
    pin?.close();
  }

  #warnOfDamage(chainId: ChainId): void {
    if (this.#damaged.has(chainId)) return;
    this.#damaged.add(chainId);
    this.#session.warn({
      code: "LAYER_DAMAGED",
      message: `the layer ${chainId} in ${this.#layout.root} is incomplete; it is written again`,
    });
  }

  /** Gives all of them free. */
  release(): void {
    for (const chainId of this.#pins.keys()) this.#unpin(chainId);
  }
}
