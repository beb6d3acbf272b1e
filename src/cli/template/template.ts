/** Go's text/template with docker's functions, for `--format`. */
import { isTpullError } from "../../../store/errors.js";
import { runTemplate } from "./execute.js";
import { FUNCTIONS, HEADER_FUNCTIONS } from "./functions.js";
import { parseTemplates, type TemplateSet } from "./parse.js";
import { guarded } from "./problem.js";
import { State, type MissingKey } from "./state.js";
import { fromInterface } from "./truth.js";
import { fromJson, type GoValue } from "./values.js";

/** A template that was read without finding fault. */
export interface Template {
  readonly text: string;
  readonly templates: TemplateSet;
}

/**
 * Reads a template.
 * @throws TpullError `FORMAT_INVALID`, with Go's words: `template: :1: …`
 */
export function parseTemplate(text: string): Template {
  const templates = guarded(() =>
    parseTemplates(text, new Set(FUNCTIONS.keys())),
  );
  return { text, templates };
}

export interface ExecuteOptions {
  /** What a map gives for a key that it lacks; `<no value>` without. */
  readonly missingKey?: MissingKey;
}

/**
 * What the template prints for a value; no line break is added.
 * @throws TpullError `FORMAT_INVALID`, with Go's words:
 *   `template: :1:2: executing "" at <.Foo>: can't evaluate field Foo in type image.InspectResponse`
 */
export function executeTemplate(
  { text, templates }: Template,
  value: GoValue,
  { missingKey = "default" }: ExecuteOptions = {},
): string {
  return guarded(() => {
    const state = new State(text, FUNCTIONS, missingKey);
    runTemplate(state, templates, fromInterface(value));
    return state.output();
  });
}

/**
 * The line above a table whose rows the template makes: it runs on the headers,
 * which most functions leave as they are. What of it fails is left out, as the
 * rows have run without fault by then.
 */
export function executeHeader(
  { text, templates }: Template,
  headers: GoValue,
): string {
  const state = new State(text, HEADER_FUNCTIONS, "default");
  try {
    guarded(() => runTemplate(state, templates, headers));
  } catch (error) {
    if (!isTpullError(error)) throw error;
  }
  return state.output();
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
  } catch (error) {
    if (!isTpullError(error)) throw error;
  }
  const raw = fromJson(json);
  return `${executeTemplate(template, raw, { missingKey: "error" })}\n`;
}
