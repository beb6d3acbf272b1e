/**
 * A limit of bytes a second for all streams together. It spaces bytes out
 * rather than granting them by the second: after each chunk the next one is
 * due when the limit would have let it through.
 */
import type { RetryPolicy } from "./retry.js";

/** Waits shorter than this are saved up: timers are no finer, and streams need some play. */
const PLAY_MS = 50;

export class RateLimiter {
  readonly #bytesPerMs: number;
  readonly #policy: Pick<RetryPolicy, "now" | "sleep">;
  /** When all that was taken so far would have passed. Milliseconds since the epoch. */
  #paidUntil = 0;

  /** @param rate bytes a second, more than 0 */
  constructor(rate: number, policy: Pick<RetryPolicy, "now" | "sleep">) {
    this.#bytesPerMs = rate / 1000;
    this.#policy = policy;
  }

  /** Whether the limit, and not the network, is what bytes are waiting for. */
  get isReached(): boolean {
    return this.#paidUntil > this.#policy.now();
  }

  /**
   * Counts bytes that have arrived; resolves when the next ones may be read.
   * Streams that wait are served in the order in which they came.
   * @throws TpullError `ABORTED`
   */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const now = this.#policy.now();
    const wait = Math.max(0, this.#paidUntil - now);
    this.#paidUntil = now + wait + bytes / this.#bytesPerMs;
    const due = this.#paidUntil - now;
    if (due > PLAY_MS) await this.#policy.sleep(due, signal);
  }
}
