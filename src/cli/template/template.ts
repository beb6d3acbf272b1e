/** Go's text/template with docker's functions, for `--format`. */
import { TpullError } from "../../../store/errors.js";
import { fromJson, type GoValue } from "./values.js";

/** Code of the errors that a template's text or its run ends with. */
export const FORMAT_INVALID: string = "FORMAT_INVALID";

/** What a map gives for a key that it lacks: `<no value>`, the zero of its elements, or an error. */
export type MissingKey = "default" | "zero" | "error";

/** A template that was read without finding fault. */
export interface Template {
  readonly text: string;
}

/**
 * Reads a template.
 * @throws TpullError `FORMAT_INVALID`, with Go's words: `template: :1: …`
 */
export function parseTemplate(text: string): Template {
  return { text };
}

/**
 * What the template prints for a value; no line break is added.
 * @throws TpullError `FORMAT_INVALID`, with Go's words:
 *   `template: :1:2: executing "" at <.Foo>: can't evaluate field Foo in type image.InspectResponse`
 */
export function executeTemplate(
  template: Template,
  value: GoValue,
  options: { readonly missingKey?: MissingKey } = {},
): string {
  throw new TpullError(
    FORMAT_INVALID,
    `no engine yet for ${template.text} ${value.type.kind} ${options.missingKey}`,
  );
}

/**
 * One thing as `docker inspect --format` prints it, with a line break behind:
 * the template is tried on the typed value, and where that fails on the JSON as
 * maps, where a key that is missing is an error.
 * @param json what `docker inspect` without `--format` would print of it, parsed
 * @throws TpullError `FORMAT_INVALID`
 */
export function inspectLine(
  template: Template,
  value: GoValue,
  json: unknown,
): string {
  try {
    return `${executeTemplate(template, value)}\n`;
  } catch {
    const raw = executeTemplate(template, fromJson(json), {
      missingKey: "error",
    });
    return `${raw}\n`;
  }
}
