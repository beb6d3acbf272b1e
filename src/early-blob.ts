/**
 * A blob whose request goes out before anybody reads it: layers are asked for
 * together with the config, and the answer waits in the socket until the
 * config has said where the layer belongs. Saves a round trip for each image.
 */
export class EarlyBlob implements AsyncIterable<Uint8Array> {
  readonly #stop = new AbortController();
  readonly #chunks: AsyncIterator<Uint8Array>;
  #first: Promise<IteratorResult<Uint8Array>> | undefined;

  constructor(open: (signal: AbortSignal) => AsyncIterable<Uint8Array>) {
    this.#chunks = open(this.#stop.signal)[Symbol.asyncIterator]();
    this.#first = this.#chunks.next();
    // A failure is news for the reader; without one it is not worth a crash.
    this.#first.catch(() => undefined);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: () => {
        const first = this.#first;
        this.#first = undefined;
        return first ?? this.#chunks.next();
      },
      return: async () => {
        this.cancel();
        return { done: true, value: undefined };
      },
    };
  }

  /** The blob is not needed, or not any more. */
  cancel(): void {
    this.#stop.abort();
    this.#chunks.return?.().catch(() => undefined);
  }
}
