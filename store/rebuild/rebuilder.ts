/** Tars of stored layers, given back bit for bit by threads of their own. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { DiffId } from "../digest.js";
import { TpullError } from "../errors.js";
import { fromWire } from "../ingest/job.js";
import type { StoredLayer } from "../ingest/tar-split-source.js";
import type { Answer, Order } from "./messages.js";

/** More threads than this read no faster: the files come from one disk. */
const MOST_THREADS = 4;
const WORKER_LIMITS = {
  maxOldGenerationSizeMb: 512,
  maxYoungGenerationSizeMb: 16,
};

export interface RebuildOptions {
  /** The first byte to give; default 0. */
  readonly start?: number;
  /** Where to end, before this byte; at most the tar's size. */
  readonly end: number;
  /**
   * What the tar hashes to. Where `start` is 0 and `end` is the tar's size, the
   * last bytes are given only if all of them do.
   */
  readonly diffId?: DiffId;
  /** Bytes in a piece; asked for each. Default 256 KiB. */
  readonly pieceBytes?: () => number;
}

type Settle = {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
};

class Thread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Settle>();
  readonly #ended: Promise<void>;
  #orders = 0;
  /** Streams that it has open. */
  streams = 0;
  dead = false;

  constructor() {
    this.#worker = new Worker(new URL("./rebuild-worker.js", import.meta.url), {
      resourceLimits: WORKER_LIMITS,
    });
    this.#worker.unref();
    this.#worker.on("message", (answer: Answer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (this.#waiting.size === 0) this.#worker.unref();
      if (answer.error === undefined) waiting?.resolve(answer);
      else waiting?.reject(fromWire(answer.error));
    });
    this.#worker.on("error", (error) => this.#die(error));
    this.#worker.on("exit", () => this.#die(new Error("it ended")));
    this.#ended = new Promise((resolve) => {
      this.#worker.once("exit", () => resolve());
    });
  }

  #die(cause: Error): void {
    this.dead = true;
    for (const { reject } of this.#waiting.values()) {
      reject(
        new TpullError(
          "WORKER_FAILED",
          `a thread that rebuilds layers stopped: ${cause.message}`,
          { cause },
        ),
      );
    }
    this.#waiting.clear();
  }

  ask(make: (id: number) => Order): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.dead) {
        reject(
          new TpullError("WORKER_FAILED", "the threads were stopped already"),
        );
        return;
      }
      const id = ++this.#orders;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage(make(id));
    });
  }

  tell(order: Order): void {
    if (!this.dead) this.#worker.postMessage(order);
  }

  async end(): Promise<void> {
    this.tell({ kind: "end" });
    this.#die(new Error("it was stopped"));
    this.#worker.ref();
    await this.#ended;
  }
}

/**
 * Gives back tars. Threads are started when there is something to do, and are
 * kept until the rebuilder is disposed of. Any number of tars may be read at
 * once, each as slowly as its reader likes.
 */
export class LayerRebuilder implements AsyncDisposable {
  readonly #threads: (Thread | undefined)[] = Array.from({
    length: Math.min(MOST_THREADS, availableParallelism()),
  });
  #streams = 0;

  /**
   * The length of a layer's tar in bytes, from its record alone: no file of the
   * layer is opened.
   * @throws TpullError `LAYER_DAMAGED`, `WORKER_FAILED`
   */
  async size(layer: StoredLayer): Promise<number> {
    const { size = 0 } = await this.#thread().ask((id) => ({
      kind: "measure",
      id,
      layer,
    }));
    return size;
  }

  /**
   * The tar, or a part of it, in pieces. The files behind it are read as it is
   * asked for, so whoever stops asking stops the reading.
   * @throws TpullError `LAYER_DAMAGED` when something of the layer cannot be
   *   read, or is not what it was; `WORKER_FAILED`
   */
  async *read(
    layer: StoredLayer,
    options: RebuildOptions,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    const { start = 0, end, pieceBytes = () => 256 * 1024 } = options;
    const diffId = start === 0 ? options.diffId : undefined;
    const thread = this.#thread();
    const stream = ++this.#streams;
    thread.streams += 1;
    try {
      await thread.ask((id) => ({
        kind: "open",
        id,
        stream,
        layer,
        from: start,
        diffId,
      }));
      for (let at = start; at < end;) {
        const most = Math.min(pieceBytes(), end - at);
        const last = diffId !== undefined && at + most === end;
        const { bytes } = await thread.ask((id) => ({
          kind: "read",
          id,
          stream,
          most,
          last,
        }));
        if (bytes === undefined || bytes.length === 0) {
          throw new TpullError(
            "LAYER_DAMAGED",
            `the layer's tar ends after ${at} bytes, before ${end}`,
          );
        }
        at += bytes.length;
        yield bytes;
      }
    } finally {
      thread.streams -= 1;
      thread.tell({ kind: "close", stream });
    }
  }

  /** The thread with the fewest streams. */
  #thread(): Thread {
    let best: Thread | undefined;
    for (const [at, known] of this.#threads.entries()) {
      if (known === undefined || known.dead) {
        if (best !== undefined && best.streams === 0) continue;
        const thread = new Thread();
        this.#threads[at] = thread;
        return thread;
      }
      if (best === undefined || known.streams < best.streams) best = known;
    }
    return best as Thread;
  }

  /** Ends the threads; what is being read fails. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread?.end()));
  }
}
