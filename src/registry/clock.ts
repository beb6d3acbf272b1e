/** Whether a certificate is out of time because this machine's clock is. */
import { TpullError } from "../../store/errors.js";
import { OUT_OF_TIME } from "./tls-errors.js";

/** Clocks that differ by less agree; certificates are not that short-lived. */
const AGREEMENT_MS = 5 * 60_000;

/** Whether an error is about a certificate that is not valid now. */
export function isOutOfTime(error: TpullError): boolean {
  return OUT_OF_TIME.has(String(error.details["reason"]));
}

/**
 * The error with what the server's clock says, when that is another time than
 * ours. Nobody vouches for that clock (the certificate was refused), so it
 * only goes into words.
 * @param date the server's `Date` header
 * @param now milliseconds since the epoch, by this machine's clock
 */
export function withServersClock(
  error: TpullError,
  date: string | undefined,
  now: number,
): TpullError {
  const skew = date === undefined ? NaN : Date.parse(date) - now;
  if (!(Math.abs(skew) > AGREEMENT_MS)) return error;
  const way = `${spanOf(Math.abs(skew))} ${skew > 0 ? "ahead" : "behind"}`;
  return new TpullError(
    error.code,
    `${error.message}; the server's clock is ${way}`,
    {
      hint: "This machine's clock is probably wrong: set it, and try again.",
      cause: error.cause,
      retryable: error.retryable,
      details: { ...error.details, clockSkewSeconds: Math.round(skew / 1000) },
    },
  );
}

function spanOf(milliseconds: number): string {
  const minutes = milliseconds / 60_000;
  if (minutes < 120) return `${Math.round(minutes)} minutes`;
  if (minutes < 48 * 60) return `${Math.round(minutes / 60)} hours`;
  return `${Math.round(minutes / 60 / 24)} days`;
}
