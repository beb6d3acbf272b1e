/** Values as JSON text, as Go's encoding/json writes it. */
import { held, pointed, sortedEntries } from "./print.js";
import type { Field, GoType, StructType } from "./types.js";
import type { GoData, GoValue } from "./values.js";

export interface JsonOptions {
  /** Whether `<`, `>` and `&` are written as escapes, Go's default. */
  readonly escapeHtml: boolean;
}

/** One line, without spaces. */
export function jsonText(
  value: GoValue | undefined,
  options: JsonOptions,
): string {
  return value === undefined ? "null" : encode(value.type, value.data, options);
}

function encode(type: GoType, data: GoData, options: JsonOptions): string {
  if (type.json !== undefined) return type.json(data);
  switch (type.kind) {
    case "bool":
      return String(data);
    case "string":
      return type.name === "json.Number"
        ? (data as string) || "0"
        : jsonString(data as string, options);
    case "float64":
      return Object.is(data, -0) ? "-0" : String(data);
    case "slice":
      return slice(type.element, data, options);
    case "map": {
      if (data === null) return "null";
      const members = sortedEntries(data).map(
        ([key, item]) =>
          `${jsonString(key, options)}:${encode(type.element, item, options)}`,
      );
      return `{${members.join(",")}}`;
    }
    case "struct": {
      const members = jsonMembers(type, data).map(
        ({ field, item }) =>
          `${jsonString(field.jsonName ?? "", options)}:${encode(field.type, item, options)}`,
      );
      return `{${members.join(",")}}`;
    }
    case "pointer":
      return data === null
        ? "null"
        : encode(type.element, pointed(data), options);
    case "interface": {
      const inside = held(data);
      return inside === undefined
        ? "null"
        : encode(inside.type, inside.data, options);
    }
    default:
      return String(data);
  }
}

function slice(element: GoType, data: GoData, options: JsonOptions): string {
  if (data === null) return "null";
  const items = data as readonly GoData[];
  if (element.kind === "uint8") {
    return `"${Buffer.from(items.map(Number)).toString("base64")}"`;
  }
  return `[${items.map((item) => encode(element, item, options)).join(",")}]`;
}

interface Member {
  readonly field: Field;
  readonly item: GoData;
}

/** The members of a struct, those of embedded structs among them; an outer one hides an inner one of its name. */
function jsonMembers(type: StructType, data: GoData): Member[] {
  const items = data as readonly GoData[];
  const own = new Set(type.fields.map(({ jsonName }) => jsonName));
  return type.fields.flatMap((field, at): Member[] => {
    const item = items[at] ?? null;
    if (field.embedded) {
      const inner =
        field.type.kind === "pointer" ? field.type.element : field.type;
      const inside =
        field.type.kind === "pointer" ? item && pointed(item) : item;
      if (inner.kind !== "struct" || inside === null) return [];
      return jsonMembers(inner, inside).filter(
        (member) => !own.has(member.field.jsonName),
      );
    }
    if (field.jsonName === undefined) return [];
    return field.omitEmpty && isEmpty(field.type, item)
      ? []
      : [{ field, item }];
  });
}

function isEmpty(type: GoType, data: GoData): boolean {
  switch (type.kind) {
    case "struct":
      return false;
    case "slice":
      return data === null || (data as readonly GoData[]).length === 0;
    case "map":
      return data === null || (data as ReadonlyMap<string, GoData>).size === 0;
    default:
      return (
        data === null ||
        data === "" ||
        data === false ||
        data === 0 ||
        data === 0n
      );
  }
}

const SHORT: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ["\\", "\\\\"],
  ["\b", "\\b"],
  ["\f", "\\f"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);
// oxlint-disable-next-line no-control-regex -- JSON has no bare controls
const ESCAPED = /["\\\x00-\x1f\u2028\u2029]/g;

export function jsonString(text: string, { escapeHtml }: JsonOptions): string {
  // Half a surrogate pair becomes U+FFFD.
  const escaped = Buffer.from(text)
    .toString("utf8")
    .replaceAll(ESCAPED, (each) => SHORT.get(each) ?? unicodeEscape(each));
  return `"${escapeHtml ? escaped.replaceAll(/[<>&]/g, unicodeEscape) : escaped}"`;
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
