/**
 * Layers are unpacked in any order but become visible from the base up. Here
 * they wait for the layer below, and all that are ready at the same time are
 * committed together: flushing the disk is what a commit costs, and it costs
 * the same for one layer as for ten.
 */
import {
  type ChainId,
  type LayerRecord,
  type StagedLayer,
  abortedError,
} from "../store/index.js";

interface Waiting {
  readonly staged: StagedLayer;
  readonly resolve: (record: LayerRecord) => void;
  readonly reject: (error: unknown) => void;
}

/** Makes layers visible, base first; resolves to their records in the same order. */
export type Commit = (ready: readonly StagedLayer[]) => Promise<LayerRecord[]>;

export class CommitQueue {
  readonly #commit: Commit;
  readonly #visible = new Set<ChainId>();
  readonly #failed = new Map<ChainId, unknown>();
  /** Staged layers by the chain ID of the layer they wait for. */
  readonly #waiting = new Map<ChainId, Waiting[]>();
  #ready: Waiting[] = [];
  #running = false;

  constructor(commit: Commit) {
    this.#commit = commit;
  }

  /** The layer is on its way, perhaps once more. */
  expect(chainId: ChainId): void {
    this.#failed.delete(chainId);
  }

  /** The layer is in the store; what waits for it may go on. */
  seen(chainId: ChainId): void {
    this.#visible.add(chainId);
    this.#failed.delete(chainId);
    this.#release(chainId);
  }

  /** The layer will not come; what waits for it fails with the same error. */
  fail(chainId: ChainId, error: unknown): void {
    if (this.#visible.has(chainId)) return;
    this.#failed.set(chainId, error);
    const waiting = this.#waiting.get(chainId) ?? [];
    this.#waiting.delete(chainId);
    for (const { reject } of waiting) reject(error);
  }

  /**
   * Resolves once the layer is visible.
   * @param signal ends the wait for the layers below, not a commit under way
   * @throws TpullError `ABORTED`, what a commit throws, and what a layer below failed with
   */
  add(staged: StagedLayer, signal: AbortSignal): Promise<LayerRecord> {
    return new Promise((resolve, reject) => {
      const entry: Waiting = { staged, resolve, reject };
      const { parent } = staged;
      if (parent === undefined || this.#visible.has(parent)) {
        this.#ready.push(entry);
        void this.#run();
      } else if (this.#failed.has(parent)) {
        reject(this.#failed.get(parent));
      } else if (signal.aborted) {
        reject(abortedError());
      } else {
        this.#waiting.set(parent, [
          ...(this.#waiting.get(parent) ?? []),
          entry,
        ]);
        const leave = (): void => this.#leave(parent, entry);
        signal.addEventListener("abort", leave, { once: true });
      }
    });
  }

  #leave(parent: ChainId, entry: Waiting): void {
    const waiting = this.#waiting.get(parent) ?? [];
    if (!waiting.includes(entry)) return;
    const others = waiting.filter((other) => other !== entry);
    if (others.length > 0) this.#waiting.set(parent, others);
    else this.#waiting.delete(parent);
    entry.reject(abortedError());
  }

  #release(chainId: ChainId): void {
    const released = this.#waiting.get(chainId);
    if (released === undefined) return;
    this.#waiting.delete(chainId);
    this.#ready.push(...released);
    void this.#run();
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    while (this.#ready.length > 0) {
      const batch = this.#takeBatch();
      try {
        const records = await this.#commit(batch.map(({ staged }) => staged));
        for (const [index, { staged, resolve }] of batch.entries()) {
          const record = records[index];
          if (record === undefined) throw new Error("a commit lost a layer");
          resolve(record);
          this.seen(staged.claim.chainId);
        }
      } catch (error) {
        for (const { staged, reject } of batch) {
          reject(error);
          this.fail(staged.claim.chainId, error);
        }
      }
    }
    this.#running = false;
  }

  /** Everything ready, and what is ready as soon as that is: parents before children. */
  #takeBatch(): Waiting[] {
    const batch = this.#ready;
    this.#ready = [];
    for (const { staged } of batch) {
      const children = this.#waiting.get(staged.claim.chainId) ?? [];
      this.#waiting.delete(staged.claim.chainId);
      batch.push(...children); // the loop comes to them in turn
    }
    return batch;
  }
}
