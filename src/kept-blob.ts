/**
 * A blob of which a part may be here from an earlier run: that part is read
 * from disk, the rest is fetched, and what is fetched is kept in its turn for
 * the case that this run does not come to its end either. Whoever reads the
 * blob hashes all of it, wherever it came from.
 */
import type { ByteRange, PartialBlob } from "../store/index.js";
import type { LinkSpeed } from "./link-speed.js";

/** Smaller blobs are fetched again sooner than they are kept. */
export const MIN_KEPT_BYTES: number = 256 * 1024;
/** For so long the first bytes stay in memory: by then a fast link is known for what it is. */
const HOLD_MS = 50;

export interface KeptBlobOptions {
  /** Bytes of the blob. */
  readonly size: number;
  /** Undefined where nothing is here and nothing is to be kept. */
  readonly partial: PartialBlob | undefined;
  readonly speed: LinkSpeed;
  /** Begins to fetch bytes. There may be more than asked for: they are not read. */
  readonly fetch: (range: ByteRange) => AsyncIterable<Uint8Array>;
  /** Called with the number of bytes that came from the network, for each chunk. */
  readonly onReceived: (bytes: number) => void;
}

export class KeptBlob {
  /** Bytes that were here when it was opened. */
  readonly here: number;
  readonly #options: KeptBlobOptions;
  readonly #ranges: readonly ByteRange[];
  /** Bytes that have come and of which it is not decided whether to keep them. */
  #held: { offset: number; chunk: Uint8Array }[] | undefined;
  #holding: NodeJS.Timeout | undefined;
  #fromDisk = 0;
  /** Chunks that were kept before their turn, by offset. */
  readonly #ahead = new Map<number, number>();

  constructor(options: KeptBlobOptions) {
    this.#options = options;
    this.#ranges = options.partial?.ranges ?? [];
    this.here = this.#ranges.reduce((sum, { from, to }) => sum + to - from, 0);
    // What was interrupted once did not come fast.
    this.#held = this.here === 0 ? [] : undefined;
  }

  /** Bytes that have been read from disk. */
  get fromDisk(): number {
    return this.#fromDisk;
  }

  /** The blob from its first byte to its last. */
  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    const { size } = this.#options;
    let at = 0;
    for (const range of this.#ranges) {
      if (at < range.from) yield* this.#network({ from: at, to: range.from });
      yield* this.#disk(range);
      at = range.to;
    }
    if (at < size) yield* this.#network({ from: at, to: size });
  }

  async *#disk(range: ByteRange): AsyncGenerator<Uint8Array, void, undefined> {
    const { partial } = this.#options;
    let at = range.from;
    try {
      for await (const chunk of partial!.read(range)) {
        at += chunk.length;
        this.#fromDisk += chunk.length;
        yield chunk;
      }
    } catch {
      // What the disk does not give back can still be fetched.
    }
    if (at < range.to) yield* this.#network({ from: at, to: range.to });
  }

  async *#network(
    range: ByteRange,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { speed, fetch, onReceived } = this.#options;
    let at = range.from;
    speed.begin();
    try {
      let asked = speed.now();
      for await (const whole of fetch(range)) {
        const waited = speed.now() - asked;
        const left = range.to - at;
        const chunk = whole.length > left ? whole.subarray(0, left) : whole;
        onReceived(chunk.length);
        speed.add(chunk.length, waited);
        this.#keep(at, chunk);
        at += chunk.length;
        yield chunk;
        if (at === range.to) return;
        asked = speed.now();
      }
    } finally {
      speed.end();
    }
  }

  /** Keeps bytes that several streams have brought before their turn. */
  keepAhead(offset: number, chunk: Uint8Array): void {
    const { partial, speed } = this.#options;
    if (partial === undefined || speed.isFast === true) return;
    this.#ahead.set(offset, chunk.length);
    partial.keep(offset, chunk);
  }

  #keep(offset: number, chunk: Uint8Array): void {
    const { partial, speed } = this.#options;
    if (partial === undefined) return;
    if (this.#ahead.get(offset) === chunk.length) {
      this.#ahead.delete(offset);
      return;
    }
    if (speed.isFast === true) this.#drop();
    else if (this.#held === undefined) partial.keep(offset, chunk);
    else {
      this.#held.push({ offset, chunk });
      if (speed.isFast === false) this.#keepHeld();
      else
        this.#holding ??= setTimeout(() => this.#keepHeld(), HOLD_MS).unref();
    }
  }

  #keepHeld(): void {
    const held = this.#held ?? [];
    this.#drop();
    for (const { offset, chunk } of held) {
      this.#options.partial?.keep(offset, chunk);
    }
  }

  #drop(): void {
    clearTimeout(this.#holding);
    this.#held = undefined;
  }

  /** Gives the blob up for now; what came of it stays. */
  async close(): Promise<void> {
    this.#keepHeld();
    await this.#options.partial?.close();
  }

  /** Nobody will want what is here of it. */
  async remove(): Promise<void> {
    this.#drop();
    await this.#options.partial?.remove();
  }
}
