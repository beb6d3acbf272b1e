/** Values and literals as functions and methods take them. */
import { ANYTHING, type Parameter } from "./functions.js";
import { sourceOf, type NumberNode, type Operand } from "./nodes.js";
import { pointed } from "./print.js";
import type { State } from "./state.js";
import { fromInterface } from "./truth.js";
import { BOOL, FLOAT64, INT, STRING, typeName, type GoType } from "./types.js";
import type { GoValue } from "./values.js";

type Value = GoValue | undefined;

export type Constant = Extract<Operand, { kind: "bool" | "number" | "string" }>;

/** A literal where nothing says of which type it should be. */
export function constant(state: State, node: Constant): GoValue {
  state.at(node);
  switch (node.kind) {
    case "bool":
      return { type: BOOL, data: node.value };
    case "string":
      return { type: STRING, data: node.value };
    case "number":
      if (node.looksFloat && node.float !== undefined) {
        return { type: FLOAT64, data: node.float };
      }
      if (node.int !== undefined) return { type: INT, data: node.int };
      return state.fail(`${node.text} overflows int`);
  }
}

/** A literal as an argument: it takes on the type that is wanted. */
export function literal(
  state: State,
  node: Constant,
  parameter: Parameter | undefined,
): GoValue {
  if (
    parameter === undefined ||
    parameter === ANYTHING ||
    parameter.kind === "interface"
  ) {
    return constant(state, node);
  }
  const found = sourceOf(node);
  switch (parameter.kind) {
    case "bool":
      if (node.kind === "bool") return { type: parameter, data: node.value };
      return state.fail(`expected bool; found ${found}`);
    case "string":
      if (node.kind === "string") return { type: parameter, data: node.value };
      return state.fail(`expected string; found ${found}`);
    case "slice":
    case "map":
    case "struct":
    case "pointer":
      return state.fail(
        `can't handle ${found} for arg of type ${typeName(parameter)}`,
      );
    default:
      return numberArgument(state, node, parameter);
  }
}

function numberArgument(state: State, node: Constant, type: GoType): GoValue {
  const number: NumberNode | undefined =
    node.kind === "number" ? node : undefined;
  const [data, wanted] =
    type.kind === "float64"
      ? [number?.float, "float"]
      : type.kind.startsWith("int")
        ? [number?.int, "integer"]
        : [number?.uint, "unsigned integer"];
  if (data !== undefined) return { type, data };
  return state.fail(`expected ${wanted}; found ${sourceOf(node)}`);
}

/** The value as the parameter takes it, or the end of the run. */
export function fitted(
  state: State,
  value: Value,
  parameter: Parameter | undefined,
): Value {
  if (parameter === undefined || parameter === ANYTHING) return value;
  if (value === undefined) {
    if (canBeNil(parameter)) return zeroArgument(parameter);
    return state.fail(`invalid value; expected ${typeName(parameter)}`);
  }
  if (isAssignable(value.type, parameter)) return value;
  const inside = fromInterface(value) ?? value;
  if (isAssignable(inside.type, parameter)) return inside;
  const { type, data } = inside;
  if (type.kind === "pointer" && isAssignable(type.element, parameter)) {
    if (data !== null) return { type: type.element, data: pointed(data) };
    return state.fail(
      `dereference of nil pointer of type ${typeName(parameter)}`,
    );
  }
  return state.fail(
    `wrong type for value; expected ${typeName(parameter)}; got ${typeName(type)}`,
  );
}

/** Go's assignability: the same type, or the same structure where one of them has no name. */
function isAssignable(from: GoType, to: GoType): boolean {
  if (to.kind === "interface") return true;
  if (from.kind !== to.kind) return false;
  if (from.name === to.name && typeName(from) === typeName(to)) return true;
  const isBasic = from.kind !== "slice" && from.kind !== "map";
  if (isBasic || (from.name !== undefined && to.name !== undefined)) {
    return false;
  }
  return structureOf(from) === structureOf(to);
}

/** A slice's or a map's type without its name. */
function structureOf(type: GoType): string {
  if (type.kind === "slice") return `[]${typeName(type.element)}`;
  if (type.kind !== "map") return typeName(type);
  return `map[${typeName(type.key)}]${typeName(type.element)}`;
}

/** The word `nil` as an argument. */
export function nilArgument(
  state: State,
  parameter: Parameter | undefined,
): Value {
  if (parameter !== undefined && canBeNil(parameter)) {
    return zeroArgument(parameter);
  }
  const wanted =
    parameter === undefined || parameter === ANYTHING
      ? "<nil>"
      : typeName(parameter);
  return state.fail(`cannot assign nil to ${wanted}`);
}

function canBeNil(parameter: Parameter): boolean {
  if (parameter === ANYTHING) return true;
  const { kind } = parameter;
  return (
    kind === "interface" ||
    kind === "slice" ||
    kind === "map" ||
    kind === "pointer"
  );
}

/** Nil of a type; of any type it is no value at all. */
function zeroArgument(parameter: Parameter): Value {
  if (parameter === ANYTHING || parameter.kind === "interface") {
    return undefined;
  }
  return { type: parameter, data: null };
}
