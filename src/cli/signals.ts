/** Ctrl-C and `kill`: one AbortController for the whole run. */

/** Exit statuses of a run that was stopped: 128 and the signal's number, as shells count. */
export const STOPPED = { SIGINT: 130, SIGTERM: 143, SIGPIPE: 141 } as const;
export type StopReason = keyof typeof STOPPED;

/** What a stopped run says last. */
export const LAST_WORDS: Readonly<Record<StopReason, string>> = {
  SIGINT: "tpull: interrupted\n",
  SIGTERM: "tpull: terminated\n",
  SIGPIPE: "",
};

/** Where signals come from; `process`, or an emitter in tests. */
export interface SignalSource {
  on(event: "SIGINT" | "SIGTERM", listener: () => void): unknown;
  off(event: "SIGINT" | "SIGTERM", listener: () => void): unknown;
}

export interface StopSwitch extends Disposable {
  readonly signal: AbortSignal;
  /** Why the run was stopped, if it was. */
  reason(): StopReason | undefined;
  stop(reason: StopReason): void;
}

/**
 * The first SIGINT or SIGTERM aborts `signal`, so that the run can end in good
 * order; the next one calls `onImpatience`, which should end the process.
 * Disposing gives the signals back to the system's default.
 */
export function listenForSignals(
  source: SignalSource,
  onImpatience: (status: number) => void,
): StopSwitch {
  const controller = new AbortController();
  let reason: StopReason | undefined;
  const stop = (why: StopReason): void => {
    reason ??= why;
    controller.abort();
  };
  const onSignal = (name: "SIGINT" | "SIGTERM"): void => {
    if (controller.signal.aborted) onImpatience(STOPPED[name]);
    else stop(name);
  };
  const onInterrupt = (): void => onSignal("SIGINT");
  const onTerminate = (): void => onSignal("SIGTERM");
  source.on("SIGINT", onInterrupt);
  source.on("SIGTERM", onTerminate);
  return {
    signal: controller.signal,
    reason: () => reason,
    stop,
    [Symbol.dispose]() {
      source.off("SIGINT", onInterrupt);
      source.off("SIGTERM", onTerminate);
    },
  };
}
