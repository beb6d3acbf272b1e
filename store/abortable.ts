import { abortedError } from "./errors.js";

/**
 * Waits for work that others share, so that one waiter can leave without
 * stopping it.
 * @throws TpullError `ABORTED` when the signal fires first
 */
export function abortable<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return work;
  if (signal.aborted) {
    work.catch(() => undefined);
    return Promise.reject(abortedError());
  }
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(abortedError());
    signal.addEventListener("abort", abort, { once: true });
    work
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", abort));
  });
}
