/**
 * The layers of a run, each brought into the store once: images that share a
 * layer share its job. Layers are fetched in any order, a few at a time, each
 * unpacked while it arrives; they become visible from the base up.
 */
import pLimit from "p-limit";
import {
  type ChainId,
  type Digest,
  type LayerRecord,
  type Stager,
  type Store,
  type StoreWriter,
  abortedError,
} from "../store/index.js";
import type { BlobKeeping } from "./blob-keeping.js";
import { ByteCount } from "./byte-count.js";
import { CommitQueue } from "./commit-queue.js";
import type { EarlyBlobs } from "./early-blob.js";
import {
  LayerJob,
  type LayerJobContext,
  type LayerJobOutcome,
} from "./layer-job.js";
import type { LayerOutcome, LayerRequest } from "./layer-request.js";
import { LinkSpeed } from "./link-speed.js";
import type { RegistryClient } from "./registry/client.js";

/** Below this a second thread takes longer to start than it saves: a Debian base layer is above it. */
const MIN_WIDE_BYTES = 16 * 1024 * 1024;

export interface LayerJobsOptions {
  readonly store: Store;
  readonly writer: () => Promise<StoreWriter>;
  readonly client: RegistryClient;
  readonly stager: Stager;
  /** Blobs whose requests are on their way already. */
  readonly early: EarlyBlobs;
  /** There where blobs are to be kept. */
  readonly keeping: BlobKeeping | undefined;
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
  /** The first job of a tar in a blob, which later ones copy from. */
  readonly #byContent = new Map<string, LayerJob>();

  constructor(options: LayerJobsOptions) {
    const { store, writer, client, stager, early, keeping } = options;
    this.#store = store;
    this.#cores = options.cores;
    this.#context = {
      store,
      writer,
      client,
      stager,
      early,
      keeping,
      speed: new LinkSpeed(),
      limit: pLimit(options.concurrency),
      queue: new CommitQueue(async (ready) =>
        (await writer()).commitLayers(ready),
      ),
      twinOf: (job) => this.#twinOf(job),
      isCritical: (job) => this.#isCritical(job),
    };
  }

  /** Whether a blob is being fetched, or was. */
  knows(digest: Digest): boolean {
    return [...this.#jobs.values()].some((job) => job.hasSource(digest));
  }

  /**
   * Brings layers into the store, the largest first. Resolves when all are
   * visible; on the first failure the others are stopped (unless another image
   * wants them too) and it rejects once they have come to rest.
   * @param requests base first
   * @param onFailed told before it rejects what was received of layers that
   *   nobody else will take account of
   */
  async bring(
    requests: readonly LayerRequest[],
    onFailed: (received: ByteCount) => void = () => undefined,
  ): Promise<LayerOutcome[]> {
    await this.#outlastEnding(requests);
    // A copy must find the job it copies from, so jobs are known before any runs.
    const shares = requests.map((request) => this.#join(request));
    const fresh = shares.filter(({ isNew }) => isNew).map(({ job }) => job);
    const stored = this.#stored(fresh);
    for (const job of fresh.toSorted((a, b) => b.size - a.size)) {
      job.begin(stored.then((found) => found.has(job.chainId)));
    }
    try {
      const outcomes = await Promise.all(shares.map(({ job }) => job.outcome));
      // A commit under way is not stopped, but an image that was is not stored.
      if (requests.some(({ signal }) => signal.aborted)) throw abortedError();
      return shares.map((share, index) =>
        outcomeFor(share, outcomes[index] as LayerJobOutcome),
      );
    } catch (error) {
      for (const { job, request } of shares) job.leave(request);
      // Nothing of a failed image may still be at work when it is reported.
      const ending = shares.filter(({ job }) => job.isEnding);
      await Promise.allSettled(ending.map(({ job }) => job.outcome));
      onFailed(receivedOf(shares));
      throw error;
    }
  }

  /** Waits for jobs that another image gave up and that are not at rest yet. */
  async #outlastEnding(requests: readonly LayerRequest[]): Promise<void> {
    for (;;) {
      const ending = requests.flatMap(({ chainId }) => {
        const job = this.#jobs.get(chainId);
        return job?.isEnding === true ? [job.outcome] : [];
      });
      if (ending.length === 0) return;
      await Promise.allSettled(ending);
    }
  }

  #join(request: LayerRequest): Share {
    const known = this.#jobs.get(request.chainId);
    const job = known ?? this.#add(request);
    const wasVisible = job.isVisible;
    job.join(request);
    return { request, job, isNew: known === undefined, wasVisible };
  }

  #add(request: LayerRequest): LayerJob {
    const { chainId, diffId, descriptor } = request;
    const content = `${diffId} ${descriptor.digest}`;
    const twin = this.#byContent.get(content);
    const job = new LayerJob(request, twin, this.#context);
    this.#context.queue.expect(chainId);
    this.#jobs.set(chainId, job);
    if (twin === undefined) this.#byContent.set(content, job);
    // A later image of this run may ask for a layer that failed.
    job.outcome.catch(() => {
      this.#jobs.delete(chainId);
      if (this.#byContent.get(content) === job) this.#byContent.delete(content);
    });
    return job;
  }

  /** The chain IDs that are in the store already, found from the top so that a whole chain is one look. */
  async #stored(jobs: readonly LayerJob[]): Promise<Set<ChainId>> {
    const found = new Set<ChainId>();
    for (const { chainId } of jobs.toReversed()) {
      if (found.has(chainId)) continue;
      const chain = (await this.#store.layerChain(chainId)) ?? [];
      for (const record of chain) found.add(record.chainId);
    }
    return found;
  }

  /**
   * A layer that the store can copy instead of fetching the blob. That the blob
   * has that layer's tar must be known, here or from an earlier pull: a
   * manifest alone is no proof.
   */
  async #twinOf({
    diffId,
    digest,
    twin,
  }: LayerJob): Promise<LayerRecord | undefined> {
    const outcome = await twin?.outcome.catch(() => undefined);
    if (outcome?.blob === digest) return outcome.record;
    const { local } = this.#context.client;
    const isKnown = (await this.#store.diffIdOf(digest)) === diffId;
    // Where there is no blob to be had, the copy's own diff ID is the proof.
    if (!isKnown && local?.lacks(digest) !== true) return undefined;
    if (outcome !== undefined) return outcome.record;
    const [stored] = await this.#store.chainsOf(diffId);
    return stored === undefined ? undefined : this.#store.layer(stored);
  }

  /** Whether the layer is more work than the other cores have left to share. */
  #isCritical(job: LayerJob): boolean {
    if (job.size < MIN_WIDE_BYTES) return false;
    let rest = 0;
    for (const other of this.#jobs.values()) {
      if (other !== job) rest += other.remaining;
    }
    return this.#cores > 1 && job.size > rest / (this.#cores - 1);
  }
}

/** One image's part in a layer's job. */
interface Share {
  readonly request: LayerRequest;
  readonly job: LayerJob;
  /** Whether the job was made for this image. */
  readonly isNew: boolean;
  /** Whether the layer was there before the image asked. */
  readonly wasVisible: boolean;
}

/** Of what a failed image had a part in and is at rest; a layer on its way counts for those who still want it. */
function receivedOf(shares: readonly Share[]): ByteCount {
  const received = new ByteCount();
  for (const { job, wasVisible } of shares) {
    if (job.isEnding || (job.isVisible && !wasVisible)) {
      received.take(job.takeReceived());
    }
  }
  return received;
}

function outcomeFor(
  { job, wasVisible }: Share,
  outcome: LayerJobOutcome,
): LayerOutcome {
  return wasVisible
    ? {
        ...outcome,
        source: "reused",
        received: new ByteCount(),
        resumedBytes: 0,
      }
    : {
        ...outcome,
        received: job.takeReceived(),
        resumedBytes: job.takeResumedBytes(),
      };
}
