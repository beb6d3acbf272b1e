/** The steps of a writing session, in the order they are used: claim, commit, note, file, name, end. */
import { randomInt } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { TEMPORARY_PREFIX, unmark } from "./atomic.js";
import { beginSession } from "./begin.js";
import { BlobKeeper, type IncomingBlob } from "./blobs/blob-keeper.js";
import { OpenBlob } from "./blobs/open-blob.js";
import { commitGroup } from "./commit.js";
import { completeSince } from "./complete.js";
import {
  type ChainId,
  type Digest,
  type ImageId,
  digestOf,
  hexOf,
} from "./digest.js";
import { TpullError, throwIfAborted } from "./errors.js";
import { type DistributionEntry, writeDistribution } from "./distribution.js";
import { layersOfConfig, readImageConfig, writeImageConfig } from "./images.js";
import { writeManifest } from "./manifests.js";
import { attempt } from "./io-error.js";
import { type LayerRecord, readChain, type StagedLayer } from "./layers.js";
import type { Layout } from "./layout.js";
import { LAYER_POLL_MS, pause } from "./lock.js";
import { MAX_LAYERS } from "./place.js";
import { tooManyLayers } from "./plan.js";
import type { PartialBlob } from "./partial.js";
import { DEFAULT_MAX_AGE_MS, Partials } from "./partials.js";
import { PresentLayers } from "./present-layers.js";
import {
  type Naming,
  beginNames,
  isUnnamed,
  writeNaming,
} from "./repositories.js";
import { retractUnused } from "./retract.js";
import type { Session } from "./session.js";
import { type StagedClaim, tryClaim } from "./staging.js";
import { forgetUnused, notedUnused, renewUnused } from "./unused.js";
import type {
  ClaimOptions,
  Claimed,
  StoreWriter,
  WriteOptions,
} from "./writing.js";

/**
 * Begins to write: checks whose root it is, locks out dockerd, and removes what
 * interrupted processes left.
 */
export async function beginWrite(
  layout: Layout,
  options: WriteOptions,
): Promise<StoreWriter> {
  return await attempt(`begin writing to ${layout.root}`, async () => {
    const session = await beginSession(layout, options, oldestOf(options));
    return new Writer(session, options);
  });
}

/** What was left before this is swept; milliseconds since 1970. */
function oldestOf({ leftovers }: WriteOptions): number {
  return Date.now() - (leftovers?.maxAgeMs ?? DEFAULT_MAX_AGE_MS);
}

/** How often in a row a staging directory may vanish before it is locked. */
const CLAIM_TRIES = 100;

class Writer implements StoreWriter {
  readonly #session: Session;
  readonly #layout: Layout;
  readonly #options: WriteOptions;
  readonly #claims: Set<StagedClaim> = new Set();
  readonly #present: PresentLayers;
  readonly #partials: Partials;
  readonly #blobs: BlobKeeper;
  /** Configs of this write session, whose layers it relies on. */
  readonly #filed: Map<ImageId, Uint8Array> = new Map();
  /** Layers that may stay without an image. */
  readonly #kept: Set<ChainId> = new Set();
  #keepAll = false;
  #changed = false;
  #commitFailed = false;
  #ended = false;

  constructor(session: Session, options: WriteOptions) {
    this.#session = session;
    this.#layout = session.layout;
    this.#options = options;
    this.#present = new PresentLayers(session);
    this.#partials = new Partials(session.layout, options.leftovers ?? {});
    this.#blobs = new BlobKeeper(session, options.keptBlobs ?? {});
  }

  async claimLayer(
    chainId: ChainId,
    options: ClaimOptions = {},
  ): Promise<Claimed> {
    const signal = options.signal ?? this.#options.signal;
    const onWait = options.onWait ?? this.#options.onWait;
    return await attempt(`reserve the layer ${chainId}`, async () => {
      let waited = false;
      for (let tries = 1; tries <= CLAIM_TRIES; tries += 1) {
        throwIfAborted(signal);
        const present = this.#present.find(chainId);
        if (present !== undefined) return { present };
        const staging = await this.#session.staging();
        const claim = tryClaim(this.#layout, staging, chainId);
        if (typeof claim !== "string") {
          return await this.#accept(claim, options.takeComplete ?? false);
        }
        if (claim === "gone") continue;
        if (!waited) onWait?.("another tpull is writing the same layer");
        waited = true;
        tries = 0;
        await pause(LAYER_POLL_MS, signal);
      }
      throw new TpullError(
        "STORE_IO_FAILED",
        `the staging directory of the layer ${chainId} cannot be locked`,
        { hint: `Look at what is in ${this.#layout.tpull}.` },
      );
    });
  }

  async #accept(claim: StagedClaim, takeComplete: boolean): Promise<Claimed> {
    try {
      // Its last owner may have committed it between our two looks.
      const present = this.#present.find(claim.chainId);
      if (present !== undefined) {
        await claim.close();
        return { present };
      }
      const complete = takeComplete ? claim.recover() : undefined;
      if (complete === undefined) await claim.prepare();
      this.#claims.add(claim);
      return complete === undefined ? { claim } : { claim, complete };
    } catch (error) {
      await claim.close();
      throw error;
    }
  }

  async commitLayers(ready: readonly StagedLayer[]): Promise<LayerRecord[]> {
    if (ready.length === 0) return [];
    return await attempt("store layers", async () => {
      try {
        return await commitGroup(
          this.#session,
          ready,
          (chainId) => this.#present.find(chainId),
          (record) => this.#present.add(record),
        );
      } catch (error) {
        this.#commitFailed = true;
        throw error;
      }
    });
  }

  async recordDistribution(
    entries: readonly DistributionEntry[],
  ): Promise<void> {
    await attempt("note where the layers came from", async () => {
      await this.#change(() => writeDistribution(this.#layout, entries));
    });
  }

  async putImage(image: {
    config: Uint8Array;
    imageId: ImageId;
  }): Promise<void> {
    const { config, imageId } = image;
    const actual = digestOf(config) as string;
    if (actual !== imageId) {
      throw new TpullError(
        "IMAGE_ID_MISMATCH",
        `the config has the digest ${actual} and not ${imageId}`,
        { details: { expected: imageId, actual } },
      );
    }
    const chain = layersOfConfig(config);
    if (chain.length > MAX_LAYERS) throw tooManyLayers(chain.length);
    await attempt(`store the image ${imageId}`, async () => {
      await this.#change(async () => {
        const changed = await this.#file(imageId, config, chain);
        this.#filed.set(imageId, config);
        return changed;
      });
    });
  }

  /** Runs in the section. */
  async #file(
    imageId: ImageId,
    config: Uint8Array,
    chain: ChainId[],
  ): Promise<boolean> {
    this.#requireLayers(imageId, chain);
    const isNew = await writeImageConfig(this.#layout, imageId, config);
    return forgetUnused(this.#layout, chain) || isNew;
  }

  #requireLayers(imageId: ImageId, chain: ChainId[]): void {
    const top = chain.at(-1);
    if (top === undefined) return;
    const present = readChain(this.#layout, top);
    if (present?.length === chain.length) return;
    throw new TpullError(
      "IMAGE_LAYERS_MISSING",
      `the image ${imageId} cannot be stored before all of its ${chain.length} layers`,
      {
        hint: "Pull the image again: a layer was removed in the meantime.",
        retryable: true,
      },
    );
  }

  async keepManifest(imageId: ImageId, manifest: Uint8Array): Promise<void> {
    await attempt(`keep the manifest of the image ${imageId}`, async () => {
      await this.#change(async () =>
        writeManifest(this.#layout, imageId, manifest),
      );
    });
  }

  async tagImage(
    imageId: ImageId,
    naming: Naming | readonly Naming[],
  ): Promise<{ changed: boolean }> {
    const namings = [naming].flat();
    return await attempt(`name the image ${imageId}`, async () => {
      const changed = await this.#change(async () => {
        if (readImageConfig(this.#layout, imageId) === undefined) {
          // Without a name it is nobody's, and somebody may have cleared it away.
          const filed = this.#filed.get(imageId);
          if (filed === undefined) throw this.#notInStore(imageId, namings);
          await this.#file(imageId, filed, layersOfConfig(filed));
        }
        return await writeNaming(this.#layout, imageId, namings);
      });
      return { changed };
    });
  }

  #notInStore(imageId: ImageId, namings: readonly Naming[]): TpullError {
    const repository = namings[0]?.repository ?? "";
    return new TpullError(
      "IMAGE_NOT_IN_STORE",
      `there is no image ${imageId} in ${this.#layout.root} to be named ${repository}`,
    );
  }

  partialBlob(digest: Digest, size: number): PartialBlob | undefined {
    try {
      return this.#partials.open(digest, size);
    } catch {
      return undefined; // a pull does without
    }
  }

  async temporaryFile(): Promise<FileHandle> {
    return await attempt("make a temporary file", async () => {
      await this.#session.staging();
      const path = join(
        this.#layout.partial,
        `${TEMPORARY_PREFIX}${randomInt(2 ** 40)}`,
      );
      const file = await open(path, "wx+", 0o600);
      unmark(path); // unless a sweep was faster
      return file;
    });
  }

  async useKeptBlob(digest: Digest, size: number): Promise<boolean> {
    return await attempt("look for a kept blob", async () =>
      this.#blobs.use(digest, size),
    );
  }

  async openKeptBlob(
    digest: Digest,
    size: number,
  ): Promise<OpenBlob | undefined> {
    return await attempt("open a kept blob", async () =>
      OpenBlob.open(this.#layout, digest, size),
    );
  }

  async keepBlob(
    digest: Digest,
    size: number,
    room?: number,
  ): Promise<IncomingBlob> {
    return await this.#blobs.begin(digest, size, room);
  }

  async forgetKeptBlob(digest: Digest, size: number): Promise<void> {
    await attempt("remove a damaged blob", async () =>
      this.#blobs.forget(digest, size),
    );
  }

  async removePartials(digests: Iterable<Digest>): Promise<void> {
    await this.#partials.remove(digests);
  }

  keepUnusedLayers(chainIds?: Iterable<ChainId>): void {
    if (chainIds === undefined) this.#keepAll = true;
    else for (const chainId of chainIds) this.#kept.add(chainId);
  }

  /** dockerd has the file before it has an image, and so has a store whose only image was given no name. */
  async #beginNames(): Promise<void> {
    if (this.#filed.size === 0 || !isUnnamed(this.#layout)) return;
    const own = new Set<string>([...this.#filed.keys()].map((id) => hexOf(id)));
    await this.#session.section(() =>
      beginNames(this.#layout, (hex) => own.has(hex)),
    );
  }

  #isKept(chainId: ChainId): boolean {
    return this.#keepAll || this.#kept.has(chainId);
  }

  /** Runs a step in the section and notes whether it changed the store. */
  async #change(step: () => Promise<boolean>): Promise<boolean> {
    // Once something is noted or filed, stopping half way would leave it
    // without its name: the few small steps that are left are made.
    const signal = this.#changed ? undefined : this.#session.signal;
    const changed = await this.#session.section(step, signal);
    if (changed) this.#changed = true;
    return changed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const failures: unknown[] = [];
    const steps: (() => void | Promise<void>)[] = [
      () => this.#endClaims(),
      () => this.#endPartials(),
      () => this.#endBlobs(),
      () => this.#present.release(),
      () => this.#retractUnused(),
      () => this.#beginNames(),
      () => this.#session.end(this.#changed),
    ];
    for (const step of steps) {
      await attempt(`clean up in ${this.#layout.root}`, step).catch(
        (error: unknown) => failures.push(error),
      );
    }
    if (failures.length > 0) throw failures[0];
  }

  async #endClaims(): Promise<void> {
    for (const claim of this.#claims) {
      const { chainId, isOpen } = claim;
      if (this.#isKept(chainId)) {
        await claim.release();
        if (completeSince(claim.paths) !== undefined) this.#changed = true;
      } else if (isOpen) {
        await claim.discard();
      } else if (completeSince(claim.paths) !== undefined) {
        // Released as complete, and nobody is to have it.
        const staging = await this.#session.staging();
        const again = tryClaim(this.#layout, staging, chainId);
        if (typeof again !== "string") await again.discard();
      }
    }
  }

  #endBlobs(): void {
    if (this.#blobs.end()) this.#changed = true;
  }

  async #endPartials(): Promise<void> {
    if (await this.#partials.end()) this.#changed = true;
  }

  /**
   * What this write session relied on goes with it unless it is to be kept; what
   * others left stays for its time.
   */
  async #retractUnused(): Promise<void> {
    const noted = notedUnused(this.#layout);
    let staying = noted.length > 0;
    for (const chainId of noted) {
      if (this.#isKept(chainId)) renewUnused(this.#layout, chainId);
    }
    if (noted.length > 0 || this.#commitFailed) {
      const oldest = oldestOf(this.#options);
      staying = await retractUnused(this.#session, (chainId, since) =>
        this.#isKept(chainId)
          ? false
          : since < oldest || this.#present.has(chainId),
      );
    }
    if (staying) this.#changed = true;
  }
}
