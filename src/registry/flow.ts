/**
 * How many streams a link is worth. Arithmetic only: it is told what arrives
 * and when, and says how many streams there may be beside the one that every
 * blob has.
 *
 * It measures what all streams bring together, adds some, and measures again:
 * they stay if the total has grown by a clear margin, and more are added; if
 * not, they go, and the next trial is a while off.
 */

/** How long what takes. Milliseconds. */
export interface FlowTiming {
  /** A rate is measured over at least this long. */
  readonly windowMs: number;
  /** New streams are not measured at once: they only get up to speed. */
  readonly settleMs: number;
  /** While streams are on trial the rate is looked at this often: a clear yes need not wait. */
  readonly glanceMs: number;
  /** A trial's verdict at the latest. */
  readonly trialMs: number;
  /** Streams that bring nothing for so long after they were added are no gain. */
  readonly startMs: number;
  /** Until the next trial after one without gain; doubled each time. */
  readonly restMs: number;
  readonly maxRestMs: number;
  /** A part takes one stream about so long: its request is then a small part of that. */
  readonly partMs: number;
  /** Towards the end parts become as short as this, so that all streams end together. */
  readonly minPartMs: number;
  /** A stream that has so long to go is divided, at the cost of what is on its way in its connection. */
  readonly divideMs: number;
}

export const FLOW_TIMING: FlowTiming = {
  windowMs: 600,
  settleMs: 250,
  glanceMs: 250,
  trialMs: 1000,
  startMs: 5000,
  restMs: 8000,
  maxRestMs: 60_000,
  partMs: 2000,
  minPartMs: 700,
  divideMs: 2000,
};

/** Growth of the total that counts as gain. */
const MARGIN = 1.1;
/** Part of the ideal growth from which on streams are taken not to compete with each other. */
const NEARLY_IDEAL = 0.6;
/** Bytes a second that no unpacker asks more than. */
const FAST_ENOUGH = 100_000_000;

interface Trial {
  /** Extra streams before it. */
  readonly before: number;
  /** Bytes per millisecond before it. */
  readonly rate: number;
  /** All streams before it and with it. */
  readonly streams: { readonly before: number; readonly now: number };
  /** Added streams whose first bytes are still to come. */
  awaited: number;
}

export class Flow {
  readonly timing: FlowTiming;
  readonly #maxStreams: number;
  #extra = 0;
  /** Streams that blobs have anyway. */
  #blobs = 0;
  #trial: Trial | undefined;
  /** Streams are multiplied by this in the next trial. */
  #factor = 2;
  #restUntil = 0;
  #restMs: number;
  /** When the window under way begins; it may lie ahead. */
  #since = 0;
  #bytes = 0;
  /** Bytes per millisecond in the last window. */
  #rate = 0;
  /** Streams that made it. */
  #measured = 1;

  /** @param maxStreams of all blobs together, as far as there are not more blobs */
  constructor(maxStreams: number, timing: Partial<FlowTiming> = {}) {
    this.#maxStreams = maxStreams;
    this.timing = { ...FLOW_TIMING, ...timing };
    this.#restMs = this.timing.restMs;
  }

  /** Streams beyond one for each blob. */
  get extra(): number {
    return this.#extra;
  }

  /** All that there may be now, at least one. */
  get streams(): number {
    return Math.max(1, this.#blobs + this.#extra);
  }

  /** Bytes per millisecond of one stream, as measured last; 0 before that. */
  get streamRate(): number {
    return this.#rate / this.#measured;
  }

  /** @returns whether it is time to {@link look} */
  received(bytes: number, now: number): boolean {
    if (now < this.#since) return false;
    this.#bytes += bytes;
    const elapsed = now - this.#since;
    return (
      elapsed >=
      (this.#trial === undefined ? this.timing.windowMs : this.timing.glanceMs)
    );
  }

  /** Blobs have come or gone: what was measured before cannot be compared. */
  changed(blobs: number, now: number): void {
    if (this.#trial !== undefined) this.#end(this.#trial.before);
    this.#blobs = blobs;
    const room = Math.max(0, this.#maxStreams - blobs);
    this.#extra = blobs === 0 ? 0 : Math.min(this.#extra, room);
    this.#restart(now + this.timing.settleMs);
  }

  /**
   * Draws conclusions from the window under way.
   * @param mayGrow whether more streams would have something to do
   */
  look(now: number, mayGrow: boolean): void {
    const elapsed = now - this.#since;
    if (elapsed <= 0) return;
    const rate = this.#bytes / elapsed;
    const trial = this.#trial;
    const settled =
      trial === undefined || this.#judge(trial, rate, elapsed, now);
    if (!settled) return;
    this.#restart(now);
    if (trial === undefined) this.#measure(rate);
    if (mayGrow && now >= this.#restUntil) this.#try();
  }

  /**
   * One of the added streams brings its first bytes.
   * @param settleMs what it takes to get up to speed
   */
  started(now: number, settleMs: number): void {
    const trial = this.#trial;
    if (trial === undefined || trial.awaited === 0) return;
    trial.awaited -= 1;
    if (trial.awaited === 0) {
      this.#restart(now + Math.max(this.timing.settleMs, settleMs));
    }
  }

  /**
   * A host does not like it.
   * @param enough whether it has said so, and not merely failed
   */
  backOff(enough: boolean, now: number): void {
    this.#rest(now);
    this.#end(enough ? 0 : Math.floor(this.#extra / 2));
    this.#restart(now);
  }

  /** @returns whether the trial is over */
  #judge(trial: Trial, rate: number, elapsed: number, now: number): boolean {
    const gain = trial.awaited > 0 ? 0 : rate / trial.rate;
    const ideal = trial.streams.now / trial.streams.before;
    const isClear = gain >= 1 + NEARLY_IDEAL * (ideal - 1);
    if (
      !isClear &&
      elapsed < (trial.awaited > 0 ? this.timing.startMs : this.timing.trialMs)
    ) {
      return false;
    }
    // From here on the streams are in each other's way: smaller steps.
    if (!isClear) this.#factor = 1.5;
    if (gain < MARGIN) {
      this.#end(trial.before);
      this.#rest(now);
    } else {
      this.#end(this.#extra);
      this.#measure(rate);
      this.#restMs = this.timing.restMs;
    }
    return true;
  }

  #measure(rate: number): void {
    this.#rate = rate;
    this.#measured = this.streams;
  }

  /** Adds streams to see what they bring. */
  #try(): void {
    const streams = this.#blobs + this.#extra;
    const more = Math.min(
      Math.max(1, Math.floor(streams * (this.#factor - 1))),
      this.#maxStreams - streams,
    );
    const isSlow = this.#rate > 0 && this.#rate * 1000 < FAST_ENOUGH;
    if (more <= 0 || !isSlow) return;
    this.#trial = {
      before: this.#extra,
      rate: this.#rate,
      streams: { before: streams, now: streams + more },
      awaited: more,
    };
    this.#extra += more;
  }

  #end(extra: number): void {
    this.#trial = undefined;
    this.#extra = extra;
  }

  #rest(now: number): void {
    this.#restUntil = now + this.#restMs;
    this.#restMs = Math.min(this.timing.maxRestMs, this.#restMs * 2);
  }

  #restart(from: number): void {
    this.#since = from;
    this.#bytes = 0;
  }
}
