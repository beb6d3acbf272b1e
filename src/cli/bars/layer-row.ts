/** One layer of the display: its state and its bytes, from the events about it. */
import type { Digest } from "../../../store/digest.js";
import type { LayerState } from "../../events.js";
import { RateMeter } from "./rate.js";

/** From the most telling state to the least; of several occurrences the first one counts. */
const TELLING: readonly LayerState[] = [
  "downloading",
  "extracting",
  "staged",
  "waiting",
  "complete",
  "exists",
];

interface Occurrence {
  readonly image: string;
  readonly index: number;
  state: LayerState;
}

/**
 * A blob may occur several times, in one image or in several of a run. It is
 * fetched once and has one row, which is done when all occurrences are.
 */
export class LayerRow {
  readonly digest: Digest;
  /** Bytes of the blob. */
  readonly total: number;
  readonly meter: RateMeter = new RateMeter();
  /** Seconds until the next attempt, after a failed one. */
  retryInSeconds: number | undefined;
  readonly #occurrences: Occurrence[] = [];
  #current = 0;
  /** What was here of it comes with the first report, and is no speed. */
  #begun = false;

  constructor(digest: Digest, total: number) {
    this.digest = digest;
    this.total = total;
  }

  /** @param index of the layer in that image */
  setState(image: string, index: number, state: LayerState): void {
    const occurrence = this.#occurrences.find(
      (one) => one.image === image && one.index === index,
    );
    if (occurrence === undefined) {
      this.#occurrences.push({ image, index, state });
    } else {
      occurrence.state = state;
    }
    if (state !== "waiting") this.retryInSeconds = undefined;
  }

  /** The image is done: of a layer that never moved this says that it was there. */
  settle(image: string): void {
    for (const occurrence of this.#occurrences) {
      if (occurrence.image === image && occurrence.state === "waiting") {
        occurrence.state = "exists";
      }
    }
  }

  /** @returns the bytes that are new */
  receive(current: number, now: number): number {
    const gained = this.#begun ? Math.max(0, current - this.#current) : 0;
    this.#begun = true;
    this.#current = current;
    this.retryInSeconds = undefined;
    this.meter.note(current, now);
    return gained;
  }

  get state(): LayerState {
    const states = new Set(this.#occurrences.map(({ state }) => state));
    return TELLING.find((state) => states.has(state)) ?? "waiting";
  }

  /** Bytes that need no more waiting for. */
  get current(): number {
    return this.isDone || this.state === "extracting" || this.state === "staged"
      ? this.total
      : Math.min(this.#current, this.total);
  }

  get isDone(): boolean {
    return this.state === "complete" || this.state === "exists";
  }
}
