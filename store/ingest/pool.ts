/**
 * Hands layers to unpack workers. Workers start when the first layer needs
 * them and are kept for the next; how many layers run at once is the caller's
 * decision.
 */
import { abortable } from "../abortable.js";
import { abortedError } from "../errors.js";
import type {
  CheckedLayer,
  LayerToCheck,
} from "../verify/content/check-layer.js";
import {
  type Answer,
  type BlobSeen,
  type Job,
  endsJob,
  fromWire,
} from "./job.js";
import { isSmall, type Lane, Lanes } from "./lanes.js";
import {
  type RingMemory,
  RingWriter,
  abortRing,
  createRing,
  resetRing,
  ringChunks,
} from "./ring.js";
import type { RebuildOrder, Rebuilt } from "./rebuild.js";
import type { StoredLayer } from "./tar-split-source.js";
import { WORKER_HEAP_MB } from "./threads.js";
import type { Unpacked, UnpackTarget } from "./unpack.js";

const TAR_RING_BYTES = 4 * 1024 * 1024;

export interface IngestOptions {
  readonly target: UnpackTarget;
  /** Bytes of the blob, where they are known: a small one may wait a moment for a thread. */
  readonly size?: number | undefined;
  /** Two threads for this layer instead of one. */
  readonly wide: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of blob bytes taken in, for each chunk. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Called once, when the last byte has been taken in. */
  readonly onReceived?: (() => void) | undefined;
}

export interface Ingested {
  readonly blob: BlobSeen;
  /** Absent when unpacking failed; then `error` says why. */
  readonly unpacked: Unpacked | undefined;
  readonly error: Error | undefined;
}

/** A job as it is before a lane gives it the ring to be stopped by. */
type Unstoppable<Role extends Job["role"]> = Omit<
  Extract<Job, { role: Role }>,
  "stop"
>;

export class IngestPool implements AsyncDisposable {
  readonly #lanes: Lanes;
  readonly #tarRings: RingMemory[] = [];

  /** @param heapMb most memory for the objects of one worker, in MiB */
  constructor(heapMb: number = WORKER_HEAP_MB) {
    this.#lanes = new Lanes(heapMb);
  }

  /**
   * Reads a blob to its end and unpacks it meanwhile. The blob's digest and
   * length are reported, not judged: the caller knows what they should be.
   * @throws TpullError `ABORTED`, `WORKER_FAILED`; whatever `chunks` throws;
   *   what has nothing to do with the blob (`DISK_FULL`, …), as soon as it happens
   */
  async ingest(
    chunks: AsyncIterable<Uint8Array>,
    options: IngestOptions,
  ): Promise<Ingested> {
    const { size, signal } = options;
    const isTakenIn = isSmall(size);
    const blob = isTakenIn ? await takenIn(chunks, options) : chunks;
    const first = await this.#lanes.takeFor(size, signal);
    const second = options.wide ? this.#lanes.take() : undefined;
    const tar = second ? this.#takeTarRing() : undefined;
    resetRing(first.blob);
    let stop = (): void => {};
    const stopped = new Promise<Settled<void>>((resolve) => {
      stop = (): void => {
        abortRing(first.blob);
        if (tar) abortRing(tar);
        resolve({ error: abortedError() });
      };
    });
    options.signal?.addEventListener("abort", stop, { once: true });
    const { target } = options;
    const answers =
      tar && second
        ? [
            first.run({ role: "inflate", blob: first.blob, tar }),
            second.run({ role: "unpack", tar, target }),
          ]
        : [first.run({ role: "whole", blob: first.blob, target })];
    // A thread that died must not leave the other one waiting for it, and a
    // full disk is no reason to take in the rest of the blob.
    for (const answer of answers) void onFailure(answer, stop);
    const feeding = settle(
      feed(blob, new RingWriter(first.blob), isTakenIn ? {} : options),
    );
    try {
      // Not for longer than there is a use for it: the source may hang.
      const fed = await Promise.race([feeding, stopped]);
      if (fed.error !== undefined) stop();
      const settled = await Promise.all(answers.map(settle));
      if (options.signal?.aborted) throw abortedError();
      if (fed.error !== undefined && !isStopped(fed.error)) throw fed.error;
      for (const { error } of settled) if (error !== undefined) throw error;
      return join(settled.map(({ value }) => value ?? {}));
    } finally {
      options.signal?.removeEventListener("abort", stop);
      void this.#giveAfter(feeding, second ? [first, second] : [first], tar);
    }
  }

  /** Rings may be used again once nobody writes to them any more. */
  async #giveAfter(
    feeding: Promise<unknown>,
    lanes: readonly Lane[],
    tar: RingMemory | undefined,
  ): Promise<void> {
    await feeding;
    for (const lane of lanes) this.#lanes.give(lane);
    if (tar) this.#tarRings.push(tar);
  }

  /**
   * Unpacks a layer once more from one that is stored.
   * @throws TpullError `ABORTED`, `LAYER_DAMAGED` and what unpacking may throw
   */
  async copy(
    from: StoredLayer,
    target: UnpackTarget,
    signal?: AbortSignal,
  ): Promise<Unpacked> {
    const job = { role: "copy", from, target } as const;
    const answer = await this.#stoppable(job, signal);
    const unpacked = wholeOf([answer]);
    if (unpacked === undefined) throw fromWire(answer.error ?? {});
    return unpacked;
  }

  /** Runs a job whose ring only carries the order to stop. */
  async #stoppable(
    job: Unstoppable<"copy"> | Unstoppable<"check">,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    if (signal?.aborted) throw abortedError();
    const lane = this.#lanes.take();
    resetRing(lane.blob);
    const stop = (): void => abortRing(lane.blob);
    signal?.addEventListener("abort", stop, { once: true });
    try {
      return await lane.run({ ...job, stop: lane.blob });
    } finally {
      signal?.removeEventListener("abort", stop);
      this.#lanes.give(lane);
    }
  }

  /**
   * Writes out the tar of a stored layer. That it is the right one is for the
   * caller to see by its diff ID.
   * @throws TpullError `ABORTED`, `WORKER_FAILED` and as {@link rebuild}
   */
  async rebuild(order: RebuildOrder, signal?: AbortSignal): Promise<Rebuilt> {
    if (signal?.aborted) throw abortedError();
    const lane = this.#lanes.take();
    resetRing(lane.blob);
    const stop = (): void => {
      abortRing(lane.blob);
      if ("ring" in order.to) abortRing(order.to.ring);
    };
    signal?.addEventListener("abort", stop, { once: true });
    try {
      const job = { role: "rebuild", order, stop: lane.blob } as const;
      const { rebuilt, error } = await lane.run(job);
      if (rebuilt === undefined) throw fromWire(error ?? {});
      return rebuilt;
    } finally {
      signal?.removeEventListener("abort", stop);
      this.#lanes.give(lane);
    }
  }

  /**
   * Decompresses on a thread of its own; bytes that are not compressed pass.
   * @throws TpullError `ABORTED`, `LAYER_INVALID`, `WORKER_FAILED`, and whatever `chunks` throws
   */
  async *inflate(
    chunks: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    if (signal?.aborted) throw abortedError();
    const lane = this.#lanes.take();
    const tar = this.#takeTarRing();
    resetRing(lane.blob);
    const stop = (): void => {
      abortRing(lane.blob);
      abortRing(tar);
    };
    signal?.addEventListener("abort", stop, { once: true });
    const answer = settle(lane.run({ role: "inflate", blob: lane.blob, tar }));
    let fedError: unknown;
    const feeding = feed(chunks, new RingWriter(lane.blob), {}).catch(
      (error: unknown) => {
        if (!isStopped(error)) fedError = error;
        stop();
      },
    );
    let failure: unknown;
    try {
      yield* ringChunks(tar);
    } catch (error) {
      failure = error;
    } finally {
      stop();
      signal?.removeEventListener("abort", stop);
      // The source may hang, and nobody waits for it any more.
      void this.#giveAfter(feeding, [lane], tar);
      const { value, error } = await answer;
      if (failure !== undefined) {
        // Why the bytes ended is known where they were made.
        if (signal?.aborted) failure = abortedError();
        else if (fedError !== undefined) failure = fedError;
        else if (error !== undefined) failure = error;
        else if (value?.error) failure = fromWire(value.error);
      }
    }
    if (failure !== undefined) throw failure;
  }

  /**
   * Bytes of the tar that {@link rebuild} would write.
   * @throws TpullError `LAYER_DAMAGED`, `WORKER_FAILED`
   */
  async measure(layer: StoredLayer): Promise<number> {
    const lane = this.#lanes.take();
    try {
      const { tarBytes, error } = await lane.run({
        role: "measure",
        layer,
      });
      if (tarBytes === undefined) throw fromWire(error ?? {});
      return tarBytes;
    } finally {
      this.#lanes.give(lane);
    }
  }

  /**
   * Compares a stored layer with its archive.
   * @param progress one 64-bit number, to which the bytes that are read are added
   * @throws TpullError `ABORTED`, `WORKER_FAILED`
   */
  async check(
    layer: LayerToCheck,
    progress: SharedArrayBuffer,
    signal?: AbortSignal,
  ): Promise<CheckedLayer> {
    const job = { role: "check", layer, progress } as const;
    const answer = await this.#stoppable(job, signal);
    if (answer.checked === undefined) throw fromWire(answer.error ?? {});
    return answer.checked;
  }

  /** Starts workers ahead of their first layers, while the network is still being asked. */
  warm(count: number): void {
    this.#lanes.warm(count);
  }

  #takeTarRing(): RingMemory {
    const ring = this.#tarRings.pop() ?? createRing(TAR_RING_BYTES);
    resetRing(ring);
    return ring;
  }

  /** Ends the workers. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lanes.close();
  }
}

/** Who is told how much of a blob has come. */
type Listening = Pick<IngestOptions, "onBytes" | "onReceived">;

/**
 * A small blob, read before a thread is asked for: no thread is held while the
 * network is slow, and as many blobs are on their way as the caller wants. What
 * turns out to be larger is passed on as it comes.
 * @throws TpullError `ABORTED`, without waiting for the source; what the source throws
 */
async function takenIn(
  chunks: AsyncIterable<Uint8Array>,
  { signal, onBytes, onReceived }: IngestOptions,
): Promise<AsyncIterable<Uint8Array>> {
  if (signal?.aborted) throw abortedError();
  const source = told(chunks, { onBytes, onReceived });
  const taken: Uint8Array[] = [];
  let isWhole = false;
  try {
    for (let bytes = 0; !isWhole && isSmall(bytes);) {
      const { done, value } = await abortable(source.next(), signal);
      isWhole = done === true;
      if (value === undefined) continue;
      // It may be a view of a buffer that is filled again.
      taken.push(Uint8Array.from(value));
      bytes += value.length;
    }
  } catch (error) {
    // The source may hang: nobody waits for it.
    source.return(undefined).catch(() => {});
    throw error;
  }
  return (async function* () {
    yield* taken;
    if (!isWhole) yield* source;
  })();
}

/** Tells of each chunk when it has come, and once of the last. */
async function* told(
  chunks: AsyncIterable<Uint8Array>,
  { onBytes, onReceived }: Listening,
): AsyncGenerator<Uint8Array, undefined, undefined> {
  for await (const chunk of chunks) {
    onBytes?.(chunk.length);
    yield chunk;
  }
  onReceived?.();
  return undefined;
}

async function feed(
  chunks: AsyncIterable<Uint8Array>,
  ring: RingWriter,
  { onBytes, onReceived }: Listening,
): Promise<void> {
  for await (const chunk of chunks) {
    const taken = ring.tryWrite(chunk);
    if (taken < chunk.length) await ring.write(chunk.subarray(taken));
    onBytes?.(chunk.length);
  }
  ring.end();
  onReceived?.();
}

interface Settled<Value> {
  readonly value?: Value;
  readonly error?: unknown;
}

function settle<Value>(promise: Promise<Value>): Promise<Settled<Value>> {
  return promise.then(
    (value) => ({ value }),
    (error: unknown) => ({
      error: error ?? new Error("rejected without a reason"),
    }),
  );
}

/** Stops the job when a thread died or found that it cannot go on. */
async function onFailure(
  answer: Promise<Answer>,
  stop: () => void,
): Promise<void> {
  const { value, error } = await settle(answer);
  if (error !== undefined || (value?.error && endsJob(value.error))) stop();
}

/** Feeding failed only because the ring was stopped: the reason lies elsewhere. */
function isStopped(error: unknown): boolean {
  return (error as { code?: unknown }).code === "ABORTED";
}

function join(answers: readonly Answer[]): Ingested {
  const blob = answers.find((answer) => answer.blob !== undefined)?.blob;
  const unpacked = wholeOf(answers);
  const errors = answers.flatMap(({ error }) =>
    error === undefined ? [] : [fromWire(error)],
  );
  // Where both threads failed, one merely noticed that the other stopped.
  const error = errors.find((candidate) => !isStopped(candidate)) ?? errors[0];
  if (blob === undefined)
    throw error ?? new Error("an unpack worker gave no answer");
  return { blob, unpacked: error === undefined ? unpacked : undefined, error };
}

/** The unpacked layer with its diff ID, whichever thread made that. */
function wholeOf(answers: readonly Answer[]): Unpacked | undefined {
  const tree = answers.find(({ unpacked }) => unpacked !== undefined)?.unpacked;
  const diffId =
    tree?.diffId ?? answers.find(({ diffId }) => diffId !== undefined)?.diffId;
  return tree && diffId && { ...tree, diffId };
}
