/**
 * The one error class of tpull.
 *
 * An expected failure (bad input, a registry's refusal, a full disk) is always
 * a `TpullError`: callers match on `code`, people read `message` and `hint`.
 * Anything else that is thrown is a defect of tpull.
 */

/** Facts about the failure that a program may want without parsing text. */
export interface ErrorDetails {
  /** Registry host that was asked. */
  readonly host?: string;
  /** HTTP status that came back. */
  readonly status?: number;
  readonly expected?: string | number;
  readonly actual?: string | number;
  /** Reference of the image concerned, in familiar form. */
  readonly image?: string;
  /** Distribution digest of the layer concerned. */
  readonly layer?: string;
  /** Name of the archive member concerned. */
  readonly member?: string;
  /** Bytes received before the failure. */
  readonly offset?: number;
  /** Milliseconds a request was left without an answer. */
  readonly unansweredMs?: number;
  /** Seconds the server asked us to wait. */
  readonly retryAfterSeconds?: number;
  readonly [key: string]: unknown;
}

export interface TpullErrorOptions {
  /** What the reader can do next; one sentence. */
  hint?: string | undefined;
  cause?: unknown;
  /** Whether the same request may succeed when repeated. Set where the error is made. */
  retryable?: boolean;
  details?: ErrorDetails;
}

export class TpullError extends Error {
  override readonly name: string = "TpullError";
  /** Stable identifier, listed in the README. */
  readonly code: string;
  readonly hint: string | undefined;
  readonly retryable: boolean;
  readonly details: ErrorDetails;

  constructor(code: string, message: string, options: TpullErrorOptions = {}) {
    super(
      message,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.hint = options.hint;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }

  /** The same failure with more facts about where it happened. */
  with(details: ErrorDetails, prefix = ""): TpullError {
    return new TpullError(this.code, prefix + this.message, {
      hint: this.hint,
      cause: this.cause,
      retryable: this.retryable,
      details: { ...this.details, ...details },
    });
  }

  /** What `--progress json` prints and what results carry: never a stack. */
  toJSON(): {
    code: string;
    message: string;
    hint?: string;
    details: ErrorDetails;
  } {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      details: this.details,
    };
  }
}

/** Matches by code and shape, so errors of another copy of this module count too. */
export function isTpullError(error: unknown): error is TpullError {
  return (
    error instanceof Error &&
    error.name === "TpullError" &&
    typeof (error as { code?: unknown }).code === "string"
  );
}

/** The error for work that its caller's signal stopped. */
export function abortedError(): TpullError {
  return new TpullError("ABORTED", "stopped before it was done");
}

/** Throws `ABORTED` once the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError();
}
