/** A value that follows what it was made from. */

/** How long a look is good for: a burst of requests costs one. */
const LOOK_MS = 500;

export interface Origin<Value> {
  /** Changes when the value may have to be made anew. */
  state(): Promise<string>;
  load(): Promise<Value>;
  /** Told what went wrong, once for each state; the value that was there stays. */
  onFailure(error: unknown): void;
  /** Told of a value that has been replaced. */
  onReplaced?(value: Value): void;
}

export class Refreshed<Value> {
  readonly #origin: Origin<Value>;
  #value: Value;
  #state: string;
  #looked: number = performance.now();
  #looking: Promise<void> | undefined;

  private constructor(origin: Origin<Value>, value: Value, state: string) {
    this.#origin = origin;
    this.#value = value;
    this.#state = state;
  }

  /** @throws what `state` and `load` throw, this first time */
  static async begin<Value>(origin: Origin<Value>): Promise<Refreshed<Value>> {
    const state = await origin.state();
    return new Refreshed(origin, await origin.load(), state);
  }

  /** The value as of half a second ago, or later. */
  async get(): Promise<Value> {
    if (performance.now() - this.#looked > LOOK_MS) {
      this.#looking ??= this.#look();
      await this.#looking;
    }
    return this.#value;
  }

  /** The value as it was last seen. */
  get last(): Value {
    return this.#value;
  }

  async #look(): Promise<void> {
    try {
      const state = await this.#origin.state();
      if (state === this.#state) return;
      this.#state = state;
      const before = this.#value;
      this.#value = await this.#origin.load();
      this.#origin.onReplaced?.(before);
    } catch (error) {
      this.#origin.onFailure(error);
    } finally {
      this.#looked = performance.now();
      this.#looking = undefined;
    }
  }
}
