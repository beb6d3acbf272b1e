/** What ends the reading or the run of a template. */
import { TpullError } from "../../../store/errors.js";

/** Code of the errors that a template's text or its run ends with. */
export const FORMAT_INVALID: string = "FORMAT_INVALID";

const HINT =
  "A format is a Go template, like {{.Field}} or {{range .List}}{{.}} {{end}}; {{json .}} shows all there is.";

/**
 * @param message in Go's words, so that it can be looked up
 * @param details `unreadable` where the text is no template, whatever the data
 */
export function formatError(
  message: string,
  details: { readonly unreadable?: true } = {},
): TpullError {
  return new TpullError(FORMAT_INVALID, message, { hint: HINT, details });
}

/** Why a function or a method gave no result; who called it says where. */
export class CallProblem extends Error {}

/** Nesting of templates, parentheses and values that no format for people comes near. */
export const DEEPEST = 1000;

/** Characters that a text may have which a template makes for itself. */
export const LONGEST_TEXT: number = 2 ** 22;

/** Characters that a template may print. */
export const LONGEST_OUTPUT: number = 2 ** 26;

/**
 * Refuses data or templates that are nested deeper than the stack bears.
 * @throws TpullError `FORMAT_INVALID`
 */
export function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw formatError("template: nested too deep, or too long");
  }
}
