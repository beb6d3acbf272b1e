/**
 * The one decision about a failed request: again, when, or not.
 *
 * Whether an error may go away is a property of the error (`retryable`, set
 * where it is made); how often and after how long is decided here.
 */
import { isTpullError } from "../../store/errors.js";
import { sleep } from "./signals.js";

export interface RetryPolicy {
  /** Retries after a first try, counted anew after progress. */
  readonly retries: number;
  /** Wait before the first retry; doubled for each further one. Milliseconds. */
  readonly baseMs: number;
  /** Longest wait of our own choosing. Milliseconds. */
  readonly maxMs: number;
  /** Longest wait a server's `Retry-After` can impose. Milliseconds. */
  readonly retryAfterCapMs: number;
  /** Time that tries without an answer may take together; waits between them do not count. Milliseconds. */
  readonly silenceMs: number;
  /** Bytes of a body that count as progress and refill the retries. */
  readonly progressBytes: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Must reject with `ABORTED` as soon as the signal fires. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  retries: 5,
  baseMs: 500,
  maxMs: 15_000,
  retryAfterCapMs: 60_000,
  silenceMs: 100_000,
  progressBytes: 64 * 1024,
  now: Date.now,
  sleep,
  random: Math.random,
};

export interface Retry {
  /** 1 for the first retry since the last progress. */
  readonly attempt: number;
  readonly delayMs: number;
  /** The failure in one line, with what became of the server's `Retry-After`. */
  readonly reason: string;
}

/** What one piece of work (a manifest, a blob) may still spend on retries. */
export class RetryBudget {
  readonly #policy: RetryPolicy;
  #used = 0;
  #silentMs = 0;
  #bytesSinceRefill = 0;
  #total = 0;

  constructor(policy: RetryPolicy) {
    this.#policy = policy;
  }

  /** Retries granted so far, over all refills. */
  get total(): number {
    return this.#total;
  }

  /** Reports bytes that arrived; enough of them refill the budget. */
  progress(bytes: number): void {
    this.#bytesSinceRefill += bytes;
    if (this.#bytesSinceRefill < this.#policy.progressBytes) return;
    this.#bytesSinceRefill = 0;
    this.#used = 0;
    this.#silentMs = 0;
  }

  /** Decides about a failure; `undefined` means that it is final. */
  next(error: unknown): Retry | undefined {
    const policy = this.#policy;
    if (!isTpullError(error) || !error.retryable) return undefined;
    if (this.#used >= policy.retries) return undefined;
    this.#silentMs += error.details.unansweredMs ?? 0;
    if (this.#silentMs >= policy.silenceMs) return undefined;
    const attempt = ++this.#used;
    this.#total += 1;
    const backoff = Math.min(
      policy.maxMs,
      policy.baseMs * 2 ** Math.min(attempt - 1, 30),
    );
    const jittered = backoff / 2 + (backoff / 2) * policy.random();
    const asked = (error.details.retryAfterSeconds ?? 0) * 1000;
    const delayMs = Math.round(
      Math.max(jittered, Math.min(asked, policy.retryAfterCapMs)),
    );
    const capped =
      asked > policy.retryAfterCapMs
        ? ` (it asked to wait ${Math.round(asked / 1000)} s, waiting ${Math.round(delayMs / 1000)} s)`
        : "";
    return { attempt, delayMs, reason: error.message + capped };
  }
}

/**
 * Seconds that a `Retry-After` header asks for: a number of seconds or an HTTP
 * date (RFC 9110, 10.2.3). `undefined` for anything else.
 * @param now milliseconds since the epoch
 */
export function retryAfterSeconds(
  header: string | undefined,
  now: number,
): number | undefined {
  const value = header?.trim();
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value);
  if (!/^(mon|tue|wed|thu|fri|sat|sun)[a-z]*,? .*\d/i.test(value)) {
    return undefined;
  }
  const date = Date.parse(value);
  if (Number.isNaN(date)) return undefined;
  return Math.max(0, Math.ceil((date - now) / 1000));
}
