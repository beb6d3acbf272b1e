/** Waiting that an `AbortSignal` ends at once. */
import { setMaxListeners } from "node:events";
import { abortedError, throwIfAborted } from "../../store/errors.js";

export { abortable } from "../../store/abortable.js";

export interface JoinedSignal {
  /** Fires as soon as one of the joined signals does. */
  readonly signal: AbortSignal;
  /** Takes the listeners off the joined signals; the long-lived ones would collect them otherwise. */
  release(): void;
}

/** One signal out of several; absent ones are skipped. */
export function joinSignals(
  ...signals: readonly (AbortSignal | undefined)[]
): JoinedSignal {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const present = signals.filter((signal) => signal !== undefined);
  // Node warns at the eleventh listener, but a pull has any number of requests.
  setMaxListeners(0, controller.signal, ...present);
  for (const signal of present) {
    if (signal.aborted) controller.abort();
    else signal.addEventListener("abort", abort, { once: true });
  }
  return {
    signal: controller.signal,
    release: () => {
      for (const signal of present) signal.removeEventListener("abort", abort);
    },
  };
}

/**
 * Sleeps.
 * @throws TpullError `ABORTED` when the signal fires first
 */
export async function sleep(
  milliseconds: number,
  signal: AbortSignal,
): Promise<void> {
  throwIfAborted(signal);
  await new Promise<void>((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(abortedError());
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", abort, { once: true });
  });
}
