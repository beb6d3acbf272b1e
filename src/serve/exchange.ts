/** A request and what became of it, for logs and metrics. */
import type { RouteKind } from "./route.js";

export interface Exchange {
  /** When it came in, in milliseconds since the epoch. */
  readonly at: number;
  /** The client's address, without its port; empty for a unix socket, and for a client that had hung up before it was looked at. */
  readonly remote: string;
  readonly method: string;
  /** Path and query as the client wrote them: text from outside. */
  readonly target: string;
  /** What kind of request it is. */
  readonly route: RouteKind;
  /** The repository it names, if its name is a valid one. */
  readonly repository: string | undefined;
  /** Who asked, where passwords are asked for and the right one was given. */
  readonly user: string | undefined;
  readonly userAgent: string | undefined;
  readonly status: number;
  /** Bytes of the body that the client's connection took. */
  readonly bytes: number;
  /** From the request's headers to the end of the reply. */
  readonly durationMs: number;
  /** Whether the reply was cut short, by either side. */
  readonly aborted: boolean;
}

/** Told of every request. */
export interface ExchangeObserver {
  onBegin?: (() => void) | undefined;
  onEnd?: ((exchange: Exchange) => void) | undefined;
}

/** What is noted of a request while it is answered. */
export class ExchangeNotes {
  readonly at: number = Date.now();
  readonly #begin: bigint = process.hrtime.bigint();
  route: RouteKind = "other";
  repository: string | undefined;
  user: string | undefined;
  bytes = 0;

  /** Milliseconds since it came in. */
  duration(): number {
    return Number(process.hrtime.bigint() - this.#begin) / 1e6;
  }
}
