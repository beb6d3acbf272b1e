/** The steps that take one image from its reference to its name in the store. */
import {
  type ChainId,
  type DistributionEntry,
  type ImageId,
  chainIds,
  type TpullError,
} from "../store/index.js";
import { ByteCount } from "./byte-count.js";
import type { EarlyOrder } from "./early-blob.js";
import type {
  About,
  KeptBlobsResult,
  LayerState,
  PullResult,
} from "./events.js";
import type { ImageConfig } from "./image-config.js";
import { type Item, aboutOf } from "./items.js";
import type {
  LayerListener,
  LayerOutcome,
  LayerRequest,
} from "./layer-request.js";
import { reserveSpace } from "./image-space.js";
import { LayerTally } from "./layer-tally.js";
import { checkPlatform } from "./item-platform.js";
import { formatPlatform } from "./platform.js";
import type { PullSession } from "./pull-session.js";
import {
  type Reference,
  canonicalName,
  canonicalRepository,
  familiarName,
  familiarRepository,
} from "../store/reference/reference.js";
import type { CallOptions } from "./registry/client.js";
import type { Descriptor } from "./registry/manifest.js";
import { type ResolvedImage, resolveImage } from "./resolve-image.js";
import { layersInUse } from "./stored-image.js";
import { keepImage, keptWith } from "./keep-image.js";
import { type StoredImage, storedUpToDate } from "./up-to-date.js";

/** One image on its way. What is the same for an image from elsewhere is open to those who extend it. */
export class ImagePull {
  readonly #text: string;
  readonly #about: About;
  readonly #item: Item;
  readonly #reference: Reference;
  readonly #session: PullSession;
  readonly #signal: AbortSignal;
  /** How requests for this image are sent: they end with it, and their retries are told. */
  readonly call: CallOptions;
  /** The image, config and layers, was stored before: then, like docker, nothing is said of the layers. */
  #wasComplete = false;
  /** Manifests and the config; layers are counted by their jobs. */
  readonly #received = new ByteCount();
  /** Bytes of layers from the network, once they are there or have failed. */
  #layerBytes = 0;
  #requests: readonly LayerRequest[] = [];
  /** The last state of each layer. */
  readonly #states: LayerState[] = [];
  #keptBlobs: KeptBlobsResult | undefined;
  /** How far the layers have come. */
  readonly tally: LayerTally = new LayerTally();

  constructor(
    item: Item,
    reference: Reference,
    session: PullSession,
    signal: AbortSignal,
  ) {
    const about = aboutOf(item);
    this.#item = item;
    this.#text = about.image;
    this.#about = about;
    this.#reference = reference;
    this.#session = session;
    this.#signal = signal;
    this.call = {
      signal,
      onReceived: this.#received.add,
      onRetry: session.retryTeller(about),
    };
  }

  /**
   * The stored image, if the reference still means it. Costs no request for a
   * pinned digest and one HEAD for a tag, which registries do not count.
   */
  async upToDate(): Promise<PullResult | undefined> {
    const { store, client } = this.#session;
    const context = { store, client, call: this.call };
    const stored = await storedUpToDate(this.#item, this.#reference, context);
    if (stored === undefined) return undefined;
    const kept = this.#keptAlready(stored);
    if (kept === "incomplete") return undefined;
    const { digest, imageId, config, layers } = stored;
    this.#emitPulling(digest);
    return {
      ...this.names(),
      digest,
      imageId,
      platform: formatPlatform(config),
      status: "up-to-date",
      layers,
      ...(kept === undefined ? {} : { keptBlobs: kept }),
      ...this.#fetched(this.#received),
    };
  }

  /** Bytes of manifests, the config, and blobs that were fetched only to be kept, from the network. */
  get documentBytes(): number {
    return this.#received.total;
  }

  /** All bytes from the network so far, for an image that came to no result, too. */
  get bytesFetched(): number {
    return this.#received.total + this.#layerBytes;
  }

  /** Of an image that is stored, whether its blobs are kept, too, as far as they are to be. */
  #keptAlready({
    digest,
    imageId,
  }: StoredImage): KeptBlobsResult | "incomplete" | undefined {
    const { keeping, store } = this.#session;
    if (keeping === undefined) return undefined;
    const name = `${familiarRepository(this.#reference)}@${digest}`;
    return keptWith(store, keeping, imageId, name) ?? "incomplete";
  }

  #fetched(
    received: ByteCount,
  ): Pick<PullResult, "bytesFetched" | "bytesBySource" | "passedOver"> {
    const { registry } = this.#reference;
    if (this.#item.search) received.take(this.#item.search.received);
    return {
      bytesFetched: received.total,
      bytesBySource: received.toJSON(),
      passedOver: this.#session.client
        .passedOver(registry)
        .map(({ host, code, reason }) => ({ host, code, reason })),
    };
  }

  /**
   * What the reference stands for, as the registry has it now.
   * @throws TpullError as {@link resolveImage}
   */
  async resolve(reference: Reference): Promise<ResolvedImage> {
    const { platform, pin, top, entry } = this.#item;
    return await resolveImage(reference, {
      image: this.#text,
      client: this.#session.client,
      platform,
      call: this.call,
      pin,
      top,
      entry,
    });
  }

  announce(resolved: ResolvedImage): void {
    this.#emitPulling(resolved.digest);
  }

  #emitPulling(digest: Descriptor["digest"]): void {
    const { tag, digest: pinned, repository } = this.#reference;
    this.#session.emit({
      type: "pulling",
      ...this.#about,
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
    const { keeping } = this.#session;
    for (const descriptor of largest) {
      const { digest } = descriptor;
      // What is here of it says where to begin, and perhaps that there is no need to.
      if (left.has(digest) || keeping?.has(descriptor)) continue;
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
    const message = checkPlatform(config, resolved, this.#item, this.#text);
    if (message === undefined) return;
    this.#session.emit({
      type: "warning",
      ...this.#about,
      code: "PLATFORM_DIFFERS",
      message,
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
      ...this.#about,
      imageId: imageIdOf(resolved),
      platform: formatPlatform(config),
      layers: layers.map(({ descriptor, diffId }) => ({
        digest: descriptor.digest,
        diffId,
        size: descriptor.size,
      })),
    });
    this.tally.begin(layers.map(({ descriptor }) => descriptor.size));
    this.#requests = layers.map((layer, index) => ({
      ...layer,
      repository: this.#reference,
      signal: this.#signal,
      listener: this.#listener(index, layer.descriptor),
    }));
    const reserved = this.#wasComplete
      ? undefined
      : await reserveSpace(layers, this.#about, this.#session);
    try {
      const outcomes = await this.#session.jobs.bring(
        this.#requests,
        (lost) => {
          this.#layerBytes += lost.total;
        },
      );
      for (const { received } of outcomes) this.#layerBytes += received.total;
      reserved?.settle();
      return outcomes;
    } finally {
      reserved?.release();
    }
  }

  /**
   * Sees to it that the blobs of the layers, and the indexes that led to them,
   * are kept, if they are to be: fetches those that are not here.
   */
  async keepBlobs(resolved: ResolvedImage): Promise<void> {
    const { keeping } = this.#session;
    if (keeping === undefined) return;
    this.#keptBlobs = await keepImage(resolved, {
      keeping,
      repository: this.#reference,
      call: { ...this.call, signal: this.#signal },
      listenerAt: (index, descriptor) => {
        const { state, progress } = this.#listener(index, descriptor, false);
        const before = this.#wasComplete ? "exists" : this.#states[index];
        return { state, progress, before: before ?? "exists" };
      },
      warn: (code, message) =>
        this.#session.emit({ type: "warning", ...this.#about, code, message }),
    });
  }

  /** Notes why the image did not come about, for what is done of it. */
  failed({ code }: TpullError): void {
    this.#session.leftovers.note(code, this.#requests);
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

  #listener(
    index: number,
    { digest, size }: Descriptor,
    silent: boolean = this.#wasComplete,
  ): LayerListener {
    const { emit } = this.#session;
    const say = emit.bind(this.#session);
    const about = this.#about;
    return {
      state: (state) => {
        this.#states[index] = state;
        this.tally.state(index, state);
        if (!silent) say({ type: "layer", ...about, index, digest, state });
      },
      progress: (current) => {
        this.tally.received(index, current);
        say({
          type: "progress",
          ...about,
          index,
          digest,
          current,
          total: size,
        });
      },
      waiting: (reason) => say({ type: "wait", ...about, reason }),
      retry: (attempt, delayMs, reason) =>
        say({ type: "retry", ...about, digest, attempt, delayMs, reason }),
      warning: (code, message) =>
        say({ type: "warning", ...about, code, message }),
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
    await writer.recordDistribution(await this.origins(resolved, outcomes));
    await writer.putImage({ config, imageId });
    await writer.keepManifest(imageId, resolved.manifestBytes);
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
  protected async origins(
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
      ...this.names(),
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
      ...(this.#keptBlobs === undefined ? {} : { keptBlobs: this.#keptBlobs }),
      ...this.#fetched(received),
    };
  }

  protected names(): Pick<
    PullResult,
    "reference" | "target" | "canonicalName" | "familiarName"
  > {
    const { image, target } = this.#about;
    return {
      reference: image,
      ...(target === undefined ? {} : { target }),
      canonicalName: canonicalName(this.#reference),
      familiarName: familiarName(this.#reference),
    };
  }

  done(result: PullResult): PullResult {
    this.#session.emit({ type: "result", ...this.#about, result });
    return result;
  }
}

/** An image's ID is the digest of its config. */
function imageIdOf({ manifest }: ResolvedImage): ImageId {
  return manifest.config.digest as string as ImageId;
}
