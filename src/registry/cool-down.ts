/**
 * Hosts that are left alone for a while, by all requests and not only by the
 * one that failed: those that said so (429, 503), and those that could not be
 * connected to. Of the latter one request tries whether they are back, and the
 * others share what becomes of it, so that many streams are one series of
 * tries and not many.
 */
import { isTpullError } from "../../store/errors.js";
import type { RetryPolicy } from "./retry.js";
import { HEADERS_TIMEOUT } from "./failure-kinds.js";
import { abortable } from "./signals.js";

/** Failures to connect: they say something about the host, not about the request. */
const NOT_CONNECTED = new Set([
  "NETWORK_DNS",
  "NETWORK_REFUSED",
  "NETWORK_TIMEOUT",
  "NETWORK_UNREACHABLE",
]);

/** The right to send one request to a host; one of both has to be called. */
export interface Turn {
  /** The host has answered, whatever it said. */
  answered(): void;
  failed(error: unknown): void;
}

interface HostState {
  /** Milliseconds since the epoch. */
  until: number;
  /** How long that was when it was set. */
  pause: number;
  /** It could not be connected to, and has not answered since. */
  down: boolean;
  probe: Probe | undefined;
}

export class CoolDowns {
  readonly #policy: Pick<RetryPolicy, "now" | "sleep">;
  readonly #hosts = new Map<string, HostState>();

  constructor(policy: Pick<RetryPolicy, "now" | "sleep">) {
    this.#policy = policy;
  }

  /** Keeps all requests to `host` back for so long; a longer pause is not shortened. */
  pause(host: string, milliseconds: number): void {
    const until = this.#policy.now() + milliseconds;
    const state = this.#state(host);
    if (until <= state.until) return;
    state.until = until;
    state.pause = milliseconds;
  }

  /**
   * Resolves when `host` may be asked.
   * @throws TpullError `ABORTED`, and the failure of the one request that was
   *   sent to a host that is down
   */
  async enter(host: string, signal: AbortSignal): Promise<Turn> {
    for (;;) {
      const state = this.#hosts.get(host);
      if (state === undefined) break;
      const now = this.#policy.now();
      // A clock that was put back makes no pause longer than it was.
      state.until = Math.min(state.until, now + state.pause);
      if (state.until > now) {
        await this.#policy.sleep(state.until - now, signal);
        continue;
      }
      if (!state.down) {
        this.#hosts.delete(host);
        break;
      }
      if (state.probe === undefined) {
        state.probe = new Probe();
        return this.#turn(host, state.probe);
      }
      await abortable(state.probe.outcome, signal);
    }
    return this.#turn(host, undefined);
  }

  #turn(host: string, probe: Probe | undefined): Turn {
    return {
      answered: () => {
        const state = this.#hosts.get(host);
        if (state === undefined) return;
        state.down = false;
        this.#settle(state, probe);
      },
      failed: (error) => {
        const isDown = isHostDown(error);
        // Aborted requests and the like say nothing: then another one tries.
        if (isDown) this.#state(host).down = true;
        const state = this.#hosts.get(host);
        this.#settle(state, probe, isDown ? error : undefined);
      },
    };
  }

  #settle(
    state: HostState | undefined,
    probe: Probe | undefined,
    error?: unknown,
  ): void {
    if (probe === undefined) return;
    if (state?.probe === probe) state.probe = undefined;
    probe.settle(error);
  }

  #state(host: string): HostState {
    let state = this.#hosts.get(host);
    if (state === undefined) {
      state = { until: 0, pause: 0, down: false, probe: undefined };
      this.#hosts.set(host, state);
    }
    return state;
  }
}

class Probe {
  readonly outcome: Promise<void>;
  #resolve: () => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor() {
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Perhaps nobody else wants the host.
    this.outcome.catch(() => undefined);
  }

  settle(error: unknown): void {
    if (error === undefined) this.#resolve();
    else this.#reject(error);
  }
}

/** Whether a failure says that nothing can be had from its host now. */
// A host that connects and then takes long for one answer may be quick with the next.
export function isHostDown(error: unknown): boolean {
  return (
    isTpullError(error) &&
    NOT_CONNECTED.has(error.code) &&
    error.details["reason"] !== HEADERS_TIMEOUT
  );
}
