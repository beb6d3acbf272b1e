/**
 * Everything that brings one layer into the store, once for each layer of a
 * run: images that share a layer share its job. Layers are fetched in any
 * order, a few at a time, each unpacked while it arrives; they become visible
 * from the base up.
 */
import pLimit, { type LimitFunction } from "p-limit";
import {
  type ChainId,
  type Claimed,
  type DiffId,
  type LayerClaim,
  type LayerRecord,
  type Staged,
  type Stager,
  type Store,
  type StoreWriter,
  TpullError,
  isTpullError,
  shortId,
} from "../store/index.js";
import { CommitQueue } from "./commit-queue.js";
import type { EarlyBlobs } from "./early-blob.js";
import type { LayerSource, LayerState } from "./events.js";
import type { Descriptor } from "./registry/manifest.js";
import type { RegistryClient, Repository } from "./registry/client.js";

/** At most so many progress reports a second for each layer. */
const PROGRESS_INTERVAL_MS = 100;

export interface LayerRequest {
  readonly repository: Repository;
  readonly descriptor: Descriptor;
  readonly diffId: DiffId;
  readonly chainId: ChainId;
  readonly parent: ChainId | undefined;
  /** Blobs whose requests are on their way already. */
  readonly early: EarlyBlobs;
  /** The image that asks; its end withdraws the request. */
  readonly signal: AbortSignal;
  readonly listener: LayerListener;
}

/** What an image hears of its layer. */
export interface LayerListener {
  state(state: LayerState): void;
  progress(bytes: number): void;
  waiting(reason: string): void;
  retry(attempt: number, delayMs: number, reason: string): void;
  warning(code: string, message: string): void;
}

export interface LayerOutcome {
  readonly record: LayerRecord;
  readonly source: LayerSource;
  /** Received from the network. */
  readonly bytes: number;
}

interface Job {
  readonly request: LayerRequest;
  readonly stop: AbortController;
  readonly listeners: Set<LayerListener>;
  readonly outcome: Promise<LayerOutcome>;
  readonly settle: {
    resolve: (outcome: LayerOutcome) => void;
    reject: (error: unknown) => void;
  };
  state: LayerState;
  bytes: number;
  /** The blob came over more than one connection. */
  resumed: boolean;
  /** Whether a wrong blob may be fetched once more. */
  again: boolean;
}

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
  readonly #options: LayerJobsOptions;
  readonly #limit: LimitFunction;
  readonly #queue: CommitQueue;
  readonly #jobs = new Map<ChainId, Job>();
  /** The first job of a diff ID, which later ones copy from. */
  readonly #byDiffId = new Map<DiffId, Job>();

  constructor(options: LayerJobsOptions) {
    this.#options = options;
    this.#limit = pLimit(options.concurrency);
    this.#queue = new CommitQueue(async (ready) => {
      const writer = await options.writer();
      return writer.commitLayers(ready);
    });
  }

  /**
   * Brings layers into the store, the largest first. Resolves when all are
   * visible; on the first failure the others are stopped (unless another image
   * wants them too) and it rejects once they have come to rest.
   * @param requests base first
   */
  async bring(requests: readonly LayerRequest[]): Promise<LayerOutcome[]> {
    const jobs = new Map<LayerRequest, Job>();
    // A copy must find the job it copies from, so jobs are known before any runs.
    const fresh = requests.filter((request) => {
      const known = this.#jobs.get(request.chainId);
      const job = known ?? this.#register(request);
      jobs.set(request, job);
      this.#listen(job, request);
      return known === undefined;
    });
    const stored = await this.#stored(fresh);
    const bySize = fresh.toSorted(
      (a, b) => b.descriptor.size - a.descriptor.size,
    );
    for (const request of bySize) {
      const job = jobs.get(request);
      if (job) void this.#start(job, stored.has(request.chainId));
    }
    const outcomes = requests.map(
      (request) =>
        jobs.get(request)?.outcome ?? Promise.reject(new Error("no job")),
    );
    // All are awaited, so that nothing of a failed image is still at work afterwards.
    const settled = Promise.allSettled(outcomes);
    try {
      return await Promise.all(outcomes);
    } catch (error) {
      for (const [request, job] of jobs) this.#withdraw(job, request.listener);
      const all = await settled;
      // Siblings fail as well, because they were stopped: the cause comes first.
      const cause = all.find(
        (result): result is PromiseRejectedResult =>
          result.status === "rejected" && !isAborted(result.reason),
      );
      throw cause?.reason ?? error;
    }
  }

  /** The chain IDs that are in the store already, found from the top so that a whole chain is one look. */
  async #stored(requests: readonly LayerRequest[]): Promise<Set<ChainId>> {
    const found = new Set<ChainId>();
    for (const { chainId } of requests.toReversed()) {
      if (found.has(chainId)) continue;
      const chain = (await this.#options.store.layerChain(chainId)) ?? [];
      for (const record of chain) found.add(record.chainId);
    }
    return found;
  }

  #register(request: LayerRequest): Job {
    let settle: Job["settle"] | undefined;
    const outcome = new Promise<LayerOutcome>((resolve, reject) => {
      settle = { resolve, reject };
    });
    // Images wait for it; a job that outlives its images is nobody's failure.
    outcome.catch(() => undefined);
    const job: Job = {
      request,
      stop: new AbortController(),
      listeners: new Set(),
      outcome,
      settle: settle as unknown as Job["settle"],
      state: "waiting",
      bytes: 0,
      resumed: false,
      again: true,
    };
    this.#jobs.set(request.chainId, job);
    if (!this.#byDiffId.has(request.diffId))
      this.#byDiffId.set(request.diffId, job);
    return job;
  }

  #listen(job: Job, request: LayerRequest): void {
    job.listeners.add(request.listener);
    request.listener.state(job.state);
    request.signal.addEventListener(
      "abort",
      () => this.#withdraw(job, request.listener),
      { once: true },
    );
  }

  #withdraw(job: Job, listener: LayerListener): void {
    job.listeners.delete(listener);
    if (job.listeners.size === 0) job.stop.abort();
  }

  #setState(job: Job, state: LayerState): void {
    if (job.state === state) return;
    job.state = state;
    for (const listener of job.listeners) listener.state(state);
  }

  async #start(job: Job, stored: boolean): Promise<void> {
    const { chainId } = job.request;
    try {
      const outcome = await this.#run(job, stored);
      this.#queue.seen(chainId);
      this.#setState(job, outcome.source === "reused" ? "exists" : "complete");
      job.settle.resolve(outcome);
    } catch (error) {
      // A later image of this run may ask for the layer again.
      this.#jobs.delete(chainId);
      if (this.#byDiffId.get(job.request.diffId) === job)
        this.#byDiffId.delete(job.request.diffId);
      this.#queue.fail(chainId, error);
      job.settle.reject(error);
    }
  }

  async #run(job: Job, stored: boolean): Promise<LayerOutcome> {
    if (stored) {
      // Claimed nevertheless: that keeps it in the store while we rely on it.
      const found = await this.#claimAndStage(job, undefined);
      return "waiting" in found
        ? this.#afterWait(job, await found.waiting, undefined)
        : this.#finish(job, found);
    }
    const twin = await this.#twin(job);
    // A slot is held while a layer is worked on, never while it waits for
    // another process, so that two processes divide an image between them.
    const first = await this.#limit(() => this.#claimAndStage(job, twin));
    if (!("waiting" in first)) return this.#finish(job, first);
    return this.#afterWait(job, await first.waiting, twin);
  }

  /** The other process is done with the layer: it is there, or ours to fetch after all. */
  async #afterWait(
    job: Job,
    claimed: Claimed,
    twin: LayerRecord | undefined,
  ): Promise<LayerOutcome> {
    if ("present" in claimed) return this.#finish(job, claimed);
    return this.#finish(
      job,
      await this.#limit(() => this.#stage(job, claimed.claim, twin)),
    );
  }

  async #claimAndStage(
    job: Job,
    twin: LayerRecord | undefined,
  ): Promise<StagedJob | Present | { waiting: Promise<Claimed> }> {
    const writer = await this.#options.writer();
    let tellBusy: (() => void) | undefined;
    const busy = new Promise<"busy">((resolve) => {
      tellBusy = () => resolve("busy");
    });
    const claiming = writer.claimLayer(job.request.chainId, {
      signal: job.stop.signal,
      onWait: () => {
        const reason = `another tpull is fetching layer ${shortId(job.request.descriptor.digest)}`;
        for (const listener of job.listeners) listener.waiting(reason);
        tellBusy?.();
      },
    });
    const claimed = await Promise.race([claiming, busy]);
    if (claimed === "busy") return { waiting: claiming };
    return "present" in claimed
      ? claimed
      : this.#stage(job, claimed.claim, twin);
  }

  async #finish(job: Job, staged: StagedJob | Present): Promise<LayerOutcome> {
    if ("present" in staged)
      return { record: staged.present, source: "reused", bytes: 0 };
    await using _claim: LayerClaim = staged.staged.claim;
    this.#setState(job, "staged");
    const record = await this.#queue.add(staged.staged);
    return { record, source: staged.source, bytes: job.bytes };
  }

  async #stage(
    job: Job,
    claim: LayerClaim,
    twin: LayerRecord | undefined,
  ): Promise<StagedJob | Present> {
    const { descriptor } = job.request;
    try {
      const staged =
        twin === undefined
          ? await this.#fetch(job, claim)
          : await this.#copy(job, claim, twin);
      for (const warning of staged.warnings) {
        const [code, what] = WARNINGS[warning.kind];
        const more = warning.count > 1 ? ` and ${warning.count - 1} more` : "";
        const message = `layer ${shortId(descriptor.digest)}: ${what}: ${warning.example}${more}`;
        for (const listener of job.listeners) listener.warning(code, message);
      }
      return { staged, source: twin === undefined ? "fetched" : "copied" };
    } catch (error) {
      await claim.discard();
      // Joining the parts of a broken download may be what went wrong, or the
      // copy's source is damaged: the blob as a whole deserves one more try.
      if (
        job.again &&
        (job.resumed || twin !== undefined) &&
        WRONG_BYTES.has(codeOf(error))
      ) {
        job.again = false;
        job.resumed = false;
        job.bytes = 0;
        for (const listener of job.listeners) {
          listener.retry(
            1,
            0,
            `${shortId(descriptor.digest)} did not arrive whole; from the beginning`,
          );
        }
        const writer = await this.#options.writer();
        const claimed = await writer.claimLayer(job.request.chainId, {
          signal: job.stop.signal,
        });
        return "present" in claimed
          ? claimed
          : this.#stage(job, claimed.claim, undefined);
      }
      throw inLayer(error, descriptor);
    }
  }

  async #fetch(job: Job, claim: LayerClaim): Promise<Staged> {
    const { stager } = this.#options;
    const { descriptor, diffId, parent } = job.request;
    const { signal } = job.stop;
    const wide = this.#isCritical(job);
    this.#setState(job, "downloading");
    let reported = 0;
    const report = (now: number): void => {
      reported = now;
      for (const listener of job.listeners) listener.progress(job.bytes);
    };
    return stager.blob(
      claim,
      this.#chunks(job),
      { digest: descriptor.digest, size: descriptor.size, diffId, parent },
      {
        signal,
        wide,
        onBytes: (bytes) => {
          job.bytes += bytes;
          const now = performance.now();
          if (now - reported >= PROGRESS_INTERVAL_MS) report(now);
        },
        onReceived: () => {
          report(performance.now());
          this.#setState(job, "extracting");
        },
      },
    );
  }

  /** The blob's bytes: of the request that is under way already, or of a new one. */
  #chunks(job: Job): AsyncIterable<Uint8Array> {
    const { repository, descriptor } = job.request;
    const early = job.request.early.take(descriptor.digest);
    if (early !== undefined) {
      job.resumed = early.resumed;
      early.onResume = () => {
        job.resumed = true;
      };
      job.stop.signal.addEventListener("abort", () => early.cancel(), {
        once: true,
      });
      return early;
    }
    return this.#options.client.blob(repository, descriptor, {
      signal: job.stop.signal,
      onRetry: ({ attempt, delayMs, reason }) => {
        for (const listener of job.listeners)
          listener.retry(attempt, delayMs, reason);
      },
      onResume: () => {
        job.resumed = true;
      },
    });
  }

  async #copy(job: Job, claim: LayerClaim, twin: LayerRecord): Promise<Staged> {
    this.#setState(job, "extracting");
    const { diffId, parent } = job.request;
    return this.#options.stager.copy(
      claim,
      this.#options.store.storedLayer(twin),
      { diffId, parent },
      {
        signal: job.stop.signal,
      },
    );
  }

  /** A layer with the same tar that is, or is about to be, in the store under other parents. */
  async #twin(job: Job): Promise<LayerRecord | undefined> {
    const { store } = this.#options;
    const { diffId } = job.request;
    const first = this.#byDiffId.get(diffId);
    if (first !== undefined && first !== job) {
      return first.outcome.then(
        ({ record }) => record,
        () => undefined,
      );
    }
    // Looking through all layers is worth it only where a trace says there is one.
    if ((await store.originsOf(diffId)).length === 0) return undefined;
    const [stored] = await store.chainsOf(diffId);
    return stored === undefined ? undefined : store.layer(stored);
  }

  /**
   * Whether this layer decides when the run ends: more work than the other
   * cores have left to share. Such a layer gets a second thread.
   */
  #isCritical(job: Job): boolean {
    let rest = 0;
    for (const other of this.#jobs.values()) {
      if (
        other === job ||
        other.state === "complete" ||
        other.state === "exists"
      )
        continue;
      rest += other.request.descriptor.size - other.bytes;
    }
    const { cores } = this.#options;
    return cores > 1 && job.request.descriptor.size > rest / (cores - 1);
  }
}

interface Present {
  readonly present: LayerRecord;
}

interface StagedJob {
  readonly staged: Staged;
  readonly source: LayerSource;
}

const WARNINGS = {
  device: ["DEVICE_SKIPPED", "devices can only be made by root; left out"],
  xattr: [
    "XATTR_SKIPPED",
    "extended attributes the system would not take; left out",
  ],
} as const;

/** Failures that the bytes on their way, rather than the image, may be the reason for. */
const WRONG_BYTES = new Set([
  "DIGEST_MISMATCH",
  "SIZE_MISMATCH",
  "DIFF_ID_MISMATCH",
  "LAYER_DAMAGED",
]);

function codeOf(error: unknown): string {
  return isTpullError(error) ? error.code : "";
}

function isAborted(error: unknown): boolean {
  return isTpullError(error) && error.code === "ABORTED";
}

/** The error with the layer it is about, which the stages below do not know. */
function inLayer(error: unknown, { digest, size }: Descriptor): unknown {
  if (
    !isTpullError(error) ||
    isAborted(error) ||
    error.details.layer !== undefined
  )
    return error;
  return new TpullError(error.code, `layer ${digest}: ${error.message}`, {
    hint: error.hint,
    cause: error.cause,
    retryable: error.retryable,
    details: { ...error.details, layer: digest, size },
  });
}
