/**
 * The pull: references in, images in a docker data root out. Read
 * {@link pullImage} for the story of one image; everything it calls is a file
 * of its own.
 */
import { availableParallelism } from "node:os";
import pLimit from "p-limit";
import {
  type ChainId,
  type ImageId,
  type LayerRecord,
  Stager,
  type Store,
  type StoreWriter,
  TpullError,
  abortedError,
  chainIds,
  isTpullError,
  openStore,
  privilege,
  shortId,
} from "../store/index.js";
import { defaultRoot } from "./default-root.js";
import { EarlyBlob } from "./early-blob.js";
import type { FailedPull, LayerResult, OnEvent, PullEvent, PullResult } from "./events.js";
import { type ImageConfig, parseImageConfig } from "./image-config.js";
import { type LayerListener, LayerJobs, type LayerOutcome } from "./layer-jobs.js";
import { type Platform, formatPlatform, hostPlatform, parsePlatform, platformMatches } from "./platform.js";
import {
  type Reference,
  canonicalName,
  canonicalRepository,
  familiarName,
  familiarRepository,
  parseReference,
} from "./reference.js";
import { type RegistryClient, type RegistryClientOptions, createRegistryClient } from "./registry/client.js";
import type { Descriptor } from "./registry/manifest.js";
import { type ResolvedImage, resolveImage } from "./resolve-image.js";

/**
 * Layers in flight. More than cores, so that the network works while layers
 * unpack; see the benchmark for what other numbers cost.
 */
export const DEFAULT_CONCURRENCY = 4;
/** Images whose manifests are asked for at the same time. */
const IMAGES_AT_ONCE = 4;

export interface PullOptions {
  /** Data root to write to; the default is the command line's. */
  root?: string;
  /** os/arch[/variant]; the default is this machine's. */
  platform?: string;
  /** Layers in flight, 1 to 64. */
  concurrency?: number;
  signal?: AbortSignal;
  onEvent?: OnEvent;
  /** How registries are reached. */
  registry?: Omit<RegistryClientOptions, "onRetry" | "onWarning" | "signal">;
}

export interface PullAllResult {
  /** Of the images that were pulled, in the order asked for. */
  results: PullResult[];
  failures: FailedPull[];
}

/**
 * Pulls one image.
 * @param reference as docker takes it, e.g. `nginx:latest`
 * @throws TpullError with a code of the README's table
 */
export async function pull(reference: string, options: PullOptions = {}): Promise<PullResult> {
  await using session = await Session.open(options);
  return pullImage(reference, session);
}

/**
 * Pulls several images with one scheduler: a layer they share is fetched once,
 * and one that fails does not stop the others.
 * @throws TpullError only for what concerns the whole run: options, a root that
 *   cannot be written, `ABORTED`
 */
export async function pullAll(references: readonly string[], options: PullOptions = {}): Promise<PullAllResult> {
  const begun = performance.now();
  await using session = await Session.open(options);
  const limit = pLimit(IMAGES_AT_ONCE);
  const results: PullResult[] = [];
  const failures: FailedPull[] = [];
  const outcomes = await Promise.allSettled(
    references.map((reference) => limit(() => pullImage(reference, session))),
  );
  for (const [index, outcome] of outcomes.entries()) {
    const reference = references[index] ?? "";
    if (outcome.status === "fulfilled") results.push(outcome.value);
    else if (isTpullError(outcome.reason)) failures.push({ reference, error: outcome.reason.toJSON() });
    else throw outcome.reason;
  }
  if (options.signal?.aborted) throw abortedError();
  session.emit({
    type: "summary",
    pulled: results.length,
    failed: failures.length,
    bytesFetched: results.reduce((sum, { bytesFetched }) => sum + bytesFetched, 0),
    durationMs: Math.round(performance.now() - begun),
    results,
    failures,
  });
  return { results, failures };
}

/** The story of one image. */
async function pullImage(text: string, session: Session): Promise<PullResult> {
  // Siblings of a failed layer are stopped by the end of their image.
  const end = new AbortController();
  const stop = (): void => end.abort();
  session.signal.addEventListener("abort", stop, { once: true });
  try {
    if (session.signal.aborted) throw abortedError();
    const reference = parseReference(text);
    const image = new Image(text, reference, session, end.signal);
    session.emit({ type: "resolve", image: text, canonicalName: canonicalName(reference) });

    const current = await image.upToDate();
    if (current !== undefined) return image.done(current);

    const resolved = await resolveImage(reference, { client: session.client, platform: session.platform, signal: end.signal });
    image.announce(resolved);

    const early = await image.askForLayers(resolved.manifest.layers);
    let bytes: Buffer;
    let config: ImageConfig;
    try {
      bytes = await session.client.bytes(reference, resolved.manifest.config, { signal: end.signal });
      config = parseImageConfig(bytes, resolved.manifest.layers.length);
      image.checkPlatform(config, resolved);
    } catch (error) {
      for (const blob of early.values()) blob.cancel();
      throw error;
    }

    const layers = await image.bringLayers(resolved, config, early);
    const status = await image.publish(resolved, bytes);
    return image.done(image.result(resolved, config, layers, bytes.length, status));
  } catch (error) {
    const failure = isTpullError(error) && error.details.image === undefined ? error.with({ image: text }) : error;
    if (isTpullError(failure)) session.emit({ type: "error", image: text, error: failure.toJSON() });
    throw failure;
  } finally {
    session.signal.removeEventListener("abort", stop);
    end.abort();
  }
}

/** What all images of a run share. */
class Session implements AsyncDisposable {
  readonly store: Store;
  readonly client: RegistryClient;
  readonly platform: Platform;
  /** Whether the caller named the platform: then another one is an error. */
  readonly platformGiven: boolean;
  readonly signal: AbortSignal;
  readonly jobs: LayerJobs;
  readonly #onEvent: OnEvent | undefined;
  readonly #stager = new Stager();
  #writer: Promise<StoreWriter> | undefined;

  private constructor(store: Store, options: PullOptions, platform: Platform) {
    const concurrency = options.concurrency ?? DEFAULT_CONCURRENCY;
    if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > 64) {
      throw new TpullError("OPTION_INVALID", `concurrency is a whole number from 1 to 64, not ${concurrency}`);
    }
    this.store = store;
    this.platform = platform;
    this.platformGiven = options.platform !== undefined;
    this.signal = options.signal ?? new AbortController().signal;
    this.#onEvent = options.onEvent;
    this.client = createRegistryClient({
      ...options.registry,
      signal: this.signal,
      onWarning: ({ code, message }) => this.emit({ type: "warning", code, message }),
    });
    this.jobs = new LayerJobs({
      store,
      writer: () => this.writer(),
      client: this.client,
      stager: this.#stager,
      concurrency,
      cores: availableParallelism(),
    });
  }

  /** @throws TpullError when the root cannot be written or an option is wrong: before anything is downloaded */
  static async open(options: PullOptions): Promise<Session> {
    const platform = options.platform === undefined ? hostPlatform() : parsePlatform(options.platform);
    const store = await openStore(options.root ?? defaultRoot());
    const warnings = await store.checkWritable();
    const session = new Session(store, options, platform);
    for (const { code, message } of warnings) session.emit({ type: "warning", code, message });
    return session;
  }

  emit(event: PullEvent): void {
    this.#onEvent?.(event);
  }

  /** The right to write, taken when the first layer or name needs it. */
  writer(): Promise<StoreWriter> {
    this.#writer ??= this.#beginWrite();
    return this.#writer;
  }

  async #beginWrite(): Promise<StoreWriter> {
    if (privilege() === "unprivileged") {
      this.emit({
        type: "warning",
        code: "UNPRIVILEGED",
        message: "without root privileges files belong to you, and devices and privileged attributes are left out",
      });
    }
    return this.store.beginWrite({ signal: this.signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stager[Symbol.asyncDispose]();
    await this.client.close();
    const writer = await this.#writer?.catch(() => undefined);
    await writer?.[Symbol.asyncDispose]();
  }
}

/** One image on its way. */
class Image {
  readonly #text: string;
  readonly #reference: Reference;
  readonly #session: Session;
  readonly #signal: AbortSignal;

  constructor(text: string, reference: Reference, session: Session, signal: AbortSignal) {
    this.#text = text;
    this.#reference = reference;
    this.#session = session;
    this.#signal = signal;
  }

  /**
   * The stored image, if the reference still means it. Costs no request for a
   * pinned digest and one HEAD for a tag, which registries do not count.
   */
  async upToDate(): Promise<PullResult | undefined> {
    const { store, client, platform } = this.#session;
    const reference = this.#reference;
    const imageId = await store.reference(familiarName(reference));
    if (imageId === undefined) return undefined;
    const bytes = await store.imageConfig(imageId);
    if (bytes === undefined) return undefined;
    const config = parseStoredConfig(bytes);
    // Anything but the very platform is chosen anew: an index may have a better match by now.
    if (config === undefined || !samePlatform(config, platform)) return undefined;
    let digest = reference.digest;
    if (digest === undefined) {
      const head = await client.head(reference, reference.tag ?? "latest", { signal: this.#signal });
      if (head === undefined) return undefined;
      digest = head.digest;
      const named = await store.reference(`${familiarRepository(reference)}@${digest}`);
      if (named !== imageId) return undefined;
    }
    const layers: LayerResult[] = [];
    for (const chainId of chainIds(config.diffIds)) {
      const record = await store.layer(chainId);
      if (record === undefined) return undefined;
      layers.push(await this.#storedLayer(record));
    }
    this.#emitPulling(digest);
    return {
      ...this.#names(),
      digest,
      manifestDigest: digest,
      imageId,
      platform: formatPlatform(config),
      status: "up-to-date",
      layers,
      bytesFetched: 0,
    };
  }

  async #storedLayer(record: LayerRecord): Promise<LayerResult> {
    const [origin] = await this.#session.store.originsOf(record.diffId, canonicalRepository(this.#reference));
    return {
      digest: origin ?? (record.diffId as string as Descriptor["digest"]),
      diffId: record.diffId,
      chainId: record.chainId,
      cacheId: record.cacheId,
      compressedSize: 0,
      size: record.size,
      source: "reused",
    };
  }

  announce(resolved: ResolvedImage): void {
    this.#emitPulling(resolved.digest);
  }

  #emitPulling(digest: Descriptor["digest"]): void {
    const { tag, digest: pinned, repository } = this.#reference;
    this.#session.emit({
      type: "pulling",
      image: this.#text,
      // docker names the whole reference here when a digest was asked for.
      tagOrDigest: pinned === undefined ? (tag ?? "latest") : `${canonicalRepository(this.#reference)}@${pinned}`,
      repository,
      digest,
    });
  }

  /** Sends the requests for layers that nothing is known of, so that they travel with the config's. */
  async askForLayers(layers: readonly Descriptor[]): Promise<Map<Descriptor["digest"], EarlyBlob>> {
    const { store, client } = this.#session;
    const early = new Map<Descriptor["digest"], EarlyBlob>();
    const largest = layers.toSorted((a, b) => b.size - a.size);
    for (const descriptor of largest) {
      if (early.size >= DEFAULT_CONCURRENCY || early.has(descriptor.digest)) continue;
      if ((await store.diffIdOf(descriptor.digest)) !== undefined) continue;
      early.set(
        descriptor.digest,
        new EarlyBlob((signal) => client.blob(this.#reference, descriptor, { signal: AbortSignal.any([signal, this.#signal]) })),
      );
    }
    return early;
  }

  /** @throws TpullError `PLATFORM_NOT_FOUND` when the caller asked for another platform */
  checkPlatform(config: ImageConfig, resolved: ResolvedImage): void {
    const { platform, platformGiven } = this.#session;
    if (resolved.chosen || platformMatches(wire(config), platform)) return;
    const name = familiarName(this.#reference);
    const is = formatPlatform(config);
    if (platformGiven) {
      throw new TpullError("PLATFORM_NOT_FOUND", `no ${formatPlatform(platform)} in ${name}: the only image is for ${is}`, {
        hint: `Pull it with --platform ${is}, or choose another tag.`,
        details: { expected: formatPlatform(platform), actual: is },
      });
    }
    this.#session.emit({
      type: "warning",
      image: this.#text,
      code: "PLATFORM_DIFFERS",
      message: `${name} is for ${is} only, this machine is ${formatPlatform(platform)}`,
    });
  }

  /** All layers, visible in the store when this resolves; base first. */
  async bringLayers(
    resolved: ResolvedImage,
    config: ImageConfig,
    early: Map<Descriptor["digest"], EarlyBlob>,
  ): Promise<LayerOutcome[]> {
    const { manifest } = resolved;
    const chain = chainIds(config.diffIds);
    const layers = manifest.layers.map((descriptor, index) => ({
      descriptor,
      diffId: config.diffIds[index] as (typeof config.diffIds)[number],
      chainId: chain[index] as ChainId,
      parent: chain[index - 1],
    }));
    const complete = await this.#isComplete(resolved, chain);
    this.#session.emit({
      type: "layers",
      image: this.#text,
      imageId: imageIdOf(resolved),
      platform: formatPlatform(config),
      layers: layers.map(({ descriptor, diffId }) => ({ digest: descriptor.digest, diffId, size: descriptor.size })),
    });
    return this.#session.jobs.bring(
      layers.map((layer, index) => {
        const blob = early.get(layer.descriptor.digest);
        early.delete(layer.descriptor.digest); // one reader for one request
        return {
          ...layer,
          repository: this.#reference,
          early: blob,
          signal: this.#signal,
          listener: this.#listener(index, layer.descriptor, complete),
        };
      }),
    );
  }

  /** Whether image and layers are all stored: then, like docker, nothing is said of the layers. */
  async #isComplete(resolved: ResolvedImage, chain: readonly ChainId[]): Promise<boolean> {
    const { store } = this.#session;
    if ((await store.imageConfig(imageIdOf(resolved))) === undefined) return false;
    const top = chain.at(-1);
    return top === undefined || (await store.layer(top)) !== undefined;
  }

  #listener(index: number, { digest, size }: Descriptor, silent: boolean): LayerListener {
    const { emit } = this.#session;
    const say = emit.bind(this.#session);
    const image = this.#text;
    return {
      state: (state) => {
        if (!silent) say({ type: "layer", image, index, digest, state });
      },
      progress: (current) => say({ type: "progress", image, index, digest, current, total: size }),
      waiting: (reason) => say({ type: "wait", image, reason }),
      retry: (attempt, delayMs, reason) => say({ type: "retry", image, digest, attempt, delayMs, reason }),
      warning: (code, message) => say({ type: "warning", image, code, message }),
    };
  }

  /** Maps, then the config, then the names: the image is visible with the last of them. */
  async publish(resolved: ResolvedImage, config: Buffer): Promise<PullResult["status"]> {
    const { store } = this.#session;
    const reference = this.#reference;
    const imageId = imageIdOf(resolved);
    const before = await store.reference(familiarName(reference));
    const writer = await this.#session.writer();
    const { diffIds } = parseImageConfig(config, resolved.manifest.layers.length);
    await writer.recordDistribution(
      resolved.manifest.layers.map(({ digest }, index) => ({
        digest,
        diffId: diffIds[index] as (typeof diffIds)[number],
        repository: canonicalRepository(reference),
      })),
    );
    await writer.putImage({ config, imageId });
    const { tag, digest } = reference;
    await writer.tagImage(imageId, {
      repository: familiarRepository(reference),
      digest: resolved.digest,
      ...(digest === undefined ? { tag: tag ?? "latest" } : {}),
    });
    return before === imageId ? "up-to-date" : "downloaded";
  }

  result(
    resolved: ResolvedImage,
    config: ImageConfig,
    outcomes: readonly LayerOutcome[],
    configBytes: number,
    status: PullResult["status"],
  ): PullResult {
    return {
      ...this.#names(),
      digest: resolved.digest,
      manifestDigest: resolved.manifestDigest,
      imageId: imageIdOf(resolved),
      platform: formatPlatform(config),
      status,
      layers: resolved.manifest.layers.map((descriptor, index) => {
        const outcome = outcomes[index] as LayerOutcome;
        return {
          digest: descriptor.digest,
          diffId: outcome.record.diffId,
          chainId: outcome.record.chainId,
          cacheId: outcome.record.cacheId,
          compressedSize: descriptor.size,
          size: outcome.record.size,
          source: outcome.source,
        };
      }),
      bytesFetched: outcomes.reduce((sum, { bytes }) => sum + bytes, resolved.bytes + configBytes),
    };
  }

  #names(): Pick<PullResult, "reference" | "canonicalName" | "familiarName"> {
    return {
      reference: this.#text,
      canonicalName: canonicalName(this.#reference),
      familiarName: familiarName(this.#reference),
    };
  }

  done(result: PullResult): PullResult {
    this.#session.emit({ type: "result", image: this.#text, result });
    return result;
  }
}

/** An image's ID is the digest of its config. */
function imageIdOf({ manifest }: ResolvedImage): ImageId {
  return manifest.config.digest as string as ImageId;
}

function parseStoredConfig(bytes: Buffer): ImageConfig | undefined {
  try {
    const { rootfs } = JSON.parse(bytes.toString("utf8")) as { rootfs?: { diff_ids?: unknown[] | null } };
    return parseImageConfig(bytes, rootfs?.diff_ids?.length ?? 0);
  } catch {
    return undefined;
  }
}

function wire({ os, architecture, variant, osVersion }: ImageConfig): Record<string, unknown> {
  return { os, architecture, variant, "os.version": osVersion };
}

function samePlatform(config: ImageConfig, wanted: Platform): boolean {
  return (
    config.os === wanted.os &&
    config.architecture === wanted.architecture &&
    (config.variant ?? wanted.variant ?? "") === (wanted.variant ?? "")
  );
}
