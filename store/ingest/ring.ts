/**
 * A byte ring in shared memory between one producer and one consumer on
 * different threads.
 *
 * The hot path of a layer is socket -> inflate -> unpack on up to three
 * threads. Messages would copy or transfer every chunk and keep each thread's
 * event loop busy; a ring bounds the memory by construction, lets the inflater
 * write straight into what the unpacker reads, and lets the worker side be
 * plain synchronous code that sleeps in `Atomics.wait` when it has to.
 */
import { abortedError } from "../errors.js";

/** What a stage of the pipeline reads from: the next bytes, or `undefined` at the end. A view is valid until the next call. */
export interface ByteSource {
  next(): Uint8Array | undefined;
  /** Whether the diff ID is made where the bytes come from. Known once there are bytes. */
  readonly isHashed?: boolean;
}

const HEAD = 0; // bytes produced, modulo 2^32
const TAIL = 1; // bytes consumed, modulo 2^32
const STATE = 2;
// Counters to sleep on. They move with every change of HEAD or TAIL and with
// every change of STATE, so no wake-up can fall between a look and a wait.
const FOR_READER = 3;
const FOR_WRITER = 4;
const CONTROL_INTS = 16; // one cache line

function wake(control: Int32Array, sleeper: number): void {
  Atomics.add(control, sleeper, 1);
  Atomics.notify(control, sleeper);
}

/** The producer will write no more. */
const ENDED = 1;
/** The whole job was stopped from outside. */
const ABORTED = 2;
/** The consumer gave up; further bytes would go nowhere. */
const ABANDONED = 4;
/** The producer hashes what it writes. */
const HASHED = 8;

/** The consumer stopped reading: the producer should stop as well, the reason lies with the consumer. */
export class RingAbandonedError extends Error {
  override readonly name = "RingAbandonedError";
}

/** A ring as it travels to a worker. */
export interface RingMemory {
  readonly control: SharedArrayBuffer;
  readonly data: SharedArrayBuffer;
}

/** @param capacity bytes, a power of two */
export function createRing(capacity: number): RingMemory {
  if (capacity <= 0 || (capacity & (capacity - 1)) !== 0) {
    throw new RangeError("ring capacity must be a power of two");
  }
  return {
    control: new SharedArrayBuffer(CONTROL_INTS * 4),
    data: new SharedArrayBuffer(capacity),
  };
}

/** Makes a ring fit for the next job. Only while neither side uses it. */
export function resetRing(memory: RingMemory): void {
  new Int32Array(memory.control).fill(0);
}

/** Stops both sides at once, wherever they wait. */
export function abortRing(memory: RingMemory): void {
  const control = new Int32Array(memory.control);
  Atomics.or(control, STATE, ABORTED);
  wake(control, FOR_READER);
  wake(control, FOR_WRITER);
}

/** Whether {@link abortRing} was called since the last reset. */
export function isRingAborted(memory: RingMemory): boolean {
  return (Atomics.load(new Int32Array(memory.control), STATE) & ABORTED) !== 0;
}

export class RingWriter {
  readonly #control: Int32Array;
  readonly #data: Uint8Array;
  readonly #mask: number;

  constructor(memory: RingMemory) {
    this.#control = new Int32Array(memory.control);
    this.#data = new Uint8Array(memory.data);
    this.#mask = this.#data.length - 1;
  }

  #check(): void {
    const state = Atomics.load(this.#control, STATE);
    if ((state & ABORTED) !== 0) throw abortedError();
    if ((state & ABANDONED) !== 0) throw new RingAbandonedError();
  }

  #free(): number {
    const used =
      (Atomics.load(this.#control, HEAD) - Atomics.load(this.#control, TAIL)) |
      0;
    return this.#data.length - used;
  }

  /**
   * Waits (blocking; workers only) until there is room and returns the free
   * bytes that lie in one piece. Fill a prefix of it, then {@link commit}.
   * @throws ABORTED, RingAbandonedError
   */
  reserve(): Uint8Array {
    for (;;) {
      const seen = Atomics.load(this.#control, FOR_WRITER);
      this.#check();
      const free = this.#free();
      if (free > 0) {
        const at = Atomics.load(this.#control, HEAD) & this.#mask;
        return this.#data.subarray(at, Math.min(at + free, this.#data.length));
      }
      Atomics.wait(this.#control, FOR_WRITER, seen);
    }
  }

  /** Hands the first `length` bytes of what {@link reserve} returned to the consumer. */
  commit(length: number): void {
    Atomics.add(this.#control, HEAD, length);
    wake(this.#control, FOR_READER);
  }

  /**
   * Copies a chunk in without ever blocking the thread: what the main thread
   * uses. Resolves when all of it is in the ring.
   * @throws ABORTED, RingAbandonedError
   */
  async write(chunk: Uint8Array): Promise<void> {
    let offset = 0;
    for (;;) {
      const seen = Atomics.load(this.#control, FOR_WRITER);
      this.#check();
      const free = this.#free();
      if (free > 0) {
        offset += this.#copy(chunk.subarray(offset, offset + free));
        if (offset === chunk.length) return;
        continue;
      }
      const wait = Atomics.waitAsync(this.#control, FOR_WRITER, seen);
      if (wait.async) await wait.value;
    }
  }

  /** Takes the hashing off the consumer; before the first byte. */
  promiseHash(): void {
    Atomics.or(this.#control, STATE, HASHED);
  }

  /** Copies as much as fits right now; returns how much that was. */
  tryWrite(chunk: Uint8Array): number {
    this.#check();
    const free = this.#free();
    return free === 0 ? 0 : this.#copy(chunk.subarray(0, free));
  }

  #copy(chunk: Uint8Array): number {
    const at = Atomics.load(this.#control, HEAD) & this.#mask;
    const first = Math.min(chunk.length, this.#data.length - at);
    this.#data.set(
      first === chunk.length ? chunk : chunk.subarray(0, first),
      at,
    );
    if (first < chunk.length) this.#data.set(chunk.subarray(first), 0);
    this.commit(chunk.length);
    return chunk.length;
  }

  /** No more bytes will come, and those that came are not all: the consumer stops with `ABORTED`. */
  fail(): void {
    Atomics.or(this.#control, STATE, ABORTED);
    wake(this.#control, FOR_READER);
  }

  /** No more bytes will come. */
  end(): void {
    Atomics.or(this.#control, STATE, ENDED);
    wake(this.#control, FOR_READER);
  }
}

export class RingReader implements ByteSource {
  readonly #control: Int32Array;
  readonly #data: Uint8Array;
  readonly #mask: number;
  readonly #most: number;
  /** Length of the view that is out with the caller. */
  #lent = 0;

  /** @param most longest view handed out, in bytes: smaller ones free room for the producer sooner */
  constructor(memory: RingMemory, most: number = 256 * 1024) {
    this.#control = new Int32Array(memory.control);
    this.#data = new Uint8Array(memory.data);
    this.#mask = this.#data.length - 1;
    this.#most = most;
  }

  /**
   * Gives back the view of the last call, then waits (blocking) for bytes.
   * @throws ABORTED
   */
  next(): Uint8Array | undefined {
    if (this.#lent > 0) {
      Atomics.add(this.#control, TAIL, this.#lent);
      wake(this.#control, FOR_WRITER);
      this.#lent = 0;
    }
    for (;;) {
      const seen = Atomics.load(this.#control, FOR_READER);
      // The state is read before HEAD: bytes written before `end` are seen.
      const state = Atomics.load(this.#control, STATE);
      if ((state & ABORTED) !== 0) throw abortedError();
      const head = Atomics.load(this.#control, HEAD);
      const tail = Atomics.load(this.#control, TAIL);
      const used = (head - tail) | 0;
      if (used > 0) {
        const at = tail & this.#mask;
        this.#lent = Math.min(used, this.#most, this.#data.length - at);
        return this.#data.subarray(at, at + this.#lent);
      }
      if ((state & ENDED) !== 0) return undefined;
      Atomics.wait(this.#control, FOR_READER, seen);
    }
  }

  get isHashed(): boolean {
    return (Atomics.load(this.#control, STATE) & HASHED) !== 0;
  }

  /** Tells the producer that nobody reads any more. */
  abandon(): void {
    Atomics.or(this.#control, STATE, ABANDONED);
    wake(this.#control, FOR_WRITER);
  }
}

/**
 * What a worker writes into a ring, for the main thread: read without ever
 * blocking it. A chunk is valid until the next one is asked for.
 * @throws ABORTED
 */
export async function* ringChunks(
  memory: RingMemory,
): AsyncGenerator<Uint8Array, void, undefined> {
  const control = new Int32Array(memory.control);
  const data = new Uint8Array(memory.data);
  for (;;) {
    const seen = Atomics.load(control, FOR_READER);
    const state = Atomics.load(control, STATE);
    if ((state & ABORTED) !== 0) throw abortedError();
    const tail = Atomics.load(control, TAIL);
    const used = (Atomics.load(control, HEAD) - tail) | 0;
    if (used > 0) {
      const at = tail & (data.length - 1);
      const length = Math.min(used, data.length - at);
      yield data.subarray(at, at + length);
      Atomics.add(control, TAIL, length);
      wake(control, FOR_WRITER);
      continue;
    }
    if ((state & ENDED) !== 0) return;
    const wait = Atomics.waitAsync(control, FOR_READER, seen);
    if (wait.async) await wait.value;
  }
}

/** The bytes of one source after another; for tests and small inputs. */
export function sourceOf(chunks: Iterable<Uint8Array>): ByteSource {
  const iterator = chunks[Symbol.iterator]();
  return {
    next(): Uint8Array | undefined {
      const step = iterator.next();
      return step.done === true ? undefined : step.value;
    },
  };
}
