/** One thread that rebuilds tars, as the main thread sees it. */
import { Worker } from "node:worker_threads";
import { TpullError } from "../errors.js";
import { fromWire } from "../ingest/job.js";
import type { Answer, Order } from "./messages.js";

const WORKER_LIMITS = {
  maxOldGenerationSizeMb: 512,
  maxYoungGenerationSizeMb: 16,
};

type Settle = {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
};

export class RebuildThread {
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
