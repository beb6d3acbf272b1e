/**
 * The layers of a run, each brought into the store once: images that share a
 * layer share its job. Layers are fetched in any order, a few at a time, each
 * unpacked while it arrives; they become visible from the base up.
 */
import pLimit from "p-limit";
import {
  type ChainId,
  type DiffId,
  type LayerRecord,
  type Stager,
  type Store,
  type StoreWriter,
  isTpullError,
} from "../store/index.js";
import { CommitQueue } from "./commit-queue.js";
import {
  LayerJob,
  type LayerJobContext,
  type LayerOutcome,
  type LayerRequest,
} from "./layer-job.js";
import type { RegistryClient } from "./registry/client.js";

export interface LayerJobsOptions {
  readonly store: Store;
  readonly writer: () => Promise<StoreWriter>;
  readonly client: RegistryClient;
  readonly stager: Stager;
  /** Layers in flight. */
  readonly concurrency: number;
  /** Threads that can work at the same time. */
  readonly cores: number;
}

export class LayerJobs {
  readonly #store: Store;
  readonly #cores: number;
  readonly #context: LayerJobContext;
  readonly #jobs = new Map<ChainId, LayerJob>();
  /** The first job of a diff ID, which later ones copy from. */
  readonly #byDiffId = new Map<DiffId, LayerJob>();

  constructor(options: LayerJobsOptions) {
    const { store, writer, client, stager } = options;
    this.#store = store;
    this.#cores = options.cores;
    this.#context = {
      store,
      writer,
      client,
      stager,
      limit: pLimit(options.concurrency),
      queue: new CommitQueue(async (ready) =>
        (await writer()).commitLayers(ready),
      ),
      twinOf: (job) => this.#twinOf(job),
      isCritical: (job) => this.#isCritical(job),
    };
  }

  /**
   * Brings layers into the store, the largest first. Resolves when all are
   * visible; on the first failure the others are stopped (unless another image
   * wants them too) and it rejects once they have come to rest.
   * @param requests base first
   */
  async bring(requests: readonly LayerRequest[]): Promise<LayerOutcome[]> {
    await this.#outlastStopped(requests);
    // A copy must find the job it copies from, so jobs are known before any runs.
    const jobs = requests.map((request) => this.#join(request));
    const fresh = [...new Set(jobs.filter(({ isNew }) => isNew))];
    const stored = await this.#stored(fresh.map(({ job }) => job));
    const bySize = fresh.toSorted(
      (a, b) => b.job.request.descriptor.size - a.job.request.descriptor.size,
    );
    for (const { job } of bySize) job.begin(stored.has(job.request.chainId));

    const outcomes = jobs.map(({ job }) => job.outcome);
    const settled = Promise.allSettled(outcomes);
    try {
      return await Promise.all(outcomes);
    } catch (error) {
      for (const [index, { listener }] of requests.entries()) {
        jobs[index]?.job.leave(listener);
      }
      // Nothing of a failed image may still be at work when it is reported.
      // Siblings fail as well, because they were stopped: the cause comes first.
      const cause = (await settled).find(
        (result): result is PromiseRejectedResult =>
          result.status === "rejected" && !isAborted(result.reason),
      );
      throw cause?.reason ?? error;
    }
  }

  /** Waits for jobs that another image gave up and that are not at rest yet. */
  async #outlastStopped(requests: readonly LayerRequest[]): Promise<void> {
    for (const { chainId } of requests) {
      const job = this.#jobs.get(chainId);
      if (job?.stopped) await job.outcome.catch(() => undefined);
    }
  }

  #join(request: LayerRequest): { job: LayerJob; isNew: boolean } {
    const { chainId, diffId } = request;
    const known = this.#jobs.get(chainId);
    const job = known ?? new LayerJob(request, this.#context);
    if (known === undefined) {
      this.#context.queue.expect(chainId);
      this.#jobs.set(chainId, job);
      if (!this.#byDiffId.has(diffId)) this.#byDiffId.set(diffId, job);
      // A later image of this run may ask for a layer that failed.
      job.outcome.catch(() => {
        this.#jobs.delete(chainId);
        if (this.#byDiffId.get(diffId) === job) this.#byDiffId.delete(diffId);
      });
    }
    job.join(request);
    return { job, isNew: known === undefined };
  }

  /** The chain IDs that are in the store already, found from the top so that a whole chain is one look. */
  async #stored(jobs: readonly LayerJob[]): Promise<Set<ChainId>> {
    const found = new Set<ChainId>();
    for (const { request } of jobs.toReversed()) {
      if (found.has(request.chainId)) continue;
      const chain = (await this.#store.layerChain(request.chainId)) ?? [];
      for (const record of chain) found.add(record.chainId);
    }
    return found;
  }

  async #twinOf(job: LayerJob): Promise<LayerRecord | undefined> {
    const { diffId } = job.request;
    const first = this.#byDiffId.get(diffId);
    if (first !== undefined && first !== job) {
      return first.outcome.then(
        ({ record }) => record,
        () => undefined,
      );
    }
    // Looking through all layers is worth it only where a trace says there is one.
    if ((await this.#store.originsOf(diffId)).length === 0) return undefined;
    const [stored] = await this.#store.chainsOf(diffId);
    return stored === undefined ? undefined : this.#store.layer(stored);
  }

  /** Whether the layer is more work than the other cores have left to share. */
  #isCritical(job: LayerJob): boolean {
    let rest = 0;
    for (const other of this.#jobs.values()) {
      if (other !== job) rest += other.remaining;
    }
    return (
      this.#cores > 1 && job.request.descriptor.size > rest / (this.#cores - 1)
    );
  }
}

function isAborted(error: unknown): boolean {
  return isTpullError(error) && error.code === "ABORTED";
}
