/** The bodies of refusals, of registries and of what stands in between. */
import { serverWords } from "./redact.js";

/** One entry of `{"errors": […]}` (distribution spec, "Error Codes"), in printable text. */
export interface RegistryError {
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
}

const MAX_ENTRIES = 5;
const MAX_CODE_CHARACTERS = 60;
const MAX_MESSAGE_CHARACTERS = 300;

/**
 * The entries of a JSON error body: the spec's list, or a single sentence as
 * old registries (`details`) and token servers (`error_description`) send it.
 * Empty when the body is something else.
 */
export function registryErrors(text: string): RegistryError[] {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return [];
  }
  if (typeof body !== "object" || body === null) return [];
  const { errors, details, message, error, error_description } = body as Record<
    string,
    unknown
  >;
  if (Array.isArray(errors)) {
    return errors.slice(0, MAX_ENTRIES).flatMap(entryOf);
  }
  const sentence = [details, error_description, message, error].find(
    (candidate) => typeof candidate === "string" && candidate !== "",
  );
  return sentence === undefined
    ? []
    : [
        {
          code: "",
          message: serverWords(String(sentence), MAX_MESSAGE_CHARACTERS),
        },
      ];
}

function entryOf(entry: unknown): RegistryError[] {
  if (typeof entry !== "object" || entry === null) return [];
  const { code, message, detail } = entry as Record<string, unknown>;
  const shownCode =
    typeof code === "string" ? serverWords(code, MAX_CODE_CHARACTERS) : "";
  const shownMessage =
    typeof message === "string"
      ? serverWords(message, MAX_MESSAGE_CHARACTERS)
      : "";
  if (shownCode === "" && shownMessage === "") return [];
  return [
    {
      code: shownCode,
      message: shownMessage,
      ...(detail === undefined || detail === null
        ? {}
        : { detail: serverWords(detailText(detail), MAX_MESSAGE_CHARACTERS) }),
    },
  ];
}

/** A detail as text; what nests deeper than can be written again is left out. */
function detailText(detail: unknown): string {
  if (typeof detail === "string") return detail;
  try {
    return JSON.stringify(detail) ?? "null";
  } catch {
    return "";
  }
}

/** Whether a media type is that of a web page: no registry answers with one. */
export function isHtml(mediaType: string): boolean {
  return mediaType === "text/html" || mediaType === "application/xhtml+xml";
}

/**
 * The first line of a body that is not the JSON a registry sends: of a page
 * its title or first words, of a storage service's XML its code and message
 * (what else is in there may repeat a signature), of text its first line.
 */
export function firstLine(mediaType: string, text: string): string {
  if (/[/+]xml$/.test(mediaType) || text.startsWith("<?xml")) {
    const parts = [/<Code>([^<]*)</, /<Message>([^<]*)</].map(
      (pattern) => pattern.exec(text)?.[1] ?? "",
    );
    const said = parts.filter((part) => part !== "").join(": ");
    if (said !== "" || !isHtml(mediaType)) return serverWords(said);
  }
  if (isHtml(mediaType)) {
    const title = /<title[^<>]*>([^<]+)</i.exec(text)?.[1];
    if (title !== undefined && title.trim() !== "") return serverWords(title);
    return lineOf(textOf(text));
  }
  return /^text\/|^$/.test(mediaType) ? lineOf(text) : "";
}

function lineOf(text: string): string {
  const line = text.split(/[\r\n]+/).find((line) => line.trim() !== "");
  return serverWords(line ?? "");
}

/** What is to be read of a page. In one go: its author may want to keep us busy. */
function textOf(page: string): string {
  const tag = /<[^<>]*>/g;
  let text = "";
  let from = 0;
  for (let found = tag.exec(page); found !== null; found = tag.exec(page)) {
    text += `${page.slice(from, found.index)}\n`;
    from = tag.lastIndex;
    const [, name] = /^<(script|style|head)\b/i.exec(found[0]) ?? [];
    if (name === undefined) continue;
    const end = new RegExp(`</${name}\\s*>`, "gi");
    end.lastIndex = from;
    if (end.exec(page) === null) break;
    tag.lastIndex = from = end.lastIndex;
  }
  return text + page.slice(from);
}
