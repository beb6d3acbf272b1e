/** A limit to the time that a whole run may take. */
import { TpullError, isTpullError } from "../store/index.js";
import { joinSignals } from "./registry/signals.js";

/** What a timer of Node can wait. */
const LONGEST_MS = 2 ** 31 - 1;

export class Deadline implements Disposable {
  /** Fires with the caller's signal, or when the time is up. */
  readonly signal: AbortSignal;
  /** Undefined for a run without a limit. */
  readonly timeoutMs: number | undefined;
  readonly #release: () => void;
  readonly #timer: NodeJS.Timeout | undefined;
  #expired = false;

  /** @throws TpullError `OPTION_INVALID` */
  constructor(
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined = undefined,
  ) {
    if (
      timeoutMs !== undefined &&
      !(timeoutMs > 0 && timeoutMs <= LONGEST_MS)
    ) {
      throw new TpullError(
        "OPTION_INVALID",
        `timeoutMs is a number of milliseconds up to ${LONGEST_MS}, not ${timeoutMs}`,
      );
    }
    this.timeoutMs = timeoutMs;
    const end = new AbortController();
    const joined = joinSignals(signal, end.signal);
    this.signal = joined.signal;
    this.#release = joined.release;
    if (timeoutMs === undefined) return;
    this.#timer = setTimeout(() => {
      // A caller who stopped the run before wants to hear just that.
      this.#expired = signal?.aborted !== true;
      end.abort();
    }, timeoutMs);
  }

  /**
   * The error as its cause deserves: `TIMEOUT` if it is only the echo of the
   * time being up.
   * @param image what was asked for
   * @param progress how far it got, e.g. `3 of 7 layers`
   */
  explain(error: unknown, image: string, progress = ""): unknown {
    if (!this.#expired || !isTpullError(error) || error.code !== "ABORTED") {
      return error;
    }
    const far = progress === "" ? "" : `: ${progress}`;
    return new TpullError(
      "TIMEOUT",
      `${image}: not done after ${seconds(this.timeoutMs ?? 0)}${far}`,
      {
        hint: "Give it more time with --timeout.",
        details: { timeoutMs: this.timeoutMs, image },
      },
    );
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#release();
  }
}

function seconds(milliseconds: number): string {
  const whole = milliseconds / 1000;
  return `${Number(whole < 1 ? whole.toPrecision(1) : whole.toFixed(1))} s`;
}
