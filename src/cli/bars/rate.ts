/** How fast bytes have been coming lately. */

/** Long enough to be steady, short enough to show a stall soon. */
const WINDOW_MS = 5000;
/** Before this much time has passed any rate would be a guess. */
const LEAST_MS = 500;

interface Sample {
  at: number;
  bytes: number;
}

export class RateMeter {
  #samples: Sample[] = [];

  /**
   * Notes that `bytes` have arrived in all. A smaller number than before means
   * that the transfer began again, and so does the meter.
   * @param at milliseconds, never less than before
   */
  note(bytes: number, at: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && bytes < last.bytes) this.#samples = [];
    this.#samples.push({ at, bytes });
    this.#dropBefore(at - WINDOW_MS);
  }

  /** Bytes per second over the last seconds; undefined while unknown. */
  perSecond(now: number): number | undefined {
    this.#dropBefore(now - WINDOW_MS);
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined) return undefined;
    const elapsed = now - first.at;
    if (elapsed < LEAST_MS) return undefined;
    return ((last.bytes - first.bytes) * 1000) / elapsed;
  }

  /** Keeps one sample from before the window as its beginning. */
  #dropBefore(time: number): void {
    const next = this.#samples.findIndex(({ at }) => at > time);
    const keep = next < 0 ? this.#samples.length - 1 : next - 1;
    if (keep > 0) this.#samples.splice(0, keep);
  }
}
