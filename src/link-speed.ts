/**
 * How fast blobs arrive, all of a run together. On a fast link it costs less to
 * fetch bytes once more than to keep them.
 */

/** Bytes a second from which on a link is fast, and below which it is not any more. */
const FAST = 64e6;
const SLOW = 56e6;
/** A look is taken after so many bytes, or at the latest after so long. */
const LOOK_BYTES = 4 * 1024 * 1024;
const LOOK_MS = 250;
/** Readers that wait for bytes for less of their time would not be served faster by any link. */
const WAITING_SHARE = 0.5;

export class LinkSpeed {
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  #streams = 0;
  #since = 0;
  #bytes = 0;
  #waitedMs = 0;
  #fast: boolean | undefined;

  constructor(now: () => number = () => performance.now()) {
    this.now = now;
  }

  /** Undefined until enough has come to tell. */
  get isFast(): boolean | undefined {
    return this.#fast;
  }

  /** A blob begins to arrive; time in which none does is not counted. */
  begin(): void {
    this.#streams += 1;
    if (this.#streams === 1) this.#restart();
  }

  end(): void {
    this.#streams -= 1;
  }

  /**
   * Notes bytes that have come.
   * @param waitedMs how long their reader had waited for them
   */
  add(bytes: number, waitedMs: number): void {
    this.#bytes += bytes;
    this.#waitedMs += waitedMs;
    const elapsed = this.now() - this.#since;
    const enough = this.#bytes >= LOOK_BYTES;
    if (!enough && elapsed < LOOK_MS) return;
    const rate = (this.#bytes / Math.max(elapsed, 1)) * 1000;
    // A trickle after a pause says nothing for speed.
    const share = this.#waitedMs / (elapsed * Math.max(1, this.#streams));
    const isIdle = share < WAITING_SHARE;
    if (enough && (rate >= FAST || isIdle)) this.#fast = true;
    else if (rate < SLOW && !isIdle) this.#fast = false;
    this.#restart();
  }

  #restart(): void {
    this.#since = this.now();
    this.#bytes = 0;
    this.#waitedMs = 0;
  }
}
