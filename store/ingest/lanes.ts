/**
 * Threads that take one job at a time, each with the ring that brings it bytes
 * or stops it. They start when the first job needs them and are kept for the next.
 */
import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { TpullError, abortedError } from "../errors.js";
import type { Answer, Job } from "./job.js";
import { type RingMemory, abortRing, createRing } from "./ring.js";
import { takeThread } from "./threads.js";

const BLOB_RING_BYTES = 1024 * 1024;

/** A compressed layer below this is unpacked in less time than a thread takes to start. */
const SMALL_BLOB_BYTES = 1024 * 1024;
/** How long such a layer waits for a thread that others leave before it has one started. */
const PATIENCE_MS = 500;

/** @param size bytes of a blob, undefined where they are not known */
export function isSmall(size: number | undefined): boolean {
  return size !== undefined && size < SMALL_BLOB_BYTES;
}

/** One thread. */
export class Lane {
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  readonly blob: RingMemory = createRing(BLOB_RING_BYTES);
  /** Set once the thread is gone; the lane is not used again. */
  dead = false;
  #settle:
    | { resolve: (answer: Answer) => void; reject: (error: Error) => void }
    | undefined;

  constructor(heapMb: number) {
    this.#worker = takeThread(heapMb);
    this.#worker.on("message", (answer: Answer) => {
      this.#worker.unref();
      this.#settle?.resolve(answer);
      this.#settle = undefined;
    });
    this.#worker.on("error", (error) => this.#die(error));
    this.#worker.on("exit", () => this.#die(new Error("it ended")));
    this.#ended = new Promise((resolve) => {
      this.#worker.once("exit", () => resolve());
    });
  }

  #die(cause: Error): void {
    this.dead = true;
    abortRing(this.blob);
    this.#settle?.reject(
      new TpullError(
        "WORKER_FAILED",
        `an unpack worker stopped: ${cause.message}`,
        { cause },
      ),
    );
    this.#settle = undefined;
  }

  run(job: Job): Promise<Answer> {
    this.#worker.ref();
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#worker.postMessage(job);
    });
  }

  /**
   * Gives up the job, if there is one, and has the thread come to its own end:
   * to terminate one that is loading or calling native code can take the whole
   * process down.
   */
  async close(): Promise<void> {
    this.#die(new Error("it was stopped"));
    this.#worker.ref();
    this.#worker.postMessage({ role: "end" } satisfies Job);
    await this.#ended;
  }
}

/** The threads of a pool: who has one, and who waits for one. */
export class Lanes {
  readonly #heapMb: number;
  readonly #idle: Lane[] = [];
  readonly #all = new Set<Lane>();
  /** Small layers that wait for a lane, the first first. */
  readonly #waiting = new Set<(lane: Lane | undefined) => void>();
  #isClosed = false;

  /** @param heapMb most memory for the objects of one thread, in MiB */
  constructor(heapMb: number) {
    this.#heapMb = heapMb;
  }

  /** Starts workers ahead of their first layers, while the network is still being asked. */
  warm(count: number): void {
    while (this.#all.size < count) {
      const lane = new Lane(this.#heapMb);
      this.#all.add(lane);
      this.#idle.push(lane);
    }
  }

  /** A lane that is idle, or another. */
  take(): Lane {
    for (let lane = this.#idle.pop(); lane; lane = this.#idle.pop()) {
      if (!lane.dead) return lane;
      this.#all.delete(lane);
    }
    const lane = new Lane(this.#heapMb);
    this.#all.add(lane);
    return lane;
  }

  /**
   * A lane for a blob. Where all processors have one, a small blob waits for
   * one of these: another thread would take their time to start.
   * @param size bytes of the blob, where they are known
   * @throws TpullError `ABORTED`, also when the lanes are closed meanwhile
   */
  async takeFor(
    size: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Lane> {
    if (signal?.aborted) throw abortedError();
    const isFull = this.#all.size >= availableParallelism();
    if (!isSmall(size) || !isFull || this.#idle.length > 0) return this.take();
    const lane = await this.#nextLane(signal);
    if (signal?.aborted || this.#isClosed) {
      if (lane !== undefined) this.give(lane);
      throw abortedError();
    }
    return lane ?? this.take();
  }

  /** The next lane that is given back; undefined when none is in time. */
  #nextLane(signal: AbortSignal | undefined): Promise<Lane | undefined> {
    return new Promise((resolve) => {
      const settle = (lane: Lane | undefined): void => {
        this.#waiting.delete(settle);
        clearTimeout(timer);
        signal?.removeEventListener("abort", giveUp);
        resolve(lane);
      };
      const giveUp = (): void => settle(undefined);
      const timer = setTimeout(giveUp, PATIENCE_MS);
      signal?.addEventListener("abort", giveUp, { once: true });
      this.#waiting.add(settle);
    });
  }

  /** Takes a lane back that has no job any more. */
  give(lane: Lane): void {
    if (lane.dead) {
      this.#all.delete(lane);
      return;
    }
    const [next] = this.#waiting;
    if (next === undefined) this.#idle.push(lane);
    else next(lane);
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const giveUp of this.#waiting) giveUp(undefined);
    await Promise.all([...this.#all].map((lane) => lane.close()));
    this.#all.clear();
    this.#idle.length = 0;
  }
}
