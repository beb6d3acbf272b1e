/**
 * Keeping the blobs of a run's images as registries served them. A blob that is
 * fetched for its layer is written down on the way; one whose layer was there
 * already is fetched for its own sake. What cannot be kept never fails a pull.
 */
import { createHash } from "node:crypto";
import pLimit, { type LimitFunction } from "p-limit";
import {
  type Digest,
  type IncomingBlob,
  OpenBlob,
  type Store,
  type StoreWriter,
  TpullError,
  abortedError,
  isTpullError,
} from "../store/index.js";
import { isKept } from "../store/blobs/kept-blobs.js";
import { KeptBlob as ResumedBlob, MIN_KEPT_BYTES } from "./kept-blob.js";
import type { BlobSource } from "./layer-request.js";
import { LinkSpeed } from "./link-speed.js";
import type { CallOptions, RegistryClient } from "./registry/client.js";

export interface BlobKeepingOptions {
  readonly store: Store;
  readonly writer: () => Promise<StoreWriter>;
  readonly client: RegistryClient;
  /** Blobs that are fetched for their own sake at the same time. */
  readonly concurrency: number;
  /** Bytes of the blobs of all layers that the run has yet to store. */
  readonly pendingBytes: () => number;
}

/**
 * A blob is kept beside its layer only where the disk has room for it and for
 * what all layers on their way unpack to, each to so many times its blob.
 */
const ROOM_FACTOR = 4;

/** What became of a blob that was to be kept. */
export interface KeptOutcome {
  /** Why it is not kept. */
  readonly failure: TpullError | undefined;
  /** Whether it was fetched for nothing else. */
  readonly fetched: boolean;
}

export interface BringOptions extends CallOptions {
  readonly signal: AbortSignal;
  /** Called when it is about to be fetched, and then with the bytes that are here. */
  readonly onProgress: (bytes: number) => void;
}

export class BlobKeeping {
  readonly #options: BlobKeepingOptions;
  readonly #limit: LimitFunction;
  readonly #speed = new LinkSpeed();
  readonly #relied = new Map<Digest, OpenBlob>();
  /** By digest and size: what is being brought, or could not be kept. */
  readonly #outcomes = new Map<string, Promise<KeptOutcome>>();

  constructor(options: BlobKeepingOptions) {
    this.#options = options;
    this.#limit = pLimit(options.concurrency);
  }

  /**
   * Relies on blobs that are kept, for an image that nothing is written for:
   * they stay while the run lasts, and were used now.
   * @returns false where one has gone just now
   */
  rely(digests: Iterable<Digest>): boolean {
    const { layout } = this.#options.store;
    for (const digest of digests) {
      if (this.#relied.has(digest)) continue;
      const blob = OpenBlob.open(layout, digest);
      if (blob === undefined) return false;
      if (!blob.rely()) {
        blob.close();
        return false;
      }
      this.#relied.set(digest, blob);
    }
    return true;
  }

  /** Nothing is relied on any more. */
  close(): void {
    for (const blob of this.#relied.values()) blob.close();
    this.#relied.clear();
  }

  /** Whether a blob is kept. */
  has({ digest, size }: BlobSource["descriptor"]): boolean {
    return isKept(this.#options.store.layout, digest, size);
  }

  /** Begins to keep a blob that is read for its layer; undefined where that is not needed, or will not do. */
  async copy({
    digest,
    size,
  }: BlobSource["descriptor"]): Promise<BlobCopy | undefined> {
    const writer = await this.#options.writer();
    const key = keyOf({ digest, size });
    if (this.#outcomes.has(key)) return undefined;
    if (await writer.useKeptBlob(digest, size)) return undefined;
    const pending = Math.max(size, this.#options.pendingBytes());
    const room = size + ROOM_FACTOR * pending;
    const incoming = await writer.keepBlob(digest, size, room);
    return new BlobCopy(incoming, (failure) => this.#note(key, failure));
  }

  #note(key: string, failure: TpullError | undefined): void {
    if (failure === undefined) return;
    this.#outcomes.set(key, Promise.resolve({ failure, fetched: false }));
  }

  /** A kept blob to be unpacked instead of one from the network; undefined where it is not kept. */
  async kept({
    digest,
    size,
  }: BlobSource["descriptor"]): Promise<AsyncIterable<Uint8Array> | undefined> {
    const writer = await this.#options.writer();
    if (!(await writer.useKeptBlob(digest, size))) return undefined;
    const blob = await writer.openKeptBlob(digest, size);
    return blob && closing(blob.read(), blob);
  }

  /** The kept blob is not what it is called. */
  async forget({ digest, size }: BlobSource["descriptor"]): Promise<void> {
    const writer = await this.#options.writer();
    await writer.forgetKeptBlob(digest, size);
  }

  /**
   * Sees to it that a blob is kept: fetches it unless it is.
   * @throws TpullError as `RegistryClient.blob` does, `DIGEST_MISMATCH`
   */
  async bring(source: BlobSource, options: BringOptions): Promise<KeptOutcome> {
    const key = keyOf(source.descriptor);
    for (;;) {
      const known = this.#outcomes.get(key);
      if (known === undefined) break;
      try {
        return { ...(await known), fetched: false };
      } catch (error) {
        // The image that fetched it was stopped; this one was not.
        if (!isAborted(error) || options.signal.aborted) throw error;
      }
    }
    const outcome = this.#limit(() => this.#bring(source, options));
    this.#outcomes.set(key, outcome);
    try {
      return await outcome;
    } catch (error) {
      this.#outcomes.delete(key);
      throw error;
    }
  }

  async #bring(
    source: BlobSource,
    options: BringOptions,
  ): Promise<KeptOutcome> {
    if (options.signal.aborted) throw abortedError();
    const { digest, size } = source.descriptor;
    const writer = await this.#options.writer();
    if (await writer.useKeptBlob(digest, size)) {
      return { failure: undefined, fetched: false };
    }
    for (let again = true; ;) {
      const incoming = await writer.keepBlob(digest, size);
      const { failure } = incoming;
      if (failure !== undefined) return { failure, fetched: false };
      const hosts = new Set<string>();
      const part = this.#part(writer, source, hosts, options);
      const resumed = part.here > 0;
      try {
        const actual = await this.#read(part, incoming, options);
        await part.remove();
        if (actual === digest) {
          return { failure: await incoming.keep(), fetched: true };
        }
        const wrong = wrongBytes(digest, actual);
        const { client } = this.#options;
        const { repository, descriptor } = source;
        const other = client.distrust(repository, descriptor, hosts, wrong);
        // Where bytes of two runs were joined, the joint may be what is wrong.
        if (!(await other) && !(resumed && again)) throw wrong;
        again = false;
      } catch (error) {
        await part.close();
        throw error;
      } finally {
        incoming.discard();
      }
    }
  }

  /** The blob, with what an interrupted run left of it; what comes of it is left in turn. */
  #part(
    writer: StoreWriter,
    { repository, descriptor }: BlobSource,
    hosts: Set<string>,
    { signal, onRetry, onReceived }: BringOptions,
  ): ResumedBlob {
    const { digest, size } = descriptor;
    const isWorthIt = size >= MIN_KEPT_BYTES;
    return new ResumedBlob({
      size,
      partial: isWorthIt ? writer.partialBlob(digest, size) : undefined,
      speed: this.#speed,
      fetch: (range) =>
        this.#options.client.blob(repository, descriptor, {
          signal,
          onRetry,
          ...range,
          onReceived: (host, received) => {
            hosts.add(host);
            onReceived?.(host, received);
          },
        }),
      onReceived: () => undefined,
    });
  }

  /** Writes a blob down as it comes. @returns the digest of what came */
  async #read(
    part: ResumedBlob,
    incoming: IncomingBlob,
    { onProgress }: BringOptions,
  ): Promise<Digest> {
    const hash = createHash("sha256");
    let bytes = 0;
    onProgress(bytes);
    for await (const chunk of part.chunks()) {
      hash.update(chunk);
      await incoming.write(chunk);
      bytes += chunk.length;
      onProgress(bytes);
    }
    return `sha256:${hash.digest("hex")}` as Digest;
  }

  /** Keeps an index. */
  async document(digest: Digest, bytes: Uint8Array): Promise<void> {
    const writer = await this.#options.writer();
    if (await writer.useKeptBlob(digest, bytes.length)) return;
    const incoming = await writer.keepBlob(digest, bytes.length);
    await incoming.write(bytes);
    await incoming.keep();
  }
}

/** A blob that is written down while it is read. */
export class BlobCopy {
  readonly #incoming: IncomingBlob;
  readonly #onEnd: (failure: TpullError | undefined) => void;

  constructor(
    incoming: IncomingBlob,
    onEnd: (failure: TpullError | undefined) => void,
  ) {
    this.#incoming = incoming;
    this.#onEnd = onEnd;
  }

  /** The same chunks. */
  async *of(
    chunks: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of chunks) {
      await this.#incoming.write(chunk);
      yield chunk;
    }
  }

  /** Keeps it: its digest has proved right. */
  async keep(): Promise<void> {
    this.#onEnd(await this.#incoming.keep());
  }

  discard(): void {
    this.#incoming.discard();
  }
}

async function* closing(
  chunks: AsyncIterable<Uint8Array>,
  resource: { close(): void },
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* chunks;
  } finally {
    resource.close();
  }
}

function keyOf({ digest, size }: BlobSource["descriptor"]): string {
  return `${digest} ${size}`;
}

function isAborted(error: unknown): boolean {
  return isTpullError(error) && error.code === "ABORTED";
}

function wrongBytes(expected: Digest, actual: Digest): TpullError {
  return new TpullError(
    "DIGEST_MISMATCH",
    `the registry sent other bytes than asked for: they hash to ${actual}`,
    {
      hint: "The registry, a cache or a proxy on the way serves damaged data; nothing of it was stored.",
      details: { expected, actual },
    },
  );
}
