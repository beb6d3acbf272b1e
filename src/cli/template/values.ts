/**
 * The values that templates work on. A template sees what is in a
 * {@link GoValue} and nothing else: no property of a JavaScript object can be
 * reached from it.
 */
import { guarded } from "./problem.js";
import {
  ANY,
  BOOL,
  field,
  INT64,
  mapOf,
  named,
  sliceOf,
  STRING,
  structOf,
  type GoType,
} from "./types.js";

/**
 * What is in a value; how to read it says the type:
 * string and bool as such; whole numbers as bigint, others as number; a slice
 * as array and a map as Map, `null` where they are nil; a struct as array, one
 * member for each field in order; a pointer as array of one, or `null`; an
 * interface as the value in it with its type, or `null`. Types with code of
 * their own (a time) may keep anything here.
 */
export type GoData =
  | string
  | boolean
  | bigint
  | number
  | null
  | readonly GoData[]
  | ReadonlyMap<string, GoData>
  | GoValue;

export interface GoValue {
  readonly type: GoType;
  readonly data: GoData;
}

/** A number of JSON that nobody declared a type for: text, as docker's raw reading keeps it. */
export const JSON_NUMBER: GoType = named("json.Number", STRING);

export function string(text: string): GoValue {
  return { type: STRING, data: text };
}

/** An int64, which is what sizes and counts are. */
export function int(value: number | bigint): GoValue {
  return { type: INT64, data: BigInt(value) };
}

export function bool(value: boolean): GoValue {
  return { type: BOOL, data: value };
}

/** A slice of strings; `null` is a nil slice, which prints as an empty one and is `null` in JSON. */
export function strings(list: readonly string[] | null): GoValue {
  return { type: sliceOf(STRING), data: list };
}

/**
 * A struct whose type is made on the spot. The JSON name of a field is its name.
 * @param typeName as error messages show it
 */
export function struct(
  typeName: string,
  fields: readonly (readonly [name: string, value: GoValue])[],
): GoValue {
  return {
    type: structOf(
      typeName,
      fields.map(([name, { type }]) => field(name, type)),
    ),
    data: fields.map(([, { data }]) => data),
  };
}

/**
 * The value of a declared type that JSON stands for, as Go's decoder fills it:
 * what is absent or null is the type's zero, what the type does not know is
 * left out, and so is what does not fit it.
 * @param json parsed; whole numbers beyond 2^53 as bigint
 * @throws TpullError `FORMAT_INVALID` for what is nested thousands deep
 */
export function typed(type: GoType, json: unknown): GoValue {
  return { type, data: guarded(() => decode(type, json)) };
}

/**
 * Any JSON as Go reads it without a declared type: objects are maps, arrays
 * slices, numbers text. Fields that are absent are no error of the type then.
 * @param json parsed
 */
export function fromJson(json: unknown): GoValue {
  return typed(ANY, json);
}

/** The value that Go gives a variable of the type before anything is stored in it. */
export function zeroOf(type: GoType): GoData {
  switch (type.kind) {
    case "bool":
      return false;
    case "string":
      return "";
    case "float64":
      return 0;
    case "slice":
    case "map":
    case "pointer":
    case "interface":
      return null;
    case "struct":
      return type.fields.map((each) => zeroOf(each.type));
    default:
      return 0n;
  }
}

function decode(type: GoType, json: unknown): GoData {
  if (json === null || json === undefined) return zeroOf(type);
  if (type.fromJson !== undefined) return type.fromJson(json);
  switch (type.kind) {
    case "bool":
      return json === true;
    case "string":
      return typeof json === "string" ? json : "";
    case "float64":
      return typeof json === "number" ? json : 0;
    case "slice":
      if (!Array.isArray(json)) return null;
      return json.map((item) => decode(type.element, item));
    case "map":
      if (!isObject(json)) return null;
      return new Map(
        Object.entries(json).map(([key, item]) => [
          key,
          decode(type.element, item),
        ]),
      );
    case "pointer":
      return [decode(type.element, json)];
    case "struct":
      return type.fields.map((each) => {
        if (each.embedded) return decode(each.type, json);
        const name = each.jsonName;
        const has =
          name !== undefined && isObject(json) && Object.hasOwn(json, name);
        return has ? decode(each.type, json[name]) : zeroOf(each.type);
      });
    case "interface":
      return anyOf(json);
    default:
      return wholeNumber(json);
  }
}

function anyOf(json: unknown): GoValue | null {
  switch (typeof json) {
    case "string":
      return { type: STRING, data: json };
    case "boolean":
      return { type: BOOL, data: json };
    case "number":
    case "bigint":
      return { type: JSON_NUMBER, data: String(json) };
    default: {
      const type = Array.isArray(json) ? ANY_SLICE : ANY_MAP;
      return json === null || json === undefined
        ? null
        : { type, data: decode(type, json) };
    }
  }
}

const ANY_SLICE = sliceOf(ANY);
const ANY_MAP = mapOf(ANY);

function wholeNumber(json: unknown): bigint {
  if (typeof json === "bigint") return json;
  return Number.isSafeInteger(json) ? BigInt(json as number) : 0n;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
