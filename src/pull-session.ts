/** What all images of one run share: the store, the client, the scheduler, the listener. */
import { availableParallelism } from "node:os";
import {
  Stager,
  type Store,
  type StoreWriter,
  TpullError,
  openStore,
  privilege,
} from "../store/index.js";
import { defaultRoot } from "./default-root.js";
import type { OnEvent, PullEvent } from "./events.js";
import { LayerJobs } from "./layer-jobs.js";
import { type Platform, hostPlatform, parsePlatform } from "./platform.js";
import {
  type RegistryClient,
  type RegistryClientOptions,
  createRegistryClient,
} from "./registry/client.js";

/**
 * Layers in flight. More than cores, so that the network works while layers
 * unpack; see the benchmark for what other numbers cost.
 */
export const DEFAULT_CONCURRENCY = 4;
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

export class PullSession implements AsyncDisposable {
  readonly store: Store;
  readonly client: RegistryClient;
  readonly platform: Platform;
  /** Whether the caller named the platform: then another one is an error. */
  readonly platformGiven: boolean;
  readonly signal: AbortSignal;
  readonly jobs: LayerJobs;
  readonly concurrency: number;
  readonly #onEvent: OnEvent | undefined;
  readonly #stager = new Stager();
  #writer: Promise<StoreWriter> | undefined;

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
      onWarning: ({ code, message }) =>
        this.emit({ type: "warning", code, message }),
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
  static async open(options: PullOptions): Promise<PullSession> {
    const platform =
      options.platform === undefined
        ? hostPlatform()
        : parsePlatform(options.platform);
    const store = await openStore(options.root ?? defaultRoot());
    const warnings = await store.checkWritable();
    const session = new PullSession(store, options, platform);
    for (const { code, message } of warnings)
      session.emit({ type: "warning", code, message });
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
        message:
          "without root privileges files belong to you, and devices and privileged attributes are left out",
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
