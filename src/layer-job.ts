/**
 * One layer on its way into the store: claimed, fetched and unpacked in one
 * go (or copied from a layer with the same tar), then handed to the commit
 * queue, which makes it visible.
 */
import type { LimitFunction } from "p-limit";
import {
  type ByteRange,
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
  abortedError,
  isTpullError,
  shortId,
} from "../store/index.js";
import type { BlobKeeping } from "./blob-keeping.js";
import { ByteCount } from "./byte-count.js";
import type { CommitQueue } from "./commit-queue.js";
import { inLayer } from "./image-error.js";
import type { EarlyBlobs, EarlyListener } from "./early-blob.js";
import type { LayerSource } from "./events.js";
import { KeptBlob, MIN_KEPT_BYTES } from "./kept-blob.js";
import {
  LayerAudience,
  type LayerOutcome,
  type LayerRequest,
  placeOf,
} from "./layer-request.js";
import { isWorthResuming } from "./leftovers.js";
import type { LinkSpeed } from "./link-speed.js";
import type { RegistryClient } from "./registry/client.js";
import { abortable } from "./registry/signals.js";

/** At most so many progress reports a second for each layer. */
const PROGRESS_INTERVAL_MS = 100;

/** What all jobs of a run share. */
export interface LayerJobContext {
  readonly store: Store;
  readonly writer: () => Promise<StoreWriter>;
  readonly client: RegistryClient;
  readonly stager: Stager;
  readonly early: EarlyBlobs;
  /** There where blobs are to be kept. */
  readonly keeping: BlobKeeping | undefined;
  readonly speed: LinkSpeed;
  /** Layers in flight. */
  readonly limit: LimitFunction;
  readonly queue: CommitQueue;
  /** A layer of the same blob that is, or is about to be, in the store. */
  twinOf(job: LayerJob): Promise<LayerRecord | undefined>;
  /** Whether the run ends when this layer does, so that it should have two threads. */
  isCritical(job: LayerJob): boolean;
}

export type LayerJobOutcome = Omit<LayerOutcome, "received" | "resumedBytes">;

interface Present {
  readonly present: LayerRecord;
}

interface StagedJob {
  readonly staged: Staged;
  readonly source: LayerSource;
  /** The blob that has proved to be the layer. */
  readonly blob: Digest | undefined;
}

const WARNINGS = {
  device: ["DEVICE_SKIPPED", "devices can only be made by root; left out"],
  xattr: [
    "XATTR_SKIPPED",
    "extended attributes the system would not take; left out",
  ],
} as const;

export class LayerJob {
  readonly chainId: ChainId;
  readonly diffId: DiffId;
  /** An earlier job with the same blob. Jobs wait for earlier ones only, so that none waits for itself. */
  readonly twin: LayerJob | undefined;
  /** Settles when the layer is visible, or will not be. */
  readonly outcome: Promise<LayerJobOutcome>;
  readonly #context: LayerJobContext;
  readonly #audience = new LayerAudience();
  /** Whose blob is fetched. Another image's may be elsewhere, or another one. */
  #source: LayerRequest;
  /** Where the attempt under way has its bytes from. */
  #place = "";
  readonly #tried = new Set<string>();
  #begin: (stored: Promise<boolean>) => void = () => undefined;
  #end: "visible" | "failed" | undefined;
  /** Of the attempt under way. */
  #bytes = 0;
  /** Of all attempts, and not taken account of yet. */
  readonly #received = new ByteCount();
  /** Who sent bytes of the attempt under way. */
  readonly #senders = new Set<string>();
  /** Read from what an earlier run left, and not taken account of yet. */
  #fromDisk = 0;
  /** The blob came over more than one connection, or in part from disk. */
  #resumed = false;
  /** What is here, and kept, of the blob that is fetched. */
  #kept: KeptBlob | undefined;
  /** Whether wrong bytes may be asked for once more. */
  #again = true;
  /** The bytes of the attempt under way are those of a kept blob. */
  #fromKept = false;
  /** Whether a kept blob is still believed to be the right one. */
  #trustsKept = true;

  constructor(
    request: LayerRequest,
    twin: LayerJob | undefined,
    context: LayerJobContext,
  ) {
    this.chainId = request.chainId;
    this.diffId = request.diffId;
    this.twin = twin;
    this.#source = request;
    this.#context = context;
    const stored = new Promise<boolean>((resolve) => {
      this.#begin = resolve;
    });
    this.outcome = this.#run(stored);
    // Images wait for it; a job that outlives its images is nobody's failure.
    this.outcome.catch(() => undefined);
  }

  /** Of the blob that is fetched. */
  get digest(): Digest {
    return this.#source.descriptor.digest;
  }

  /** Bytes of that blob. */
  get size(): number {
    return this.#source.descriptor.size;
  }

  /** Bytes of the blob that are still to come. */
  get remaining(): number {
    return this.#end === "visible" ? 0 : this.size - this.#bytes;
  }

  get isVisible(): boolean {
    return this.#end === "visible";
  }

  /** It failed, or nobody wants it any more, and it is coming to rest. */
  get isEnding(): boolean {
    return (
      this.#end === "failed" ||
      (this.#end === undefined && this.#audience.signal.aborted)
    );
  }

  /** Whether an image expects this blob of it. */
  hasSource(digest: Digest): boolean {
    return [this.#source, ...this.#audience.requests].some(
      ({ descriptor }) => descriptor.digest === digest,
    );
  }

  /** @param stored whether the layer was found in the store */
  begin(stored: Promise<boolean>): void {
    this.#begin(stored);
  }

  /** Adds an image that wants the layer; the job stops when the last one goes. */
  join(request: LayerRequest): void {
    this.#audience.join(request);
  }

  leave(request: LayerRequest): void {
    this.#audience.leave(request);
  }

  /** What was received from the network since this was asked last. */
  takeReceived(): ByteCount {
    const received = new ByteCount();
    received.take(this.#received);
    return received;
  }

  /** Bytes that came from disk instead, since this was asked last. */
  takeResumedBytes(): number {
    const bytes = this.#fromDisk;
    this.#fromDisk = 0;
    return bytes;
  }

  async #run(stored: Promise<boolean>): Promise<LayerJobOutcome> {
    const { queue } = this.#context;
    try {
      const outcome = await ((await stored) ? this.#reuse() : this.#bring());
      this.#end = "visible";
      queue.seen(this.chainId);
      await this.#forgetBlob();
      this.#audience.setState(
        outcome.source === "reused" ? "exists" : "complete",
      );
      return outcome;
    } catch (error) {
      this.#end = "failed";
      queue.fail(this.chainId, error);
      throw error;
    }
  }

  /** The layer is there: nobody needs the blob, or a part that an earlier run left of it. */
  async #forgetBlob(): Promise<void> {
    try {
      await this.#kept?.remove();
      if (this.#kept !== undefined || this.size < MIN_KEPT_BYTES) return;
      // It may be on its way to be kept as a whole.
      const { keeping } = this.#context;
      if (keeping?.has(this.#source.descriptor) === false) return;
      await (await this.#context.writer()).removePartials([this.digest]);
    } catch {
      // What stays too long is swept one day.
    }
  }

  /** What came of the blob stays, unless it is the wrong one. */
  async #leaveBlob(error: unknown): Promise<void> {
    const kept = this.#kept;
    this.#kept = undefined;
    const code = isTpullError(error) ? error.code : "";
    await (isWorthResuming(code) ? kept?.close() : kept?.remove());
  }

  /** Claims the layer although it is there: that keeps it in the store while we rely on it. */
  async #reuse(): Promise<LayerJobOutcome> {
    return this.#afterClaim(await this.#claim(), undefined);
  }

  async #bring(): Promise<LayerJobOutcome> {
    const { signal } = this.#audience;
    const twin = await abortable(this.#context.twinOf(this), signal);
    // A slot is held while a layer is worked on, never while it waits for
    // another process, so that two processes divide an image between them.
    const first = await this.#inSlot(() => this.#claimAndStage(twin));
    return "waiting" in first
      ? this.#afterClaim(await first.waiting, twin)
      : this.#finish(first);
  }

  /** The layer is there, or ours to write. */
  async #afterClaim(
    claimed: Claimed,
    twin: LayerRecord | undefined,
  ): Promise<LayerJobOutcome> {
    const done = this.#doneAlready(claimed);
    if (done !== undefined) return this.#finish(done);
    const { claim } = claimed as { claim: LayerClaim };
    try {
      const staged = await this.#inSlot(() => this.#stage(claim, twin));
      return await this.#finish(staged);
    } catch (error) {
      await claim.release();
      throw error;
    }
  }

  /** What needs no work: a layer of the store, or one that an earlier run staged. */
  #doneAlready(claimed: Claimed): Present | StagedJob | undefined {
    if ("present" in claimed) return claimed;
    const { claim, complete } = claimed;
    if (complete === undefined) return undefined;
    const staged = { claim, ...complete };
    if (complete.blob === this.digest) this.#fromDisk = this.size;
    this.#warn(staged);
    return { staged, source: "reused", blob: complete.blob };
  }

  /** Does work in one of the run's slots; what nobody wants any more does not wait for one. */
  #inSlot<Value>(work: () => Promise<Value>): Promise<Value> {
    const { signal } = this.#audience;
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(abortedError());
      if (signal.aborted) return giveUp();
      signal.addEventListener("abort", giveUp, { once: true });
      void this.#context.limit(async () => {
        signal.removeEventListener("abort", giveUp);
        if (!signal.aborted) await work().then(resolve, reject);
      });
    });
  }

  async #claimAndStage(
    twin: LayerRecord | undefined,
  ): Promise<StagedJob | Present | { waiting: Promise<Claimed> }> {
    let tellBusy: (() => void) | undefined;
    const busy = new Promise<"busy">((resolve) => {
      tellBusy = () => resolve("busy");
    });
    const claiming = this.#claim(tellBusy);
    const claimed = await Promise.race([claiming, busy]);
    if (claimed === "busy") return { waiting: claiming };
    return this.#stageUnlessDone(claimed, twin);
  }

  async #stageUnlessDone(
    claimed: Claimed,
    twin: LayerRecord | undefined,
  ): Promise<StagedJob | Present> {
    const done = this.#doneAlready(claimed);
    if (done !== undefined) return done;
    return this.#stage((claimed as { claim: LayerClaim }).claim, twin);
  }

  async #claim(onWait?: () => void): Promise<Claimed> {
    const writer = await this.#context.writer();
    return writer.claimLayer(this.chainId, {
      takeComplete: true,
      signal: this.#audience.signal,
      onWait: () => {
        const reason = `another tpull is fetching layer ${shortId(this.digest)}`;
        this.#audience.tell((listener) => listener.waiting(reason));
        onWait?.();
      },
    });
  }

  async #finish(staged: StagedJob | Present): Promise<LayerJobOutcome> {
    if ("present" in staged) {
      return { record: staged.present, source: "reused" };
    }
    const { source, blob } = staged;
    this.#audience.setState("staged");
    try {
      const record = await this.#context.queue.add(
        staged.staged,
        this.#audience.signal,
      );
      return { record, source, ...(blob === undefined ? {} : { blob }) };
    } catch (error) {
      // A layer that waited in vain for those below it is whole all the same.
      await this.#leaveBlob(error);
      await staged.staged.claim.release();
      throw error;
    }
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
      const source = twin === undefined ? "fetched" : "copied";
      this.#fromDisk = this.#fromKept ? this.size : (this.#kept?.fromDisk ?? 0);
      return { staged, source, blob: this.digest };
    } catch (error) {
      // Whoever waits for the claim begins with what is here of the blob.
      await this.#leaveBlob(error);
      await claim.discard();
      const failure = inLayer(error, this.#source.descriptor);
      if (!(await this.#mayTryAgain(error, twin))) throw failure;
      return this.#stageAgain();
    }
  }

  /**
   * Where the parts of a broken download were joined, the joint may be what is
   * wrong, and where a stored layer was copied, that one: then the blob as a
   * whole deserves one try. After that it is the turn of the blobs by which
   * other images have the layer: they must not fail with this one.
   */
  async #mayTryAgain(
    error: unknown,
    twin: LayerRecord | undefined,
  ): Promise<boolean> {
    const code = isTpullError(error) ? error.code : "";
    if (OUR_OWN.has(code) || this.#audience.signal.aborted) return false;
    if (twin !== undefined) return true;
    if (this.#fromKept) {
      this.#trustsKept = false;
      await this.#context.keeping?.forget(this.#source.descriptor);
      return true;
    }
    if (WRONG_BYTES.has(code) && (await this.#leaveMirrors(error))) return true;
    if (this.#resumed && this.#again && WRONG_BYTES.has(code)) {
      this.#again = false;
      return true;
    }
    this.#tried.add(this.#place);
    for (const request of this.#audience.requests) {
      if (this.#tried.has(placeOf(request))) continue;
      this.#source = request;
      this.#again = true;
      return true;
    }
    return false;
  }

  /** Mirrors are taken at their word once; whether there was one to leave. */
  #leaveMirrors(error: unknown): Promise<boolean> {
    const { repository, descriptor } = this.#source;
    const { client } = this.#context;
    return client.distrust(repository, descriptor, this.#senders, error);
  }

  async #stageAgain(): Promise<StagedJob | Present> {
    this.#resumed = false;
    this.#bytes = 0;
    this.#senders.clear();
    const layer = shortId(this.digest);
    const reason = `layer ${layer} did not come together; from the beginning`;
    this.#audience.tell((listener) => listener.retry(1, 0, reason));
    return this.#stageUnlessDone(await this.#claim(), undefined);
  }

  async #fetch(claim: LayerClaim): Promise<Staged> {
    const { descriptor, diffId, parent } = this.#source;
    const { keeping } = this.#context;
    const stored = this.#trustsKept
      ? await keeping?.kept(descriptor)
      : undefined;
    this.#fromKept = stored !== undefined;
    if (this.#fromKept) this.#bytes = descriptor.size;
    const kept = stored === undefined ? await this.#open() : undefined;
    const copy =
      kept === undefined ? undefined : await keeping?.copy(descriptor);
    const { local } = this.#context.client;
    const digest =
      local?.namedByDiffId(descriptor.digest) === true
        ? undefined
        : descriptor.digest;
    const wide = this.#context.isCritical(this);
    this.#audience.setState("downloading");
    let reportedAt = 0;
    let reported = 0;
    const report = (now: number): void => {
      if (reported === this.#bytes) return;
      reportedAt = now;
      reported = this.#bytes;
      this.#audience.tell((listener) => listener.progress(reported));
    };
    report(performance.now());
    const chunks = stored ?? kept!.chunks();
    const staged = this.#context.stager.blob(
      claim,
      copy?.of(chunks) ?? chunks,
      { digest, size: descriptor.size, diffId, parent },
      {
        signal: this.#audience.signal,
        wide,
        onBytes: () => {
          const now = performance.now();
          if (now - reportedAt >= PROGRESS_INTERVAL_MS) report(now);
        },
        onReceived: () => {
          report(performance.now());
          this.#audience.setState("extracting");
        },
      },
    );
    if (copy === undefined) return staged;
    try {
      const done = await staged;
      await copy.keep();
      return done;
    } finally {
      copy.discard();
    }
  }

  /** The blob, with what is here of it. */
  async #open(): Promise<KeptBlob> {
    const { digest, size } = this.#source.descriptor;
    const writer = await this.#context.writer();
    const { local } = this.#context.client;
    const worth = local === undefined && size >= MIN_KEPT_BYTES;
    const kept = new KeptBlob({
      size,
      partial: worth ? writer.partialBlob(digest, size) : undefined,
      speed: this.#context.speed,
      fetch: (range) => this.#request(range),
      onReceived: (bytes) => {
        this.#bytes += bytes;
      },
    });
    this.#kept = kept;
    this.#bytes = kept.here;
    // Bytes of two runs are joined like those of two connections.
    if (kept.here > 0) this.#resumed = true;
    return kept;
  }

  /** Bytes of the blob: by the request that is under way already, or by a new one. */
  #request({ from, to }: ByteRange): AsyncIterable<Uint8Array> {
    const { repository, descriptor } = this.#source;
    const { signal } = this.#audience;
    const hooks: EarlyListener = {
      onAhead: (offset, chunk) => this.#kept?.keepAhead(offset, chunk),
      onResume: () => {
        this.#resumed = true;
      },
      onReceived: (host, bytes) => {
        this.#senders.add(host);
        this.#received.add(host, bytes);
      },
      onRetry: ({ attempt, delayMs, reason }) =>
        this.#audience.tell((listener) =>
          listener.retry(attempt, delayMs, reason),
        ),
    };
    let early = this.#context.early.take(this.#source);
    if (early !== undefined && from > 0) {
      early.cancel(); // it begins at the first byte
      early = undefined;
    }
    this.#place = early?.place ?? placeOf(this.#source);
    if (early === undefined) {
      return this.#context.client.blob(repository, descriptor, {
        from,
        to,
        signal,
        ...hooks,
      });
    }
    early.listen(hooks);
    const cancel = (): void => early.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    if (signal.aborted) cancel();
    return early;
  }

  async #copy(claim: LayerClaim, twin: LayerRecord): Promise<Staged> {
    const { store, stager } = this.#context;
    const { diffId, parent } = this.#source;
    this.#audience.setState("extracting");
    return stager.copy(
      claim,
      store.storedLayer(twin),
      { diffId, parent },
      { signal: this.#audience.signal },
    );
  }

  #warn({ warnings }: Staged): void {
    const layer = shortId(this.digest);
    for (const { kind, count, example } of warnings) {
      const [code, what] = WARNINGS[kind];
      const more = count > 1 ? ` and ${count - 1} more` : "";
      const message = `layer ${layer}: ${what}: ${example}${more}`;
      this.#audience.tell((listener) => listener.warning(code, message));
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
const OUR_OWN = new Set([
  "ABORTED",
  "DISK_FULL",
  "ROOT_NOT_WRITABLE",
  "STORE_IO_FAILED",
]);
