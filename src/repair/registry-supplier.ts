/** What a repair has to fetch, from the registries it came from. */
import {
  type BlobPlace,
  type BlobSupplier,
  type DiffId,
  type Digest,
  type ImageId,
  type SuppliedBlob,
  type SupplyOptions,
  isTpullError,
  parseReference,
  type Reference,
  type TpullError,
  type WantedImage,
} from "../../store/index.js";
import {
  type ImageEntry,
  imageEntries,
  MAX_INDEX_DEPTH,
} from "../index-images.js";
import { canonicalRepository } from "../../store/reference/reference.js";
import type {
  CallOptions,
  FetchedManifest,
  RegistryClient,
} from "../registry/client.js";
import { parseManifest } from "../registry/manifest.js";
import type { RunSession } from "../run-session.js";

/** Failures of a registry as a whole: what else is wanted of it will not come either. */
const OF_THE_HOST =
  /^(NETWORK_\w+|TLS_ERROR|PROXY_\w+|NOT_A_REGISTRY|CA_INVALID)$/;

export class RegistrySupplier implements BlobSupplier {
  readonly #session: RunSession;
  readonly #client: RegistryClient;
  /** Registries that could not be asked, and why. */
  readonly #silent = new Map<string, TpullError>();

  constructor(session: RunSession) {
    this.#session = session;
    this.#client = session.client;
  }

  async layer(
    { digest, repository, size }: BlobPlace & { readonly diffId: DiffId },
    options: SupplyOptions,
  ): Promise<SuppliedBlob> {
    const reference = parseReference(repository);
    const call = this.#call(options, repository);
    const bytes =
      size ??
      (await this.#asking(reference, () =>
        this.#client.blobSize(reference, digest, call),
      ));
    const senders = new Set<string>();
    const blob = { digest, size: bytes };
    const onReceived = (host: string): void => {
      senders.add(host);
    };
    const stream = this.#client.blob(reference, blob, { ...call, onReceived });
    return {
      size: bytes,
      chunks: this.#noting(reference, stream),
      distrust: (error) =>
        this.#client.distrust(reference, { digest }, senders, error),
    };
  }

  async config(
    imageId: ImageId,
    repositories: readonly string[],
    options: SupplyOptions,
  ): Promise<{ bytes: Uint8Array; from: string }> {
    const digest = imageId as string as Digest;
    let failure: unknown;
    for (const repository of repositories) {
      const reference = parseReference(repository);
      const call = this.#call(options, repository);
      try {
        const bytes = await this.#asking(reference, async () => {
          const size = await this.#client.blobSize(reference, digest, call);
          return await this.#client.bytes(reference, { digest, size }, call);
        });
        return { bytes, from: repository };
      } catch (error) {
        if (!isTpullError(error) || error.code === "ABORTED") throw error;
        // That one could not be asked says less than that one has it not.
        failure = worse(failure, error);
      }
    }
    throw failure;
  }

  async manifest(
    image: WantedImage,
    options: SupplyOptions,
  ): Promise<{ bytes: Uint8Array; repository: string } | undefined> {
    let failure: unknown;
    for (const text of image.references) {
      const reference = parseReference(text);
      const asked = reference.digest ?? reference.tag ?? "latest";
      const call = this.#call(options, text);
      try {
        const bytes = await this.#asking(reference, async () => {
          const top = await this.#client.manifest(reference, asked, call);
          return await this.#find(image, reference, call, top, 1);
        });
        if (bytes === undefined) continue;
        return { bytes, repository: canonicalRepository(reference) };
      } catch (error) {
        if (!isTpullError(error) || error.code === "ABORTED") throw error;
        failure = worse(failure, error);
      }
    }
    if (failure !== undefined) throw failure;
    return undefined;
  }

  /** The manifest of the image: this one, or one that it names, those of its platform first. */
  async #find(
    image: WantedImage,
    reference: Reference,
    call: CallOptions,
    { bytes, mediaType, digest }: FetchedManifest,
    depth: number,
  ): Promise<Uint8Array | undefined> {
    const document = parseManifest(bytes, mediaType, digest);
    if (document.kind === "image") {
      const isIt = (document.config.digest as string) === image.imageId;
      return isIt ? bytes : undefined;
    }
    if (depth > MAX_INDEX_DEPTH) return undefined;
    const { os = "", architecture = "" } = image.platform ?? {};
    const strangeness = ({ platform }: ImageEntry): number =>
      platform?.os === os && platform.architecture === architecture ? 0 : 1;
    const entries = imageEntries(document).sort(
      (a, b) => strangeness(a) - strangeness(b),
    );
    for (const { descriptor } of entries) {
      const options = { ...call, expected: descriptor };
      const inner = await this.#client.manifest(
        reference,
        descriptor.digest,
        options,
      );
      const found = await this.#find(image, reference, call, inner, depth + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #call({ signal }: SupplyOptions, image: string): CallOptions {
    const onRetry = this.#session.retryTeller({ image });
    return { signal: signal ?? this.#session.signal, onRetry };
  }

  /** Asks, unless the registry has proved to be out of reach: each try of it takes its time. */
  async #asking<Result>(
    { registry }: Reference,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const before = this.#silent.get(registry);
    if (before !== undefined) throw before;
    try {
      return await work();
    } catch (error) {
      if (isTpullError(error) && OF_THE_HOST.test(error.code)) {
        this.#silent.set(registry, error as TpullError);
      }
      throw error;
    }
  }

  async *#noting(
    reference: Reference,
    stream: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const before = this.#silent.get(reference.registry);
    if (before !== undefined) throw before;
    try {
      yield* stream;
    } catch (error) {
      if (isTpullError(error) && OF_THE_HOST.test(error.code)) {
        this.#silent.set(reference.registry, error as TpullError);
      }
      throw error;
    }
  }
}

/** The failure that leaves more hope. */
function worse(before: unknown, now: TpullError): unknown {
  if (before === undefined) return now;
  return OF_THE_HOST.test(now.code) ? now : before;
}
