/** What the registry client takes and gives. */
import type { Digest } from "../../store/digest.js";
import type { BlobAddress } from "./blob-errors.js";
import type { NetworkOptions } from "./connector.js";
import type { CredentialSource } from "./credentials.js";
import type { FlowTiming } from "./flow.js";
import type { Descriptor } from "./manifest.js";
import type { FetchedManifest, ManifestHead } from "./manifests.js";
import type { HostsSource } from "./endpoint.js";
import type { PassedOver } from "./places.js";
import type { RateLimit } from "./rate-limit.js";
import type { PasswordCredential, Proof } from "./prove.js";
import type { RetryPolicy } from "./retry.js";
import type { Repository } from "./session.js";
import type { RegistryWarning } from "./warnings.js";

export type {
  BlobAddress,
  CredentialSource,
  FetchedManifest,
  FlowTiming,
  HostsSource,
  ManifestHead,
  NetworkOptions,
  PassedOver,
  RateLimit,
  RegistryWarning,
  Repository,
  RetryPolicy,
};

/** A request is about to be tried again. */
export interface RetryEvent {
  /** Who is asked: the registry as references name it, or a mirror's host[:port]. */
  readonly host: string;
  /** Of the blob concerned. */
  readonly digest?: Digest;
  /** 1 for the first retry since the last progress. */
  readonly attempt: number;
  readonly delayMs: number;
  readonly reason: string;
}

export interface RegistryClientOptions {
  /** Default `tpull`. */
  readonly userAgent?: string;
  /** Ends everything that is under way, with `ABORTED`. */
  readonly signal?: AbortSignal | undefined;
  /** Anonymous without. */
  readonly credentials?: CredentialSource;
  /**
   * Base URL to use for a registry instead of its own, e.g. of a test server:
   * `docker.io` → `http://127.0.0.1:5000`. `undefined` leaves the registry's own.
   */
  readonly endpoint?: (registry: string) => string | undefined;
  /** Finds the places to ask for a registry; without it the registry itself. */
  readonly hosts?: HostsSource;
  readonly retry?: Partial<RetryPolicy>;
  /**
   * Streams of all blobs together, as far as there are not more blobs: 1 to
   * 64, 8 by default. A large blob is fetched by several when that is faster;
   * with 1 never.
   */
  readonly maxStreams?: number;
  /** How patiently it is found out what more streams bring. */
  readonly flow?: Partial<FlowTiming>;
  /**
   * Bytes a second of all blobs together, 1024 at least. What sockets buffer
   * (below 1 MiB each) may come on top once.
   */
  readonly limitRate?: number;
  /** Told before each wait, unless the call has its own `onRetry`. */
  readonly onRetry?: (event: RetryEvent) => void;
  /** Told each of a registry's own warnings, each mirror that is passed over, and each registry that is slow to answer, once. */
  readonly onWarning?: (warning: RegistryWarning) => void;
  /** A body that stays below the floor for this long counts as broken. Default 30 s. */
  readonly stallMs?: number;
  /** Bytes per second, averaged over `stallMs`, that a body has to bring. Default 1024. */
  readonly floorBytesPerSecond?: number | undefined;
  /** For name look-up, TCP and TLS together. Default 15 s. */
  readonly connectTimeoutMs?: number;
  /** Until a registry begins to answer; one that has to fetch first needs long. Default 60 s. */
  readonly headersTimeoutMs?: number;
  /** Trust, name look-up and proxies of all connections. */
  readonly network?: NetworkOptions;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Instead of the client's. */
  readonly onRetry?: ((event: RetryEvent) => void) | undefined;
  /** Told how many bytes of content came from which host, named as in {@link RetryEvent}. */
  readonly onReceived?: ((host: string, bytes: number) => void) | undefined;
}

export interface ManifestOptions extends CallOptions {
  /** Descriptor that names the manifest: size and digest must agree. */
  readonly expected?: Descriptor | undefined;
}

export interface BlobOptions extends CallOptions {
  /** First byte wanted; 0 by default. */
  readonly from?: number;
  /** Where to stop (exclusive); the blob's size by default. */
  readonly to?: number;
  /**
   * The bytes from this offset on come over another connection than those
   * before (with `from` > 0 that is already true of the first). A wrong digest
   * may then be the join's fault: it is worth one more try from byte 0.
   */
  readonly onResume?: ((offset: number) => void) | undefined;
  /**
   * Shown chunks that arrive before it is their turn in the stream, with their
   * offset in the blob. The very same chunks come in the stream later.
   */
  readonly onAhead?: ((offset: number, chunk: Uint8Array) => void) | undefined;
}

/**
 * Every method throws `ABORTED` as soon as its signal or the client's fires;
 * `NETWORK_*`, `PROXY_ERROR`, `REGISTRY_ERROR` and `TOO_MANY_REQUESTS` once the
 * retries are used up; `UNAUTHORIZED`, `DENIED`, `NAME_UNKNOWN`,
 * `NOT_A_REGISTRY`, `TLS_ERROR`, `CA_INVALID`, `CLIENT_CERTIFICATE_INVALID`,
 * `PROXY_DENIED`, `PROXY_INVALID`, `REDIRECT_REFUSED`, `TOKEN_REALM_REFUSED`,
 * `TOKEN_INVALID`, `AUTH_UNSUPPORTED` and `REFERENCE_INVALID` at once.
 */
export interface RegistryClient {
  /**
   * What a tag stands for now. `undefined` when the registry gives no usable
   * answer to HEAD; then only {@link RegistryClient.manifest} tells.
   * @throws TpullError `MANIFEST_UNKNOWN`
   */
  head(
    repository: Repository,
    tagOrDigest: string,
    options?: CallOptions,
  ): Promise<ManifestHead | undefined>;

  /**
   * A manifest or index, at most 4 MiB. Its digest is verified against the one
   * asked for, the expected descriptor and the registry's own header, as far
   * as there are any; what it means is for `parseManifest`.
   * @throws TpullError `MANIFEST_UNKNOWN`, `MANIFEST_TOO_LARGE`,
   *   `MANIFEST_UNSUPPORTED`, `SIZE_MISMATCH`, `DIGEST_MISMATCH`
   */
  manifest(
    repository: Repository,
    tagOrDigest: string,
    options?: ManifestOptions,
  ): Promise<FetchedManifest>;

  /**
   * A small blob whole, such as a config: at most 8 MiB, size and digest
   * verified. Bytes that the descriptor itself carries are taken from there.
   * @throws TpullError `BLOB_UNKNOWN`, `BLOB_TOO_LARGE`, `SIZE_MISMATCH`
   *   (also for an empty blob), `DIGEST_MISMATCH`
   */
  bytes(
    repository: Repository,
    descriptor: Pick<Descriptor, "digest" | "size" | "data">,
    options?: CallOptions,
  ): Promise<Buffer>;

  /**
   * Bytes of a blob, for those who have no manifest that says so.
   * @throws TpullError `BLOB_UNKNOWN`
   */
  blobSize(
    repository: Repository,
    digest: Digest,
    options?: CallOptions,
  ): Promise<number>;

  /**
   * A blob as a stream that ends after exactly its size. Broken and stalled
   * connections are resumed; the digest is not verified. It begins with the
   * first read; leaving the loop early drops the connection. A read that is
   * under way is ended by the signal only.
   * @throws TpullError `BLOB_UNKNOWN`, `SIZE_MISMATCH`
   */
  blob(
    repository: Repository,
    descriptor: BlobAddress,
    options?: BlobOptions,
  ): AsyncIterable<Uint8Array>;

  /**
   * Says that bytes of a blob were wrong. Mirrors among the hosts that sent
   * them are passed over from now on.
   * @param hosts as `onReceived` named them
   * @returns whether a mirror was among them, so that another try may end better
   */
  distrust(
    repository: Repository,
    blob: Pick<BlobAddress, "digest">,
    hosts: Iterable<string>,
    error: unknown,
  ): Promise<boolean>;

  /** The mirrors of a registry that were passed over so far. */
  passedOver(registry: string): readonly PassedOver[];

  /**
   * The tags of a repository in the registry's order, each once, page by page
   * as they are read.
   * @throws TpullError `NAME_UNKNOWN`, `TAG_LIST_INVALID` (not a list, or one
   *   that leads elsewhere or has no end)
   */
  tags(repository: Repository, options?: CallOptions): AsyncIterable<string>;

  /**
   * Asks a registry itself, not a mirror of it, whether it takes a credential, for a log-in.
   * @throws TpullError `UNAUTHORIZED`, `DENIED` when it does not
   */
  prove(
    registry: string,
    credential: PasswordCredential,
    options?: CallOptions,
  ): Promise<Proof>;

  /** There where blobs come from this machine instead of a network: none of them is kept for another time. */
  readonly local?: {
    /** Whether a blob is known by the diff ID of its tar only, so that its digest says nothing. */
    namedByDiffId(digest: Digest): boolean;
    /** Whether a blob is known to be absent: its layer is in the store, on whatever parent. */
    lacks(digest: Digest): boolean;
  };

  /** Drops all connections; what is under way ends with `ABORTED`. */
  close(): Promise<void>;
}
