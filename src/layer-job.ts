/**
 * One layer on its way into the store: claimed, fetched and unpacked in one
 * go (or copied from a layer with the same tar), then handed to the commit
 * queue, which makes it visible.
 */
import type { LimitFunction } from "p-limit";
import {
  type ChainId,
  type Claimed,
  type DiffId,
  type Digest,
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
import type { CommitQueue } from "./commit-queue.js";
import type { EarlyBlobs } from "./early-blob.js";
import type { LayerSource, LayerState } from "./events.js";
import type { RegistryClient, Repository } from "./registry/client.js";
import type { Descriptor } from "./registry/manifest.js";

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
  /** The blob that was fetched and found to be this layer. */
  readonly fetched?: Digest | undefined;
  /** Received from the network. */
  readonly bytes: number;
}

/** What all jobs of a run share. */
export interface LayerJobContext {
  readonly store: Store;
  readonly writer: () => Promise<StoreWriter>;
  readonly client: RegistryClient;
  readonly stager: Stager;
  /** Layers in flight. */
  readonly limit: LimitFunction;
  readonly queue: CommitQueue;
  /** A layer with the same tar that is, or is about to be, in the store. */
  twinOf(job: LayerJob): Promise<LayerRecord | undefined>;
  /** Whether the run ends when this layer does, so that it should have two threads. */
  isCritical(job: LayerJob): boolean;
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

export class LayerJob {
  readonly request: LayerRequest;
  /** Settles when the layer is visible, or will not be. */
  readonly outcome: Promise<LayerOutcome>;
  readonly #context: LayerJobContext;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<LayerListener>();
  #begin: (stored: boolean) => void = () => undefined;
  #state: LayerState = "waiting";
  /** Of the attempt under way. */
  #bytes = 0;
  /** Of all attempts. */
  #received = 0;
  /** The blob came over more than one connection. */
  #resumed = false;
  /** Whether wrong bytes may be asked for once more. */
  #again = true;

  constructor(request: LayerRequest, context: LayerJobContext) {
    this.request = request;
    this.#context = context;
    this.outcome = new Promise<boolean>((resolve) => {
      this.#begin = resolve;
    }).then((stored) => this.#run(stored));
    // Images wait for it; a job that outlives its images is nobody's failure.
    this.outcome.catch(() => undefined);
  }

  /** Bytes of the blob that are still to come. */
  get remaining(): number {
    return this.#state === "complete" || this.#state === "exists"
      ? 0
      : this.request.descriptor.size - this.#bytes;
  }

  /** Nobody wants it any more; it is coming to rest. */
  get stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** @param stored whether the layer was found in the store */
  begin(stored: boolean): void {
    this.#begin(stored);
  }

  /** Adds an image that wants the layer; the job stops when the last one goes. */
  join({ listener, signal }: LayerRequest): void {
    this.#listeners.add(listener);
    listener.state(this.#state);
    signal.addEventListener("abort", () => this.leave(listener), {
      once: true,
    });
  }

  leave(listener: LayerListener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size === 0) this.#stop.abort();
  }

  #setState(state: LayerState): void {
    if (this.#state === state) return;
    this.#state = state;
    for (const listener of this.#listeners) listener.state(state);
  }

  async #run(stored: boolean): Promise<LayerOutcome> {
    const { queue } = this.#context;
    const { chainId } = this.request;
    try {
      const outcome = await (stored ? this.#reuse() : this.#bring());
      queue.seen(chainId);
      this.#setState(outcome.source === "reused" ? "exists" : "complete");
      return outcome;
    } catch (error) {
      queue.fail(chainId, error);
      throw error;
    }
  }

  /** Claims the layer although it is there: that keeps it in the store while we rely on it. */
  async #reuse(): Promise<LayerOutcome> {
    const found = await this.#claimAndStage(undefined);
    return "waiting" in found
      ? this.#afterWait(await found.waiting, undefined)
      : this.#finish(found);
  }

  async #bring(): Promise<LayerOutcome> {
    const twin = await this.#context.twinOf(this);
    // A slot is held while a layer is worked on, never while it waits for
    // another process, so that two processes divide an image between them.
    const first = await this.#context.limit(() => this.#claimAndStage(twin));
    return "waiting" in first
      ? this.#afterWait(await first.waiting, twin)
      : this.#finish(first);
  }

  /** The other process is done with the layer: it is there, or ours to fetch after all. */
  async #afterWait(
    claimed: Claimed,
    twin: LayerRecord | undefined,
  ): Promise<LayerOutcome> {
    if ("present" in claimed) return this.#finish(claimed);
    return this.#finish(
      await this.#context.limit(() => this.#stage(claimed.claim, twin)),
    );
  }

  async #claimAndStage(
    twin: LayerRecord | undefined,
  ): Promise<StagedJob | Present | { waiting: Promise<Claimed> }> {
    const writer = await this.#context.writer();
    let tellBusy: (() => void) | undefined;
    const busy = new Promise<"busy">((resolve) => {
      tellBusy = () => resolve("busy");
    });
    const claiming = writer.claimLayer(this.request.chainId, {
      signal: this.#stop.signal,
      onWait: () => {
        const reason = `another tpull is fetching layer ${shortId(this.request.descriptor.digest)}`;
        for (const listener of this.#listeners) listener.waiting(reason);
        tellBusy?.();
      },
    });
    const claimed = await Promise.race([claiming, busy]);
    if (claimed === "busy") return { waiting: claiming };
    return "present" in claimed ? claimed : this.#stage(claimed.claim, twin);
  }

  async #finish(staged: StagedJob | Present): Promise<LayerOutcome> {
    if ("present" in staged) {
      return {
        record: staged.present,
        source: "reused",
        bytes: this.#received,
      };
    }
    await using _claim: LayerClaim = staged.staged.claim;
    this.#setState("staged");
    const record = await this.#context.queue.add(staged.staged);
    const { source } = staged;
    const fetched =
      source === "fetched" ? this.request.descriptor.digest : undefined;
    return { record, source, fetched, bytes: this.#received };
  }

  async #stage(
    claim: LayerClaim,
    twin: LayerRecord | undefined,
  ): Promise<StagedJob | Present> {
    try {
      const staged =
        twin === undefined
          ? await this.#fetch(claim)
          : await this.#copy(claim, twin);
      this.#warn(staged);
      return { staged, source: twin === undefined ? "fetched" : "copied" };
    } catch (error) {
      await claim.discard();
      if (!this.#mayTryAgain(error, twin)) {
        throw inLayer(error, this.request.descriptor);
      }
      return this.#stageAgain();
    }
  }

  /**
   * Where the parts of a broken download were joined, the joint may be what is
   * wrong, and where a stored layer was copied, that one: then the blob as a
   * whole deserves one try.
   */
  #mayTryAgain(error: unknown, twin: LayerRecord | undefined): boolean {
    const code = isTpullError(error) ? error.code : "";
    const doubtful =
      twin === undefined
        ? this.#resumed && WRONG_BYTES.has(code)
        : !OUR_OWN.has(code);
    const again = doubtful && this.#again;
    if (again) this.#again = false;
    return again;
  }

  async #stageAgain(): Promise<StagedJob | Present> {
    const { chainId, descriptor } = this.request;
    this.#resumed = false;
    this.#bytes = 0;
    const reason = `layer ${shortId(descriptor.digest)} did not come together; from the beginning`;
    for (const listener of this.#listeners) listener.retry(1, 0, reason);
    const writer = await this.#context.writer();
    const claimed = await writer.claimLayer(chainId, {
      signal: this.#stop.signal,
    });
    return "present" in claimed
      ? claimed
      : this.#stage(claimed.claim, undefined);
  }

  async #fetch(claim: LayerClaim): Promise<Staged> {
    const { descriptor, diffId, parent } = this.request;
    const wide = this.#context.isCritical(this);
    this.#setState("downloading");
    let reportedAt = 0;
    let reported = 0;
    const report = (now: number): void => {
      if (reported === this.#bytes) return;
      reportedAt = now;
      reported = this.#bytes;
      for (const listener of this.#listeners) listener.progress(reported);
    };
    return this.#context.stager.blob(
      claim,
      this.#chunks(),
      { digest: descriptor.digest, size: descriptor.size, diffId, parent },
      {
        signal: this.#stop.signal,
        wide,
        onBytes: (bytes) => {
          this.#bytes += bytes;
          this.#received += bytes;
          const now = performance.now();
          if (now - reportedAt >= PROGRESS_INTERVAL_MS) report(now);
        },
        onReceived: () => {
          report(performance.now());
          this.#setState("extracting");
        },
      },
    );
  }

  /** The blob's bytes: of the request that is under way already, or of a new one. */
  #chunks(): AsyncIterable<Uint8Array> {
    const { repository, descriptor } = this.request;
    const onResume = (): void => {
      this.#resumed = true;
    };
    const early = this.request.early.take(descriptor.digest);
    if (early !== undefined) {
      early.listen(onResume);
      const cancel = (): void => early.cancel();
      this.#stop.signal.addEventListener("abort", cancel, { once: true });
      return early;
    }
    return this.#context.client.blob(repository, descriptor, {
      signal: this.#stop.signal,
      onRetry: ({ attempt, delayMs, reason }) => {
        for (const listener of this.#listeners) {
          listener.retry(attempt, delayMs, reason);
        }
      },
      onResume,
    });
  }

  async #copy(claim: LayerClaim, twin: LayerRecord): Promise<Staged> {
    const { store, stager } = this.#context;
    const { diffId, parent } = this.request;
    this.#setState("extracting");
    return stager.copy(
      claim,
      store.storedLayer(twin),
      { diffId, parent },
      { signal: this.#stop.signal },
    );
  }

  #warn({ warnings }: Staged): void {
    const layer = shortId(this.request.descriptor.digest);
    for (const { kind, count, example } of warnings) {
      const [code, what] = WARNINGS[kind];
      const more = count > 1 ? ` and ${count - 1} more` : "";
      const message = `layer ${layer}: ${what}: ${example}${more}`;
      for (const listener of this.#listeners) listener.warning(code, message);
    }
  }
}

/** Failures that the bytes on their way, rather than the image, may be the reason for. */
const WRONG_BYTES = new Set([
  "DIGEST_MISMATCH",
  "SIZE_MISMATCH",
  "DIFF_ID_MISMATCH",
]);

/** Failures that another source of the same bytes would not change. */
const OUR_OWN = new Set(["ABORTED", "DISK_FULL", "STORE_IO_FAILED"]);

/** The error with the layer it is about, which the stages below do not know. */
function inLayer(error: unknown, { digest, size }: Descriptor): unknown {
  if (!isTpullError(error) || error.code === "ABORTED") return error;
  if (error.details.layer !== undefined) return error;
  return new TpullError(error.code, `layer ${digest}: ${error.message}`, {
    hint: error.hint,
    cause: error.cause,
    retryable: error.retryable,
    details: { ...error.details, layer: digest, size },
  });
}
