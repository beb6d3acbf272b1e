/** The steps that take one image from its reference to its name in the store. */
import {
  type ChainId,
  type DistributionEntry,
  type ImageId,
  TpullError,
  chainIds,
} from "../store/index.js";
import { ByteCount } from "./byte-count.js";
import type { EarlyOrder } from "./early-blob.js";
import type { PullResult } from "./events.js";
import type { ImageConfig } from "./image-config.js";
import type {
  LayerListener,
  LayerOutcome,
  LayerRequest,
} from "./layer-request.js";
import { formatPlatform, platformMatches } from "./platform.js";
import type { PullSession } from "./pull-session.js";
import {
  type Reference,
  canonicalName,
  canonicalRepository,
  familiarName,
  familiarRepository,
} from "./reference.js";
import type { CallOptions } from "./registry/client.js";
import type { Descriptor } from "./registry/manifest.js";
import type { ResolvedImage } from "./resolve-image.js";
import {
  layersInUse,
  parseStoredConfig,
  samePlatform,
  storedLayers,
} from "./stored-image.js";

/** One image on its way. */
export class ImagePull {
  readonly #text: string;
  readonly #reference: Reference;
  readonly #session: PullSession;
  readonly #signal: AbortSignal;
  /** How requests for this image are sent: they end with it, and their retries are told. */
  readonly call: CallOptions;
  /** The image, config and layers, was stored before: then, like docker, nothing is said of the layers. */
  #wasComplete = false;
  /** Manifests and the config; layers are counted by their jobs. */
  readonly #received = new ByteCount();
  #layers: readonly LayerRequest[] = [];

  constructor(
    text: string,
    reference: Reference,
    session: PullSession,
    signal: AbortSignal,
  ) {
    this.#text = text;
    this.#reference = reference;
    this.#session = session;
    this.#signal = signal;
    this.call = {
      signal,
      onReceived: this.#received.add,
      onRetry: ({ digest, attempt, delayMs, reason }) =>
        session.emit({
          type: "retry",
          image: text,
          ...(digest === undefined ? {} : { digest }),
          attempt,
          delayMs,
          reason,
        }),
    };
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
    if (config === undefined || !samePlatform(config, platform))
      return undefined;
    let digest = reference.digest;
    if (digest === undefined) {
      const tag = reference.tag ?? "latest";
      const head = await client.head(reference, tag, this.call);
      if (head === undefined) return undefined;
      digest = head.digest;
      const named = await store.reference(
        `${familiarRepository(reference)}@${digest}`,
      );
      if (named !== imageId) return undefined;
    }
    const repository = canonicalRepository(reference);
    const layers = await storedLayers(store, config.diffIds, repository);
    if (layers === undefined) return undefined;
    this.#emitPulling(digest);
    return {
      ...this.#names(),
      digest,
      imageId,
      platform: formatPlatform(config),
      status: "up-to-date",
      layers,
      ...this.#fetched(this.#received),
    };
  }

  #fetched(
    received: ByteCount,
  ): Pick<PullResult, "bytesFetched" | "bytesBySource" | "passedOver"> {
    const { registry } = this.#reference;
    return {
      bytesFetched: received.total,
      bytesBySource: received.toJSON(),
      passedOver: this.#session.client
        .passedOver(registry)
        .map(({ host, code, reason }) => ({ host, code, reason })),
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
      tagOrDigest:
        pinned === undefined
          ? (tag ?? "latest")
          : `${canonicalRepository(this.#reference)}@${pinned}`,
      repository,
      digest,
    });
  }

  /** Asks for the layers that will be fetched first, unless something is known of them. */
  async askForLayers(resolved: ResolvedImage): Promise<EarlyOrder> {
    const { store, client, concurrency, early, jobs } = this.#session;
    const order = early.order();
    // An image that is filed under another name has its layers, too.
    if ((await store.imageConfig(imageIdOf(resolved))) !== undefined)
      return order;
    const largest = resolved.manifest.layers
      .toSorted((a, b) => b.size - a.size)
      .slice(0, concurrency);
    const left = await store.leftBlobs();
    for (const descriptor of largest) {
      const { digest } = descriptor;
      // What is here of it says where to begin, and perhaps that there is no need to.
      if (left.has(digest)) continue;
      if ((await store.diffIdOf(digest)) !== undefined) continue;
      if (jobs.knows(digest) || early.size >= concurrency) continue;
      const source = { repository: this.#reference, descriptor };
      order.add(source, (hooks) =>
        client.blob(this.#reference, descriptor, hooks),
      );
    }
    return order;
  }

  /** The image's config: the stored one, or else from the registry. */
  async config(resolved: ResolvedImage): Promise<Buffer> {
    const { store, client } = this.#session;
    const stored = await store.imageConfig(imageIdOf(resolved));
    if (stored !== undefined) return stored;
    const { config } = resolved.manifest;
    return client.bytes(this.#reference, config, this.call);
  }

  /** @throws TpullError `PLATFORM_NOT_FOUND` when the caller asked for another platform */
  checkPlatform(config: ImageConfig, resolved: ResolvedImage): void {
    const { platform, platformGiven } = this.#session;
    if (resolved.chosen || platformMatches(wire(config), platform)) return;
    const is = formatPlatform(config);
    if (platformGiven) {
      throw new TpullError(
        "PLATFORM_NOT_FOUND",
        `${this.#text} has no image for ${formatPlatform(platform)}: the only one is for ${is}`,
        {
          hint: `Pull it with --platform ${is}, or choose another tag.`,
          details: { expected: formatPlatform(platform), actual: is },
        },
      );
    }
    this.#session.emit({
      type: "warning",
      image: this.#text,
      code: "PLATFORM_DIFFERS",
      message: `the image is for ${is} only, this machine is ${formatPlatform(platform)}`,
    });
  }

  /** All layers, visible in the store when this resolves; base first. */
  async bringLayers(
    resolved: ResolvedImage,
    config: ImageConfig,
  ): Promise<LayerOutcome[]> {
    const { manifest } = resolved;
    const chain = chainIds(config.diffIds);
    const layers = manifest.layers.map((descriptor, index) => ({
      descriptor,
      diffId: config.diffIds[index] as (typeof config.diffIds)[number],
      chainId: chain[index] as ChainId,
      parent: chain[index - 1],
    }));
    this.#wasComplete = await this.#isComplete(resolved, chain);
    this.#session.emit({
      type: "layers",
      image: this.#text,
      imageId: imageIdOf(resolved),
      platform: formatPlatform(config),
      layers: layers.map(({ descriptor, diffId }) => ({
        digest: descriptor.digest,
        diffId,
        size: descriptor.size,
      })),
    });
    this.#layers = layers.map((layer, index) => ({
      ...layer,
      repository: this.#reference,
      signal: this.#signal,
      listener: this.#listener(index, layer.descriptor),
    }));
    return this.#session.jobs.bring(this.#layers);
  }

  /** Notes why the image did not come about, for what is done of it. */
  failed({ code }: TpullError): void {
    this.#session.leftovers.note(code, this.#layers);
  }

  async #isComplete(
    resolved: ResolvedImage,
    chain: readonly ChainId[],
  ): Promise<boolean> {
    const { store } = this.#session;
    if ((await store.imageConfig(imageIdOf(resolved))) === undefined)
      return false;
    const top = chain.at(-1);
    return top === undefined || (await store.layer(top)) !== undefined;
  }

  #listener(index: number, { digest, size }: Descriptor): LayerListener {
    const silent = this.#wasComplete;
    const { emit } = this.#session;
    const say = emit.bind(this.#session);
    const image = this.#text;
    return {
      state: (state) => {
        if (!silent) say({ type: "layer", image, index, digest, state });
      },
      progress: (current) =>
        say({ type: "progress", image, index, digest, current, total: size }),
      waiting: (reason) => say({ type: "wait", image, reason }),
      retry: (attempt, delayMs, reason) =>
        say({ type: "retry", image, digest, attempt, delayMs, reason }),
      warning: (code, message) =>
        say({ type: "warning", image, code, message }),
    };
  }

  /** Maps, then the config, then the names: the image is visible with the last of them. */
  async publish(
    resolved: ResolvedImage,
    outcomes: readonly LayerOutcome[],
    config: Buffer,
  ): Promise<PullResult["status"]> {
    const { store } = this.#session;
    const reference = this.#reference;
    const imageId = imageIdOf(resolved);
    const before = await store.reference(familiarName(reference));
    const writer = await this.#session.writer();
    await writer.recordDistribution(await this.#origins(resolved, outcomes));
    await writer.putImage({ config, imageId });
    const { tag, digest } = reference;
    await writer.tagImage(imageId, {
      repository: familiarRepository(reference),
      digest: resolved.digest,
      ...(digest === undefined ? { tag: tag ?? "latest" } : {}),
    });
    return before === imageId ? "up-to-date" : "downloaded";
  }

  /**
   * What may be noted of where layers came from. A manifest claims that a blob
   * is a layer; only a blob that was fetched, now or before, has proved it. A
   * false note would stand in the way of other images that have that blob.
   */
  async #origins(
    { manifest }: ResolvedImage,
    outcomes: readonly LayerOutcome[],
  ): Promise<DistributionEntry[]> {
    if (this.#wasComplete) return [];
    const { store } = this.#session;
    const repository = canonicalRepository(this.#reference);
    const entries: DistributionEntry[] = [];
    let inUse: Set<ChainId> | undefined;
    for (const [index, { digest }] of manifest.layers.entries()) {
      const { record, blob } = outcomes[index] as LayerOutcome;
      const { diffId, chainId } = record;
      const noted = await store.diffIdOf(digest);
      let proved = blob === digest || noted === diffId;
      if (!proved && blob === undefined && noted === undefined) {
        // A layer without an image is one that another tpull fetched for this
        // image or one like it, and did not come to note.
        inUse ??= await layersInUse(store);
        proved = !inUse.has(chainId);
      }
      if (proved) entries.push({ digest, diffId, repository });
    }
    return entries;
  }

  result(
    resolved: ResolvedImage,
    config: ImageConfig,
    outcomes: readonly LayerOutcome[],
    status: PullResult["status"],
  ): PullResult {
    const received = new ByteCount();
    received.take(this.#received);
    for (const outcome of outcomes) received.take(outcome.received);
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
          source:
            outcome.blob === undefined || outcome.blob === descriptor.digest
              ? outcome.source
              : "reused",
          ...(outcome.resumedBytes === 0
            ? {}
            : { resumedBytes: outcome.resumedBytes }),
        };
      }),
      ...this.#fetched(received),
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

function wire({
  os,
  architecture,
  variant,
  osVersion,
}: ImageConfig): Record<string, unknown> {
  return { os, architecture, variant, "os.version": osVersion };
}
