/** The places that one stream of a blob may ask, the one that is asked now, and the tries it has there. */
import type { Endpoint, HostConfig } from "./endpoint.js";
import { Places, type Want } from "./places.js";
import { RetryBudget } from "./retry.js";
import { afterMirrors, type Failure, mirrorPolicy } from "./route.js";
import type { Session } from "./session.js";

export class BlobPlaces {
  readonly #session: Session;
  readonly #want: Want;
  readonly #retries: number | undefined;
  /** Who may be asked, the one that is first; unknown before the first request. */
  #left: readonly HostConfig[] = [];
  #budget: RetryBudget;
  readonly #before: Failure[] = [];

  /**
   * @param retries at every place; by default few at a mirror, for the next
   *   place is asked rather than waited for, and at the last as the policy says
   */
  constructor(session: Session, want: Want, retries?: number) {
    this.#session = session;
    this.#want = want;
    this.#retries = retries;
    this.#budget = this.#newBudget();
  }

  /** Who is asked, see `Endpoint.host`. */
  get host(): string {
    const [host] = this.#left;
    const { registry } = this.#want;
    return host === undefined ? registry : Places.nameOf(registry, host);
  }

  /** Tries at the place that is asked. */
  get budget(): RetryBudget {
    return this.#budget;
  }

  get hasAnother(): boolean {
    return this.#left.length > 1;
  }

  /**
   * The place that is asked now.
   * @throws TpullError as {@link Places.candidates}
   */
  async endpoint(signal: AbortSignal): Promise<Endpoint> {
    const { places } = this.#session;
    if (this.#left.length === 0) {
      this.#left = await places.candidates(this.#want, signal);
      this.#budget = this.#newBudget();
    }
    const host = this.#left[0] as HostConfig;
    return places.endpoint(this.#want.registry, host, signal);
  }

  /** The place has the blob. */
  served(): void {
    const [host] = this.#left;
    if (host === undefined) return;
    this.#session.places.served(this.#want.registry, host);
  }

  /** Leaves a mirror for the next place, for this stream and for whoever comes after it. */
  leave(error: unknown): void {
    const [failed, ...others] = this.#left;
    if (failed === undefined) return;
    this.#before.push({ host: this.host, error });
    this.#session.places.passOver(this.#want, failed, error);
    this.#left = others;
    this.#budget = this.#newBudget();
  }

  /** A failure at the last place, with what the others had to say. */
  last(error: unknown): unknown {
    return afterMirrors(error, this.#before);
  }

  #newBudget(): RetryBudget {
    const { policy } = this.#session;
    const own = this.hasAnother ? mirrorPolicy(policy) : policy;
    return new RetryBudget({ ...own, retries: this.#retries ?? own.retries });
  }
}
