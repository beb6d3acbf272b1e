import type { BlobOptions, RetryEvent } from "./registry/client.js";
import { type BlobSource, placeOf } from "./layer-request.js";

/** What the opener of an early blob passes on to the registry client. */
export type EarlyHooks = Required<
  Pick<
    BlobOptions,
    "signal" | "onAhead" | "onReceived" | "onResume" | "onRetry"
  >
>;

/** Begins to fetch a blob. */
export type OpenBlob = (hooks: EarlyHooks) => AsyncIterable<Uint8Array>;

/** What a reader hears of the connection. */
export interface EarlyListener {
  /** The bytes come over more than one connection. */
  onResume(): void;
  onAhead(offset: number, chunk: Uint8Array): void;
  onReceived(host: string, bytes: number): void;
  onRetry(retry: RetryEvent): void;
}

/**
 * A blob whose request goes out before anybody reads it: layers are asked for
 * together with the config, and the answer waits in the socket until the
 * config has said where the layer belongs. Saves a round trip for each image.
 */
export class EarlyBlob implements AsyncIterable<Uint8Array> {
  /** Where it comes from. */
  readonly place: string;
  readonly #stop = new AbortController();
  readonly #chunks: AsyncIterator<Uint8Array>;
  /** Kept for the reader until there is one. */
  readonly #unheard: ((listener: EarlyListener) => void)[] = [];
  #first: Promise<IteratorResult<Uint8Array>> | undefined;
  #listener: EarlyListener | undefined;

  constructor(source: BlobSource, open: OpenBlob) {
    this.place = placeOf(source);
    const chunks = open({
      signal: this.#stop.signal,
      onResume: () => this.#tell((listener) => listener.onResume()),
      onAhead: (offset, chunk) =>
        this.#tell((listener) => listener.onAhead(offset, chunk)),
      onReceived: (host, bytes) =>
        this.#tell((listener) => listener.onReceived(host, bytes)),
      onRetry: (retry) => this.#tell((listener) => listener.onRetry(retry)),
    });
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#first = this.#chunks.next();
    // A failure is news for the reader; without one it is not worth a crash.
    this.#first.catch(() => undefined);
  }

  /** Tells what happens from now on, and what has happened before. */
  listen(listener: EarlyListener): void {
    this.#listener = listener;
    for (const say of this.#unheard.splice(0)) say(listener);
  }

  #tell(say: (listener: EarlyListener) => void): void {
    if (this.#listener === undefined) this.#unheard.push(say);
    else say(this.#listener);
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

/**
 * The early blobs of a run. Images share them as they share layers: a blob goes
 * to the first that asks for it, whichever image ordered it.
 */
export class EarlyBlobs {
  readonly #blobs = new Map<string, EarlyBlob>();

  /** How many wait for a reader. */
  get size(): number {
    return this.#blobs.size;
  }

  /** Begins the order of one image: what nobody has taken by its end is given up. */
  order(): EarlyOrder {
    return new EarlyOrder(this.#blobs);
  }

  /** Who takes a blob reads or cancels it. */
  take(source: BlobSource): EarlyBlob | undefined {
    const key = keyOf(source);
    const blob = this.#blobs.get(key);
    this.#blobs.delete(key);
    return blob;
  }
}

/** The early blobs that one image has ordered. */
export class EarlyOrder implements Disposable {
  readonly #shared: Map<string, EarlyBlob>;
  readonly #own = new Map<string, EarlyBlob>();

  constructor(shared: Map<string, EarlyBlob>) {
    this.#shared = shared;
  }

  add(source: BlobSource, open: OpenBlob): void {
    const key = keyOf(source);
    if (this.#shared.has(key)) return;
    const blob = new EarlyBlob(source, open);
    this.#own.set(key, blob);
    this.#shared.set(key, blob);
  }

  [Symbol.dispose](): void {
    for (const [key, blob] of this.#own) {
      if (this.#shared.get(key) !== blob) continue;
      this.#shared.delete(key);
      blob.cancel();
    }
  }
}

/** The same bytes from another place are as good, if they are as many. */
function keyOf({ descriptor }: BlobSource): string {
  return `${descriptor.digest} ${descriptor.size}`;
}
