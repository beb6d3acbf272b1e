/** A queue in which nobody's place depends on how much others ask for. */

export interface QueueLimits {
  /** That wait for one name at one address. */
  readonly ofName: number;
  /** That wait at one address. */
  readonly ofAddress: number;
  /** That wait at all. */
  readonly all: number;
}

/** Takes items from each address in turn, and of each address from each name in turn. */
export class FairQueue<Item> {
  readonly #limits: QueueLimits;
  readonly #isGone: (item: Item) => boolean;
  readonly #onGone: (item: Item) => void;
  /** By address, then by name. Whose turn it was last comes last. */
  readonly #waiting = new Map<string, Map<string, Item[]>>();
  #size = 0;

  /**
   * @param isGone whether nobody waits for it any more; such items are passed over
   * @param onGone told of each that was
   */
  constructor(
    limits: QueueLimits,
    isGone: (item: Item) => boolean,
    onGone: (item: Item) => void,
  ) {
    this.#limits = limits;
    this.#isGone = isGone;
    this.#onGone = onGone;
  }

  /** @returns whether there was room for it */
  add(address: string, name: string, item: Item): boolean {
    if (!this.#hasRoom(address, name)) {
      this.#forgetGone();
      if (!this.#hasRoom(address, name)) return false;
    }
    const names = this.#waiting.get(address) ?? new Map<string, Item[]>();
    const items = names.get(name) ?? [];
    items.push(item);
    names.set(name, items);
    this.#waiting.set(address, names);
    this.#size += 1;
    return true;
  }

  /** The next one that somebody waits for. */
  take(): Item | undefined {
    for (;;) {
      const [nextAddress] = this.#waiting;
      if (nextAddress === undefined) return undefined;
      const [address, names] = nextAddress;
      this.#waiting.delete(address);
      const [nextName] = names;
      if (nextName === undefined) continue;
      const [name, items] = nextName;
      const item = items.shift();
      names.delete(name);
      if (items.length > 0) names.set(name, items);
      if (names.size > 0) this.#waiting.set(address, names);
      if (item === undefined) continue;
      this.#size -= 1;
      if (!this.#isGone(item)) return item;
      this.#onGone(item);
    }
  }

  #hasRoom(address: string, name: string): boolean {
    const names = this.#waiting.get(address);
    let atAddress = 0;
    for (const items of names?.values() ?? []) atAddress += items.length;
    return (
      this.#size < this.#limits.all &&
      atAddress < this.#limits.ofAddress &&
      (names?.get(name)?.length ?? 0) < this.#limits.ofName
    );
  }

  #forgetGone(): void {
    for (const [address, names] of this.#waiting) {
      for (const [name, items] of names) {
        const gone = items.filter((item) => this.#isGone(item));
        const left = items.filter((item) => !gone.includes(item));
        this.#size -= gone.length;
        for (const item of gone) this.#onGone(item);
        if (left.length > 0) names.set(name, left);
        else names.delete(name);
      }
      if (names.size === 0) this.#waiting.delete(address);
    }
  }
}
