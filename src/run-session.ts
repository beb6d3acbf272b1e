/** What every run that asks registries has: a client, a time limit, somebody who listens. */
import { type ConnectOptions, connect } from "./connect.js";
import { Deadline } from "./deadline.js";
import type { About, OnEvent, PullEvent } from "./events.js";
import { RateLimits } from "./rate-limits.js";
import type { RegistryClient, RetryEvent } from "./registry/client.js";

export interface RunOptions extends ConnectOptions {
  /** Ends the run with `ABORTED`. */
  signal?: AbortSignal;
  /** Ends what is not done by then with `TIMEOUT`. */
  timeoutMs?: number;
  /** Called while the run goes on, so it should return soon. What it throws is ignored. */
  onEvent?: OnEvent;
}

export class RunSession implements AsyncDisposable {
  readonly client: RegistryClient;
  readonly deadline: Deadline;
  /** Fires with the caller's signal, or when the time is up. */
  readonly signal: AbortSignal;
  readonly limits: RateLimits = new RateLimits();
  readonly #onEvent: OnEvent | undefined;
  /** Warnings that concern the whole run; each is said once. */
  readonly #warned = new Set<string>();

  /**
   * @param source instead of registries
   * @param around what stands before the client, e.g. to remember its answers
   * @throws TpullError `OPTION_INVALID`
   */
  constructor(
    options: RunOptions,
    source?: RegistryClient | undefined,
    around: (client: RegistryClient) => RegistryClient = (client) => client,
  ) {
    this.#onEvent = options.onEvent;
    this.deadline = new Deadline(options.signal, options.timeoutMs);
    this.signal = this.deadline.signal;
    const client =
      source ??
      connect(options, {
        signal: this.signal,
        onWarning: (warning) => this.warn(warning),
      });
    this.client = around(this.limits.watch(client));
  }

  /** Tells the listener, whose failure is no failure of the run. */
  emit(event: PullEvent): void {
    try {
      this.#onEvent?.(event);
    } catch {
      // Nothing of a run depends on anybody hearing of it.
    }
  }

  /** Says something once that concerns the whole run. */
  warn({ code, message }: { code: string; message: string }): void {
    const key = `${code} ${message}`;
    if (this.#warned.has(key)) return;
    this.#warned.add(key);
    this.emit({ type: "warning", code, message });
  }

  /** Tells of retries of requests for an image. */
  retryTeller(about: About): (event: RetryEvent) => void {
    return ({ digest, attempt, delayMs, reason }) =>
      this.emit({
        type: "retry",
        ...about,
        ...(digest === undefined ? {} : { digest }),
        attempt,
        delayMs,
        reason,
      });
  }

  /** Tells how many pulls are left, where registries have said so. */
  tellLimits(): void {
    for (const [registry, limit] of this.limits.all) {
      this.emit({ type: "ratelimit", registry, ...limit });
    }
  }

  /** Ends the connections. May be called again. */
  async close(): Promise<void> {
    this.deadline[Symbol.dispose]();
    await this.client.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
