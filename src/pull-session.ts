/** What all images of one run share: the store, the client, the scheduler, the listener. */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import {
  type KeptBlobLimits,
  Stager,
  type Store,
  type StoreWriter,
  TpullError,
  isTpullError,
  listPartials,
  openStore,
  privilege,
  removePartials,
} from "../store/index.js";
import { BlobKeeping } from "./blob-keeping.js";
import { defaultRoot } from "./default-root.js";
import { EarlyBlobs } from "./early-blob.js";
import { LayerJobs } from "./layer-jobs.js";
import { type Selection, readSelection } from "./items.js";
import { type RunOptions, RunSession } from "./run-session.js";
import type { RegistryClient } from "./registry/client.js";
import { freeSpace } from "./space.js";
import { SpaceLedger } from "./space-ledger.js";
import { Leftovers } from "./leftovers.js";

/**
 * Layers in flight by default: one more than cores, so that the network works
 * while layers unpack, within what registries like. On two cores a fourth layer
 * only adds threads that wait for each other: it made a pull from loopback a
 * tenth slower.
 */
export const DEFAULT_CONCURRENCY: number = Math.min(
  8,
  Math.max(3, availableParallelism() + 1),
);

export interface PullOptions extends RunOptions {
  /** Data root to write to; the default is the command line's. */
  root?: string;
  /**
   * os/arch[/variant]; the default is this machine's. `pullAll` takes several,
   * and `all` for every one that a Linux store can hold.
   */
  platform?: string | readonly string[];
  /** `pullAll` only: the references are repositories, of which every tag is pulled. */
  allTags?: boolean;
  /** Layers in flight, 1 to 64. */
  concurrency?: number;
  /**
   * Keeps the blobs of the images' layers as the registry served them, beside
   * what is unpacked from them, so that what is saved or served from the root
   * has the registry's own digests. Blobs of layers that are stored already are
   * fetched. Default false.
   */
  keepBlobs?: boolean | KeptBlobLimits;
}

type Clients = [
  source?: RegistryClient | undefined,
  around?: (client: RegistryClient) => RegistryClient,
];

export class PullSession extends RunSession {
  readonly store: Store;
  readonly selection: Selection;
  readonly space: SpaceLedger;
  readonly jobs: LayerJobs;
  readonly early: EarlyBlobs = new EarlyBlobs();
  readonly leftovers: Leftovers = new Leftovers();
  readonly concurrency: number;
  /** There where blobs are to be kept. */
  readonly keeping: BlobKeeping | undefined;
  readonly #keptBlobs: KeptBlobLimits | undefined;
  readonly #stager = new Stager();
  #writer: Promise<StoreWriter> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    store: Store,
    options: PullOptions,
    selection: Selection,
    ...clients: Clients
  ) {
    const concurrency = options.concurrency ?? DEFAULT_CONCURRENCY;
    if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > 64) {
      throw new TpullError(
        "OPTION_INVALID",
        `concurrency is a whole number from 1 to 64, not ${concurrency}`,
      );
    }
    const [source] = clients;
    // What is on this machine already is kept there.
    const limits = source === undefined ? limitsOf(options) : undefined;
    super(options, ...clients);
    this.store = store;
    this.concurrency = concurrency;
    this.selection = selection;
    this.space = new SpaceLedger(store);
    this.#keptBlobs = limits;
    this.keeping =
      limits &&
      new BlobKeeping({
        store,
        writer: () => this.writer(),
        client: this.client,
        concurrency,
        pendingBytes: () => this.space.pendingBytes,
      });
    this.jobs = new LayerJobs({
      store,
      writer: () => this.writer(),
      client: this.client,
      stager: this.#stager,
      early: this.early,
      keeping: this.keeping,
      concurrency,
      cores: availableParallelism(),
    });
  }

  /**
   * @param source instead of registries
   * @param around what stands before the client
   * @throws TpullError when the root cannot be written or an option is wrong: before anything is downloaded
   */
  static async open(
    options: PullOptions,
    ...clients: Clients
  ): Promise<PullSession> {
    const selection = readSelection(options);
    const store = await openStore(options.root ?? defaultRoot());
    const warnings = await store.checkWritable();
    const session = new PullSession(store, options, selection, ...clients);
    for (const warning of warnings) session.warn(warning);
    return session;
  }

  /**
   * Removes what interrupted runs left: that is what beginning to write does
   * first, but for the parts of blobs, which go only if that is enough. A root
   * in which tpull has never written is not touched.
   */
  async makeRoom(shortBytes: number): Promise<void> {
    const { root, layout } = this.store;
    if (!existsSync(layout.tpull)) return;
    const before = freeSpace(this.store).bytes;
    await this.writer();
    const short = shortBytes - (freeSpace(this.store).bytes - before);
    const kept = listPartials(root).reduce((sum, { bytes }) => sum + bytes, 0);
    if (short > 0 && kept >= short) await removePartials(root);
  }

  /** Something will be fetched: the workers start while the registry is asked. */
  expectLayers(): void {
    this.#stager.warm(Math.min(this.concurrency, availableParallelism()));
  }

  /** The right to write, taken when the first layer or name needs it. */
  writer(): Promise<StoreWriter> {
    this.#writer ??= this.#beginWrite();
    return this.#writer;
  }

  async #beginWrite(): Promise<StoreWriter> {
    if (privilege() === "unprivileged") {
      this.warn({
        code: "UNPRIVILEGED",
        message:
          "without root privileges files belong to you, and devices and privileged attributes are left out",
      });
    }
    return this.store.beginWrite({
      signal: this.signal,
      keptBlobs: this.#keptBlobs,
      onWarning: (warning) => this.warn(warning),
    });
  }

  /**
   * Ends workers and connections, and takes back what did not become part of
   * an image and is of no use for the next try. May be called again.
   */
  override close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#stager[Symbol.asyncDispose]();
    await super.close();
    this.keeping?.close();
    const writer = await this.#writer?.catch(() => undefined);
    try {
      writer?.keepUnusedLayers(this.leftovers.layers);
      await writer?.removePartials(this.leftovers.refused);
      await writer?.[Symbol.asyncDispose]();
    } catch (error) {
      if (!isTpullError(error)) throw error;
      // The pull has its result, or a better error; the next pull tidies up.
      this.warn(error);
    }
  }
}

/** @throws TpullError `OPTION_INVALID` */
function limitsOf({ keepBlobs }: PullOptions): KeptBlobLimits | undefined {
  if (keepBlobs === undefined || keepBlobs === false) return undefined;
  const limits = keepBlobs === true ? {} : keepBlobs;
  const { maxBytes = 0 } = limits;
  if (Number.isSafeInteger(maxBytes) && maxBytes >= 0) return limits;
  throw new TpullError(
    "OPTION_INVALID",
    `keepBlobs.maxBytes is a whole number of bytes, not ${maxBytes}`,
  );
}
