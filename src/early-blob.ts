import type { Digest } from "../store/index.js";

/** What the opener of an early blob passes on to the registry client. */
export interface EarlyHooks {
  readonly signal: AbortSignal;
  readonly onResume: () => void;
}

/**
 * A blob whose request goes out before anybody reads it: layers are asked for
 * together with the config, and the answer waits in the socket until the
 * config has said where the layer belongs. Saves a round trip for each image.
 */
export class EarlyBlob implements AsyncIterable<Uint8Array> {
  readonly #stop = new AbortController();
  readonly #chunks: AsyncIterator<Uint8Array>;
  #first: Promise<IteratorResult<Uint8Array>> | undefined;
  #resumed = false;
  #listener: (() => void) | undefined;

  constructor(open: (hooks: EarlyHooks) => AsyncIterable<Uint8Array>) {
    const hooks = {
      signal: this.#stop.signal,
      onResume: () => {
        this.#resumed = true;
        this.#listener?.();
      },
    };
    this.#chunks = open(hooks)[Symbol.asyncIterator]();
    this.#first = this.#chunks.next();
    // A failure is news for the reader; without one it is not worth a crash.
    this.#first.catch(() => undefined);
  }

  /** Calls back when the bytes come over more than one connection, also if they did before. */
  listen(onResume: () => void): void {
    this.#listener = onResume;
    if (this.#resumed) onResume();
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

/** The early blobs of an image: each goes to the first that asks for it, the rest are given up. */
export class EarlyBlobs implements AsyncDisposable {
  readonly #blobs = new Map<Digest, EarlyBlob>();

  add(digest: Digest, open: () => EarlyBlob): void {
    if (!this.#blobs.has(digest)) this.#blobs.set(digest, open());
  }

  /** Who takes a blob reads or cancels it. */
  take(digest: Digest): EarlyBlob | undefined {
    const blob = this.#blobs.get(digest);
    this.#blobs.delete(digest);
    return blob;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const blob of this.#blobs.values()) blob.cancel();
    this.#blobs.clear();
  }
}
