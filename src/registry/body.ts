/**
 * The body of one response: chunks as they came off the socket, not copied,
 * with backpressure, and never waited for longer than the stall limit.
 */
import { abortedError, throwIfAborted } from "../../store/errors.js";

/** Bytes kept for a slow reader before the socket is paused. */
const HIGH_WATER_BYTES = 512 * 1024;
/** How often in a stall period the clock is looked at. */
const TICKS_PER_STALL = 4;

/** What the body controls of the exchange that feeds it. */
export interface BodySource {
  pause(): void;
  resume(): void;
  /** Drops the connection. */
  abort(): void;
}

export interface BodyOptions {
  /** A reader that waits this long (in sum) for fewer than `floorBytes` gets `stalled()`. Milliseconds. */
  readonly stallMs: number;
  /** How much has to arrive in that time; 1 when any byte will do. */
  readonly floorBytes: number;
  /** @param bytes that did arrive */
  readonly stalled: (bytes: number) => Error;
  readonly signal: AbortSignal;
}

interface Waiter {
  resolve(chunk: Uint8Array | undefined): void;
  reject(error: unknown): void;
}

/**
 * A pull-only byte stream with one reader. After the end, an error or
 * {@link cancel} it holds neither timer nor listener.
 */
export class Body {
  readonly #source: BodySource;
  readonly #options: BodyOptions;
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #paused = false;
  #ended = false;
  #error: { readonly value: unknown } | undefined;
  #waiter: Waiter | undefined;

  #watch: NodeJS.Timeout | undefined;
  #idleTicks = 0;
  #bytesInPeriod = 0;

  readonly #onAbort = (): void => {
    this.#drop(abortedError());
  };

  constructor(source: BodySource, options: BodyOptions) {
    this.#source = source;
    this.#options = options;
    options.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** A body that is all there already. */
  static of(bytes: Uint8Array): Body {
    const body = new Body(
      {
        pause: () => undefined,
        resume: () => undefined,
        abort: () => undefined,
      },
      {
        stallMs: Number.POSITIVE_INFINITY,
        floorBytes: 1,
        stalled: abortedError,
        signal: new AbortController().signal,
      },
    );
    if (bytes.length > 0) body.push(bytes);
    body.end();
    return body;
  }

  /** Feeds a chunk; for the exchange only. */
  push(chunk: Uint8Array): void {
    if (this.#settled) return;
    this.#countProgress(chunk.length);
    if (this.#waiter !== undefined) {
      this.#wake()?.resolve(chunk);
      return;
    }
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.length;
    if (this.#queuedBytes >= HIGH_WATER_BYTES && !this.#paused) {
      this.#paused = true;
      this.#source.pause();
    }
  }

  /** The last byte has come; for the exchange only. */
  end(): void {
    if (this.#settled) return;
    this.#ended = true;
    this.#release();
    this.#wake()?.resolve(undefined);
  }

  /** The connection failed; what has arrived before is still read first. For the exchange only. */
  fail(error: unknown): void {
    this.#fail(error);
  }

  /**
   * The next chunk, or `undefined` at the end.
   * @throws TpullError `NETWORK_*`, `ABORTED`
   */
  read(): Promise<Uint8Array | undefined> {
    const chunk = this.#queue.shift();
    if (chunk !== undefined) {
      this.#queuedBytes -= chunk.length;
      if (this.#paused && this.#queuedBytes < HIGH_WATER_BYTES / 2) {
        this.#paused = false;
        this.#source.resume();
      }
      return Promise.resolve(chunk);
    }
    if (this.#error !== undefined) return Promise.reject(this.#error.value);
    if (this.#ended) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      this.#startWatch();
    });
  }

  /**
   * The whole body, if it is no longer than `maxBytes`; else `undefined`, and
   * the connection is dropped as soon as the byte too many arrives.
   */
  async collect(maxBytes: number): Promise<Buffer | undefined> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      const chunk = await this.read();
      if (chunk === undefined) break;
      chunks.push(chunk);
      length += chunk.length;
      if (length > maxBytes) {
        this.cancel();
        return undefined;
      }
    }
    return Buffer.concat(chunks, length);
  }

  /** The first `maxBytes` of the body, for error messages: a failure on the way just ends it. */
  async peek(maxBytes: number): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    try {
      while (length < maxBytes) {
        const chunk = await this.read();
        if (chunk === undefined) break;
        chunks.push(chunk);
        length += chunk.length;
      }
    } catch {
      throwIfAborted(this.#options.signal);
    }
    this.cancel();
    return Buffer.concat(chunks, length).subarray(0, maxBytes);
  }

  /** Reads the rest unseen, up to `maxBytes`, so that the connection can serve again; nobody has to wait for it. */
  drain(maxBytes: number): void {
    this.peek(maxBytes).catch(() => undefined);
  }

  /** Stops reading. The connection is dropped unless the end has come already. */
  cancel(): void {
    this.#drop(abortedError());
  }

  get #settled(): boolean {
    return this.#ended || this.#error !== undefined;
  }

  /** Fails at once, unread chunks and all. The error is set first: the source reports its own end as one, too. */
  #drop(error: unknown): void {
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    if (this.#settled) return;
    this.#fail(error);
    this.#source.abort();
  }

  #fail(error: unknown): void {
    if (this.#settled) return;
    this.#error = { value: error };
    this.#release();
    this.#wake()?.reject(error);
  }

  #wake(): Waiter | undefined {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    return waiter;
  }

  #release(): void {
    clearInterval(this.#watch);
    this.#options.signal.removeEventListener("abort", this.#onAbort);
  }

  // Only ticks that find the reader waiting count, so that a slow reader is
  // never taken for a stalled server; and they count as ticks, not as time, so
  // that neither is a process that was held up itself. Chunks set no timer.
  #startWatch(): void {
    const { stallMs } = this.#options;
    if (this.#watch !== undefined || !Number.isFinite(stallMs)) return;
    this.#watch = setInterval(
      () => {
        if (this.#waiter === undefined) return;
        this.#idleTicks += 1;
        if (this.#idleTicks > TICKS_PER_STALL) {
          this.#drop(this.#options.stalled(this.#bytesInPeriod));
        }
      },
      Math.max(1, stallMs / TICKS_PER_STALL),
    );
  }

  #countProgress(bytes: number): void {
    this.#bytesInPeriod += bytes;
    if (this.#bytesInPeriod < this.#options.floorBytes) return;
    this.#bytesInPeriod = 0;
    this.#idleTicks = 0;
  }
}
