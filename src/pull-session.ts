/** What all images of one run share: the store, the client, the scheduler, the listener. */
import { availableParallelism } from "node:os";
import {
  Stager,
  type Store,
  type StoreWarning,
  type StoreWriter,
  TpullError,
  isTpullError,
  openStore,
  privilege,
} from "../store/index.js";
import { defaultRoot } from "./default-root.js";
import { EarlyBlobs } from "./early-blob.js";
import type { OnEvent, PullEvent } from "./events.js";
import { LayerJobs } from "./layer-jobs.js";
import { Leftovers } from "./leftovers.js";
import { type Platform, hostPlatform, parsePlatform } from "./platform.js";
import {
  type RegistryClient,
  type RegistryClientOptions,
  createRegistryClient,
} from "./registry/client.js";

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
export interface PullOptions {
  /** Data root to write to; the default is the command line's. */
  root?: string;
  /** os/arch[/variant]; the default is this machine's. */
  platform?: string;
  /** Layers in flight, 1 to 64. */
  concurrency?: number;
  /** Ends the pull with `ABORTED`; what is done of it by then stays for the next. */
  signal?: AbortSignal;
  /** Called while the pull goes on, so it should return soon. What it throws is ignored. */
  onEvent?: OnEvent;
  /** How registries are reached. */
  registry?: Omit<RegistryClientOptions, "onRetry" | "onWarning" | "signal">;
}

export class PullSession implements AsyncDisposable {
  readonly store: Store;
  readonly client: RegistryClient;
  readonly platform: Platform;
  /** Whether the caller named the platform: then another one is an error. */
  readonly platformGiven: boolean;
  readonly signal: AbortSignal;
  readonly jobs: LayerJobs;
  readonly early: EarlyBlobs = new EarlyBlobs();
  readonly leftovers: Leftovers = new Leftovers();
  readonly concurrency: number;
  readonly #onEvent: OnEvent | undefined;
  readonly #stager = new Stager();
  /** Warnings that concern the whole run; each is said once. */
  readonly #warned = new Set<string>();
  #writer: Promise<StoreWriter> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(store: Store, options: PullOptions, platform: Platform) {
    const concurrency = options.concurrency ?? DEFAULT_CONCURRENCY;
    if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > 64) {
      throw new TpullError(
        "OPTION_INVALID",
        `concurrency is a whole number from 1 to 64, not ${concurrency}`,
      );
    }
    this.store = store;
    this.concurrency = concurrency;
    this.platform = platform;
    this.platformGiven = options.platform !== undefined;
    this.signal = options.signal ?? new AbortController().signal;
    this.#onEvent = options.onEvent;
    this.client = createRegistryClient({
      ...options.registry,
      signal: this.signal,
      onWarning: (warning) => this.#warn(warning),
    });
    this.jobs = new LayerJobs({
      store,
      writer: () => this.writer(),
      client: this.client,
      stager: this.#stager,
      early: this.early,
      concurrency,
      cores: availableParallelism(),
    });
  }

  /** @throws TpullError when the root cannot be written or an option is wrong: before anything is downloaded */
  static async open(options: PullOptions): Promise<PullSession> {
    const platform =
      options.platform === undefined
        ? hostPlatform()
        : parsePlatform(options.platform);
    const store = await openStore(options.root ?? defaultRoot());
    const warnings = await store.checkWritable();
    const session = new PullSession(store, options, platform);
    for (const warning of warnings) session.#warn(warning);
    return session;
  }

  /** Tells the listener, whose failure is no failure of the pull. */
  emit(event: PullEvent): void {
    try {
      this.#onEvent?.(event);
    } catch {
      // Nothing of a pull depends on anybody hearing of it.
    }
  }

  #warn({ code, message }: StoreWarning): void {
    const key = `${code} ${message}`;
    if (this.#warned.has(key)) return;
    this.#warned.add(key);
    this.emit({ type: "warning", code, message });
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
      this.#warn({
        code: "UNPRIVILEGED",
        message:
          "without root privileges files belong to you, and devices and privileged attributes are left out",
      });
    }
    return this.store.beginWrite({
      signal: this.signal,
      onWarning: (warning) => this.#warn(warning),
    });
  }

  /**
   * Ends workers and connections, and takes back what did not become part of
   * an image and is of no use for the next try. May be called again.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#stager[Symbol.asyncDispose]();
    await this.client.close();
    const writer = await this.#writer?.catch(() => undefined);
    try {
      writer?.keepUnusedLayers(this.leftovers.layers);
      await writer?.removePartials(this.leftovers.refused);
      await writer?.[Symbol.asyncDispose]();
    } catch (error) {
      if (!isTpullError(error)) throw error;
      // The pull has its result, or a better error; the next pull tidies up.
      this.#warn(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
