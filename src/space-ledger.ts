/** Keeps account of the disk that the images of one run take, so that together they are not promised more than there is. */
import type { ChainId, Store } from "../store/index.js";
import {
  type FreeSpace,
  type SizedLayer,
  type SpaceNeed,
  certainNeed,
  estimateNeed,
  exceeds,
  freeSpace,
  notEnoughSpace,
} from "./space.js";

/** The space of one image: given up if the image fails, spent if it does not. */
export interface Reservation {
  /** The layers are stored. */
  settle(): void;
  /** They are not, and will not be. */
  release(): void;
}

export interface SpaceHooks {
  /** Whether some of a layer is on the disk already. */
  readonly isBegun: (chainId: ChainId) => boolean;
  /**
   * Removes what interrupted runs left; called before a refusal only.
   * @param shortBytes how much is missing
   */
  readonly makeRoom: (shortBytes: number) => Promise<unknown>;
  /** Told what the estimate says, when there may be too little. */
  readonly onTight: (estimate: SpaceNeed, free: FreeSpace) => void;
  /** What a refusal says does not fit. */
  readonly subject?: "the images do";
}

export class SpaceLedger {
  readonly #root: string;
  readonly #measure: () => FreeSpace;
  /** Layers on their way, however many images want them. */
  readonly #pending = new Map<ChainId, { layer: SizedLayer; users: number }>();
  /** What was free before the pending layers began to take it. */
  #before: FreeSpace | undefined;

  /** @param measure replaces statfs, for tests */
  constructor(
    store: Pick<Store, "root" | "layout">,
    measure: () => FreeSpace = () => freeSpace(store),
  ) {
    this.#root = store.root;
    this.#measure = measure;
  }

  /** Bytes of the blobs of all layers that space is set aside for. */
  get pendingBytes(): number {
    return [...this.#pending.values()].reduce(
      (sum, { layer }) => sum + layer.size,
      0,
    );
  }

  /**
   * Sets space aside for layers that will be written. Of layers that have some
   * already nobody is warned again.
   * @throws TpullError `NOT_ENOUGH_SPACE` when they cannot fit
   */
  async reserve(
    layers: readonly SizedLayer[],
    { isBegun, makeRoom, onTight, subject }: SpaceHooks,
  ): Promise<Reservation> {
    const first = this.#shortage(layers, isBegun);
    if (first !== undefined) {
      const { need, free } = first;
      await this.#noteRoom(() => makeRoom(need.bytes - free.bytes));
      const last = this.#shortage(layers, isBegun);
      if (last !== undefined) {
        throw notEnoughSpace(this.#root, last.need, last.free, subject);
      }
    }
    const free = this.#free();
    const estimate = estimateNeed(this.#together(layers));
    const isNew = layers.some(({ chainId }) => !this.#pending.has(chainId));
    if (isNew && exceeds(estimate, free)) onTight(estimate, free);
    for (const layer of layers) {
      const { chainId } = layer;
      const known = this.#pending.get(chainId);
      const users = (known?.users ?? 0) + 1;
      this.#pending.set(chainId, { layer, users });
    }
    let open = true;
    const close = (stored: boolean): void => {
      if (open) this.#close(layers, stored);
      open = false;
    };
    return { settle: () => close(true), release: () => close(false) };
  }

  #shortage(
    layers: readonly SizedLayer[],
    isBegun: SpaceHooks["isBegun"],
  ): { need: SpaceNeed; free: FreeSpace } | undefined {
    const free = this.#free();
    // What another process is writing has taken its space, or some of it.
    const counted = layers.filter(({ chainId }) => !isBegun(chainId));
    const need = certainNeed(this.#together(counted), free);
    return exceeds(need, free) ? { need, free } : undefined;
  }

  /** All that is to be written, with these layers. */
  #together(layers: readonly SizedLayer[]): SizedLayer[] {
    const pending = [...this.#pending.values()].map(({ layer }) => layer);
    const fresh = layers.filter(({ chainId }) => !this.#pending.has(chainId));
    return [...pending, ...fresh];
  }

  async #noteRoom(makeRoom: () => Promise<unknown>): Promise<void> {
    const before = this.#measure().bytes;
    await makeRoom();
    const gained = this.#measure().bytes - before;
    if (gained > 0) this.#change(gained);
  }

  #close(layers: readonly SizedLayer[], stored: boolean): void {
    for (const { chainId } of layers) {
      const known = this.#pending.get(chainId);
      if (known === undefined) continue;
      known.users -= 1;
      if (!stored && known.users > 0) continue;
      this.#pending.delete(chainId);
      if (!stored || this.#before === undefined) continue;
      this.#change(-certainNeed([known.layer], this.#before).bytes);
    }
    if (this.#pending.size === 0) this.#before = undefined;
  }

  #change(bytes: number): void {
    const before = this.#before;
    if (before === undefined) return;
    this.#before = { ...before, bytes: before.bytes + bytes };
  }

  /**
   * What is free, counting as free what pending layers have taken of it: they
   * are counted as needed in full.
   */
  #free(): FreeSpace {
    const now = this.#measure();
    const before = this.#before;
    if (before === undefined || now.bytes > before.bytes) this.#before = now;
    return this.#before ?? now;
  }
}
