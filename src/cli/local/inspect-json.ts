/** Inspected images as the JSON text that docker prints. */
import type { InspectedImage } from "../../../store/survey/inspect-image.js";
import { jsonString } from "../template/json.js";

/** Object members in Go's order: those of structs as they are declared, those of maps by the bytes of their keys. */
type Json =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Json[]
  | ReadonlyMap<string, Json>
  | { readonly [name: string]: Json };

/** Spaces for each level of docker's documents. */
const INDENT = "    ";

/** A list with a line for each value, as `docker inspect` prints it; no line break is added. */
export function inspectDocument(images: readonly InspectedImage[]): string {
  return write(images.map(withMaps), "\n");
}

/** The same list in one line, as `docker inspect --format json` prints it. */
export function inspectList(images: readonly InspectedImage[]): string {
  return write(images.map(withMaps), undefined);
}

/** The maps among the members are sorted: docker's server makes one of all of `Config`. */
function withMaps(image: InspectedImage): Json {
  const { Data, Name } = image.GraphDriver;
  return {
    ...(image as unknown as { readonly [name: string]: Json }),
    GraphDriver: { Data: sorted(Data as unknown as Json), Name },
    Config: sorted(image.Config as unknown as Json),
  };
}

function sorted(value: Json): Json {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return (value as readonly Json[]).map(sorted);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([key, member]): [string, Json] => [key, sorted(member)])
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return new Map(members);
}

/** @param line what begins a line, with the indentation; undefined for no lines */
function write(value: Json, line: string | undefined): string {
  if (typeof value === "string") return quoted(value);
  if (typeof value !== "object" || value === null) {
    return JSON.stringify(value ?? null);
  }
  const isList = Array.isArray(value);
  const below = line === undefined ? undefined : line + INDENT;
  const colon = line === undefined ? ":" : ": ";
  const parts = isList
    ? value.map((item: Json) => write(item, below))
    : membersOf(value as ReadonlyMap<string, Json>).map(
        ([key, member]) => `${quoted(key)}${colon}${write(member, below)}`,
      );
  const [open, close] = isList ? "[]" : "{}";
  if (parts.length === 0) return `${open}${close}`;
  return `${open}${below ?? ""}${parts.join(`,${below ?? ""}`)}${line ?? ""}${close}`;
}

function membersOf(
  object: ReadonlyMap<string, Json> | { readonly [name: string]: Json },
): [string, Json][] {
  const members =
    object instanceof Map
      ? [...(object as ReadonlyMap<string, Json>)]
      : Object.entries(object);
  return members.filter(([, member]) => member !== undefined);
}

/** As docker's server writes a string, whatever the client makes of the document. */
function quoted(text: string): string {
  return jsonString(text, { escapeHtml: true });
}
