/** What went wrong, as text for people and as an exit status. */
import { isTpullError } from "../../store/errors.js";
import { errnoOf, ioFailure } from "../../store/io-error.js";
import type { FailedPull } from "../events.js";
import { shownReference } from "../../store/reference/printable.js";
import { USAGE } from "./args.js";
import { oneLine } from "./terminal-text.js";

export type ErrorReport = FailedPull["error"];

/** Code for what is thrown but is no `TpullError`. */
export const DEFECT = "INTERNAL";
/** Errors that blame the command line. */
const USAGE_CODES: ReadonlySet<string> = new Set([
  USAGE,
  "OPTION_INVALID",
  "PLATFORM_INVALID",
  "FILTER_INVALID",
]);
const DEFECT_HINT =
  "This is a defect in tpull. TPULL_DEBUG=1 shows where it happened; please report it.";

/** What the system refuses, whatever was asked of it: no defect of ours. */
const REFUSED = new Set([
  "EACCES",
  "EPERM",
  "EROFS",
  "ENOSPC",
  "EDQUOT",
  "EIO",
]);

/** Anything that was thrown in the shape that events and results use. */
export function describeError(thrown: unknown): ErrorReport {
  const error = REFUSED.has(errnoOf(thrown) ?? "")
    ? ioFailure(thrown, "go on", "read")
    : thrown;
  if (isTpullError(error)) {
    const { code, message, hint, details } = error;
    return {
      code,
      message,
      ...(hint === undefined ? {} : { hint }),
      ...(Object.keys(details).length === 0 ? {} : { details }),
    };
  }
  const message =
    error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { code: DEFECT, message, hint: DEFECT_HINT };
}

/** The stack of a defect; undefined for an expected failure, whose message says it all. */
export function stackOf(error: unknown): string | undefined {
  if (isTpullError(error) || !(error instanceof Error)) return undefined;
  return error.stack;
}

/** The stack of a defect as lines for stderr; nothing for an expected failure. */
export function stackLines(error: unknown): string {
  const lines = stackOf(error)?.split("\n") ?? [];
  return lines.map((line) => `${oneLine(line)}\n`).join("");
}

/**
 * Whether this is only the echo of Ctrl-C or `kill`, for which people get one
 * line at the end of the run instead of one for each image.
 */
export function isInterruption(error: ErrorReport): boolean {
  return error.code === "ABORTED";
}

/** Status of a run that ended with this error: 2 if the command line is to blame, else 1. */
export function exitStatus(error: ErrorReport): number {
  const isUnreadable = error.details?.["unreadable"] === true;
  return USAGE_CODES.has(error.code) || isUnreadable ? 2 : 1;
}

/**
 * The lines for stderr: what happened with its code, then the hint. `image` is
 * put in front unless the message begins with it or quotes it; `target`, one of
 * several platforms, unless the message has it.
 */
export function errorText(
  error: ErrorReport,
  image?: string,
  target?: string,
): string {
  const message = oneLine(error.message);
  const subject = [
    ...(image === undefined || names(message, image)
      ? []
      : [`${bareReference(image)}: `]),
    ...(target === undefined || message.includes(target)
      ? []
      : [`${oneLine(target)}: `]),
  ].join("");
  const lines = [`tpull: ${subject}${message} (${oneLine(error.code)})`];
  if (error.hint !== undefined) lines.push(`  hint: ${oneLine(error.hint)}`);
  return `${lines.join("\n")}\n`;
}

function names(message: string, image: string): boolean {
  const begins =
    message.startsWith(image) && /^[\s:@]/.test(message.slice(image.length));
  return begins || message.includes(`"${image}"`);
}

/** A reference as it may be shown: printable, and without what may be a password. */
export function bareReference(image: string): string {
  return shownReference(image).slice(1, -1);
}
