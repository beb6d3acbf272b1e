/**
 * The registry client: manifests and blobs of repositories, verified as far as
 * that is possible without storing them.
 */
import type { LookupFunction } from "node:net";
import type { Digest } from "../../store/digest.js";
import { TpullError } from "../../store/errors.js";
import { Auth } from "./auth.js";
import type { BlobAddress } from "./blob-errors.js";
import { streamBlob } from "./blob.js";
import { findBlobSize } from "./blob-size.js";
import type {
  BlobOptions,
  CallOptions,
  ManifestOptions,
  RegistryClient,
  RegistryClientOptions,
} from "./client-types.js";
import { Http } from "./http.js";
import { Link } from "./link.js";
import type { Descriptor } from "./manifest.js";
import {
  fetchManifest,
  headManifest,
  type FetchedManifest,
  type ManifestHead,
} from "./manifests.js";
import { Places, type PassedOver } from "./places.js";
import type { PasswordCredential, Proof } from "./prove.js";
import { RateLimiter } from "./rate-limiter.js";
import { DEFAULT_RETRY_POLICY, type Retry } from "./retry.js";
import { distrust } from "./route.js";
import { Session, type Repository } from "./session.js";
import { joinSignals } from "./signals.js";
import { fetchSmallBlob } from "./small-blob.js";
import { streamTags } from "./tag-list.js";
import { RegistryWarnings } from "./warnings.js";

export type * from "./client-types.js";

/** What registries and their storage take from one client without complaint. */
const DEFAULT_MAX_STREAMS = 8;
/** People are told when an answer takes so long. Milliseconds. */
const SLOW_MS = 10_000;

/**
 * Makes a client; it connects to nothing before it is asked.
 * @throws TpullError `OPTION_INVALID`
 */
export function createRegistryClient(
  options: RegistryClientOptions = {},
): RegistryClient {
  return new Client(options);
}

class Client implements RegistryClient {
  readonly #onRetry: RegistryClientOptions["onRetry"];
  readonly #closing = new AbortController();
  /** Of all work: the caller's signal and close(). */
  readonly #life: ReturnType<typeof joinSignals>;
  readonly #http: Http;
  readonly #lookup: LookupFunction | undefined;
  readonly #session: Session;

  constructor(options: RegistryClientOptions) {
    checkOptions(options);
    this.#onRetry = options.onRetry;
    this.#life = joinSignals(this.#closing.signal, options.signal);
    const policy = { ...DEFAULT_RETRY_POLICY, ...options.retry };
    const connectTimeoutMs = options.connectTimeoutMs ?? 15_000;
    const headersTimeoutMs = options.headersTimeoutMs ?? 60_000;
    this.#http = new Http({
      userAgent: options.userAgent ?? "tpull",
      connectTimeoutMs,
      headersTimeoutMs,
      stallMs: options.stallMs ?? 30_000,
      floorBytesPerSecond: options.floorBytesPerSecond,
      now: policy.now,
      profileFor: (url) => this.#session.places.profileFor(url),
      network: options.network ?? {},
    });
    this.#lookup = options.network?.lookup;
    const limiter =
      options.limitRate === undefined
        ? undefined
        : new RateLimiter(options.limitRate, {
            now: () => performance.now(),
            sleep: policy.sleep,
          });
    this.#session = new Session({
      http: this.#http,
      places: new Places({
        override: options.endpoint,
        hosts: options.hosts,
        probeTimeoutMs: Math.min(connectTimeoutMs, 3000),
        lookup: options.network?.lookup,
        onPassedOver: ({ registry, host, reason }) =>
          options.onWarning?.({
            code: "MIRROR_PASSED_OVER",
            message: `mirror ${host} of ${registry} is passed over: ${reason}`,
          }),
      }),
      auth: new Auth({
        http: this.#http,
        credentials: options.credentials,
        lookup: this.#lookup,
        signal: this.#life.signal,
        now: policy.now,
      }),
      warnings: new RegistryWarnings(options.onWarning),
      policy,
      lookup: this.#lookup,
      link: new Link(
        options.maxStreams ?? DEFAULT_MAX_STREAMS,
        limiter,
        options.flow,
      ),
      slowMs: Math.min(SLOW_MS, headersTimeoutMs / 2),
    });
  }

  async head(
    { registry, repository }: Repository,
    item: string,
    options: CallOptions = {},
  ): Promise<ManifestHead | undefined> {
    const onRetry = this.#teller(options);
    return this.#within(options, (signal) =>
      headManifest(this.#session, {
        registry,
        repository,
        item,
        expected: undefined,
        route: { signal, onRetry },
        onReceived: receiver(options),
      }),
    );
  }

  async manifest(
    { registry, repository }: Repository,
    item: string,
    options: ManifestOptions = {},
  ): Promise<FetchedManifest> {
    const onRetry = this.#teller(options);
    return this.#within(options, (signal) =>
      fetchManifest(this.#session, {
        registry,
        repository,
        item,
        expected: options.expected,
        route: { signal, onRetry },
        onReceived: receiver(options),
      }),
    );
  }

  async bytes(
    { registry, repository }: Repository,
    blob: Pick<Descriptor, "digest" | "size" | "data">,
    options: CallOptions = {},
  ): Promise<Buffer> {
    return fetchSmallBlob(this.#session, {
      registry,
      repository,
      blob,
      signals: [this.#life.signal, options.signal],
      onRetry: this.#teller(options, blob.digest),
      onReceived: receiver(options),
    });
  }

  async blobSize(
    { registry, repository }: Repository,
    digest: Digest,
    options: CallOptions = {},
  ): Promise<number> {
    const onRetry = this.#teller(options, digest);
    return this.#within(options, (signal) =>
      findBlobSize(this.#session, {
        registry,
        repository,
        digest,
        route: { signal, onRetry },
      }),
    );
  }

  blob(
    { registry, repository }: Repository,
    blob: BlobAddress,
    options: BlobOptions = {},
  ): AsyncIterable<Uint8Array> {
    const { from = 0, to = blob.size, onResume, onAhead } = options;
    if (!Number.isInteger(from) || from < 0 || from > blob.size) {
      throw new RangeError(`from: ${from} is not within 0…${blob.size}`);
    }
    if (!Number.isInteger(to) || to < from || to > blob.size) {
      throw new RangeError(`to: ${to} is not within ${from}…${blob.size}`);
    }
    return streamBlob(this.#session, {
      registry,
      repository,
      blob,
      from,
      to,
      signals: [this.#life.signal, options.signal],
      onRetry: this.#teller(options, blob.digest),
      onReceived: receiver(options),
      onResume: (offset) => onResume?.(offset),
      onAhead: (offset, chunk) => onAhead?.(offset, chunk),
    });
  }

  distrust(
    { registry, repository }: Repository,
    { digest }: Pick<BlobAddress, "digest">,
    hosts: Iterable<string>,
    error: unknown,
  ): Promise<boolean> {
    const blob = { digest };
    return distrust(
      this.#session,
      { registry, repository, blob },
      hosts,
      error,
    );
  }

  passedOver(registry: string): readonly PassedOver[] {
    return this.#session.places.passedOver(registry);
  }

  tags(
    { registry, repository }: Repository,
    options: CallOptions = {},
  ): AsyncIterable<string> {
    const onRetry = this.#teller(options);
    const signals = [this.#life.signal, options.signal];
    return streamTags(this.#session, {
      registry,
      repository,
      signals,
      onRetry,
    });
  }

  async prove(
    registry: string,
    credential: PasswordCredential,
    options: CallOptions = {},
  ): Promise<Proof> {
    const { proveCredential } = await import("./prove.js");
    return this.#within(options, async (signal) =>
      proveCredential(credential, {
        http: this.#http,
        endpoint: await this.#session.places.origin(registry, signal),
        policy: this.#session.policy,
        lookup: this.#lookup,
        signal,
      }),
    );
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#life.release();
    await this.#http.close();
  }

  async #within<T>(
    options: CallOptions,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { signal, release } = joinSignals(this.#life.signal, options.signal);
    try {
      return await work(signal);
    } finally {
      release();
    }
  }

  #teller(
    options: CallOptions,
    digest?: Digest,
  ): (retry: Retry, host: string) => void {
    const tell = options.onRetry ?? this.#onRetry;
    const about = digest === undefined ? {} : { digest };
    return (retry, host) => tell?.({ host, ...about, ...retry });
  }
}

function checkOptions({ maxStreams, limitRate }: RegistryClientOptions): void {
  if (
    maxStreams !== undefined &&
    !(Number.isInteger(maxStreams) && maxStreams >= 1 && maxStreams <= 64)
  ) {
    throw new TpullError(
      "OPTION_INVALID",
      `maxStreams is a whole number from 1 to 64, not ${maxStreams}`,
    );
  }
  if (
    limitRate !== undefined &&
    !(Number.isFinite(limitRate) && limitRate >= 1024)
  ) {
    throw new TpullError(
      "OPTION_INVALID",
      `limitRate is a number of bytes a second of at least 1024, not ${limitRate}`,
    );
  }
}

function receiver({
  onReceived,
}: CallOptions): (host: string, bytes: number) => void {
  return (host, bytes) => onReceived?.(host, bytes);
}
