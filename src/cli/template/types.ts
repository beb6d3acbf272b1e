/**
 * The types of the values that templates see, as far as data has types in Go:
 * how a value prints, compares and becomes JSON depends on them.
 */
import type { GoData, GoValue } from "./values.js";

/** The kinds of whole numbers, signed ones and others. */
export type IntKind = "int" | "int8" | "int16" | "int32" | "int64";
export type UintKind = "uint" | "uint8" | "uint16" | "uint32" | "uint64";

/** What any type may have beside its kind. */
interface Traits {
  /** The type's name as `%T` prints it (`image.InspectResponse`); unnamed types have none. */
  readonly name?: string;
  /** Go's `String()`, which printing calls. */
  readonly text?: (data: GoData) => string;
  /** Go's `MarshalJSON`: the JSON text of the value. */
  readonly json?: (data: GoData) => string;
  /** Go's `UnmarshalJSON`: the value that JSON stands for. */
  readonly fromJson?: (json: unknown) => GoData;
  /** What a template may call on it by name. */
  readonly methods?: ReadonlyMap<string, Method>;
}

export interface Method {
  readonly parameters: readonly GoType[];
  readonly call: (receiver: GoData, args: readonly GoValue[]) => GoValue;
}

export interface BasicType extends Traits {
  readonly kind: "bool" | "string" | IntKind | UintKind | "float64";
}
export interface SliceType extends Traits {
  readonly kind: "slice";
  readonly element: GoType;
}
/** Keys are always strings; `key` is their type, which may have a name. */
export interface MapType extends Traits {
  readonly kind: "map";
  readonly key: GoType;
  readonly element: GoType;
}
export interface StructType extends Traits {
  readonly kind: "struct";
  readonly fields: readonly Field[];
}
export interface PointerType extends Traits {
  readonly kind: "pointer";
  readonly element: GoType;
}
/** `any` (and `error`, which is one with a name). */
export interface InterfaceType extends Traits {
  readonly kind: "interface";
}

export type GoType =
  BasicType | SliceType | MapType | StructType | PointerType | InterfaceType;

/** A field of a struct, in the order of the Go source. */
export interface Field {
  readonly name: string;
  readonly type: GoType;
  /** Its name in JSON; undefined where JSON leaves it out (`json:"-"`). */
  readonly jsonName: string | undefined;
  readonly omitEmpty: boolean;
  /** Its own fields count as fields of the struct that holds it. */
  readonly embedded: boolean;
}

export const BOOL: GoType = { kind: "bool" };
export const STRING: GoType = { kind: "string" };
export const INT: GoType = { kind: "int" };
export const INT32: GoType = { kind: "int32" };
export const INT64: GoType = { kind: "int64" };
export const UINT8: GoType = { kind: "uint8" };
export const UINT32: GoType = { kind: "uint32" };
export const UINT64: GoType = { kind: "uint64" };
export const FLOAT64: GoType = { kind: "float64" };
/** Go's `any`: a value that brings its own type. */
export const ANY: GoType = { kind: "interface" };

export function sliceOf(element: GoType): GoType {
  return { kind: "slice", element };
}

export function mapOf(element: GoType, key: GoType = STRING): GoType {
  return { kind: "map", key, element };
}

export function pointerTo(element: GoType): GoType {
  return { kind: "pointer", element };
}

/**
 * A struct type.
 * @param name as `%T` and error messages print it: `image.RootFS`; empty for a
 *   type without a name
 */
export function structOf(name: string, fields: readonly Field[]): GoType {
  return { kind: "struct", ...(name === "" ? {} : { name }), fields };
}

/** A type under a name of its own, like `nat.Port`, which is a string. */
export function named<T extends GoType>(name: string, type: T): T {
  return { ...type, name };
}

/**
 * A field of a struct.
 * @param tag Go's tag: `name`, `name,omitempty` or `-`; the field's own name
 *   stands in JSON without one
 */
export function field(name: string, type: GoType, tag: string = ""): Field {
  const [jsonName = "", ...options] = tag.split(",");
  return {
    name,
    type,
    jsonName: tag === "-" ? undefined : jsonName || name,
    omitEmpty: options.includes("omitempty"),
    embedded: false,
  };
}

/** A struct (or a pointer to one) that is a field without a name: its fields are reached as if they were the outer struct's. */
export function embedded(name: string, type: GoType): Field {
  return { name, type, jsonName: undefined, omitEmpty: false, embedded: true };
}

/** A type as Go's `%T` and error messages name it. */
export function typeName(type: GoType): string {
  if (type.name !== undefined) return type.name;
  switch (type.kind) {
    case "slice":
      return `[]${typeName(type.element)}`;
    case "map":
      return `map[${typeName(type.key)}]${typeName(type.element)}`;
    case "pointer":
      return `*${typeName(type.element)}`;
    case "interface":
      return "interface {}";
    case "struct":
      return type.fields.length === 0
        ? "struct {}"
        : `struct { ${type.fields.map((each) => `${each.name} ${typeName(each.type)}`).join("; ")} }`;
    default:
      return type.kind;
  }
}
