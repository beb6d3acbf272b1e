/** Lets signals be heard in work on an archive that never waits for anything. */
import { setImmediate } from "node:timers/promises";
import { throwIfAborted } from "../../store/errors.js";

/** So many small steps are done before others have their turn. */
const STEPS = 256;

export class Turns {
  readonly #signal: AbortSignal;
  #steps = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /**
   * Before each step of a loop whose length the archive decides.
   * @throws TpullError `ABORTED`
   */
  async take(): Promise<void> {
    this.#steps += 1;
    if (this.#steps % STEPS === 0) await setImmediate();
    throwIfAborted(this.#signal);
  }
}
