/** What counts as true, and how values compare. */
import { formatValue, held, pointed } from "./print.js";
import { CallProblem } from "./problem.js";
import { typeName, type GoType } from "./types.js";
import type { GoData, GoValue } from "./values.js";
import { NO_FLAGS } from "./verbs.js";

type Operand = GoValue | undefined;

/** Everything but the zero of its type; structs always. */
export function isTrue(value: Operand): boolean {
  const inside = fromInterface(value);
  if (inside === undefined) return false;
  const { type, data } = inside;
  switch (type.kind) {
    case "struct":
      return true;
    case "slice":
      return data !== null && (data as readonly GoData[]).length > 0;
    case "map":
      return data !== null && (data as ReadonlyMap<string, GoData>).size > 0;
    case "pointer":
      return data !== null;
    default:
      return Boolean(data);
  }
}

/** What an interface holds; any other value as it is. */
export function fromInterface(value: Operand): Operand {
  return value?.type.kind === "interface" ? held(value.data) : value;
}

/** Through all pointers and interfaces; `isNil` where one of them leads nowhere. */
export function indirect(value: GoValue): { value: GoValue; isNil: boolean } {
  let current = value;
  for (;;) {
    const { type, data } = current;
    if (type.kind !== "pointer" && type.kind !== "interface") {
      return { value: current, isNil: false };
    }
    if (data === null) return { value: current, isNil: true };
    current =
      type.kind === "pointer"
        ? { type: type.element, data: pointed(data) }
        : (data as GoValue);
  }
}

type BasicKind = "bool" | "int" | "uint" | "float" | "string";

function basicKind(value: Operand): BasicKind | undefined {
  const kind = value?.type.kind;
  switch (kind) {
    case "bool":
    case "string":
      return kind;
    case "float64":
      return "float";
    case undefined:
    case "slice":
    case "map":
    case "struct":
    case "pointer":
    case "interface":
      return undefined;
    default:
      return kind.startsWith("int") ? "int" : "uint";
  }
}

const BAD_TYPE = "invalid type for comparison";
const INCOMPATIBLE = "incompatible types for comparison";

/** `eq`: whether the first is equal to any of the others. */
export function equalsAny(first: Operand, others: readonly Operand[]): boolean {
  const left = fromInterface(first);
  if (others.length === 0) {
    throw new CallProblem("missing argument for comparison");
  }
  return others.some((other) => equals(left, fromInterface(other)));
}

function equals(left: Operand, right: Operand): boolean {
  const leftKind = basicKind(left);
  const rightKind = basicKind(right);
  if (leftKind !== rightKind) {
    if (isWhole(leftKind) && isWhole(rightKind)) {
      return left?.data === right?.data;
    }
    if (left !== undefined && right !== undefined) {
      throw new CallProblem(INCOMPATIBLE);
    }
    return false;
  }
  if (leftKind !== undefined) return left?.data === right?.data;
  if (left === undefined || right === undefined) {
    return isNil(left) && isNil(right);
  }
  if (left.type.kind !== right.type.kind) {
    throw new CallProblem(
      `non-comparable types ${shown(left)}, ${typeName(right.type)}: ${formatValue(right, "v", NO_FLAGS)}`,
    );
  }
  if (isNil(left) || isNil(right)) return isNil(left) === isNil(right);
  if (!isComparable(right.type)) {
    throw new CallProblem(`non-comparable type ${shown(right)}`);
  }
  return left.data === right.data;
}

function shown(value: GoValue): string {
  return `${formatValue(value, "s", NO_FLAGS)}: ${typeName(value.type)}`;
}

function isNil(value: Operand): boolean {
  return value === undefined || value.data === null;
}

function isWhole(kind: BasicKind | undefined): boolean {
  return kind === "int" || kind === "uint";
}

function isComparable(type: GoType): boolean {
  switch (type.kind) {
    case "slice":
    case "map":
      return false;
    case "struct":
      return type.fields.every((field) => isComparable(field.type));
    default:
      return true;
  }
}

/** `lt`: numbers by size, strings by their bytes. */
export function isLess(first: Operand, second: Operand): boolean {
  const left = fromInterface(first);
  const right = fromInterface(second);
  const leftKind = basicKind(left);
  const rightKind = basicKind(right);
  if (leftKind === undefined || rightKind === undefined) {
    throw new CallProblem(BAD_TYPE);
  }
  if (leftKind !== rightKind && !(isWhole(leftKind) && isWhole(rightKind))) {
    throw new CallProblem(INCOMPATIBLE);
  }
  if (leftKind === "bool") throw new CallProblem(BAD_TYPE);
  if (leftKind === "string") {
    const [a, b] = [left, right].map((each) =>
      Buffer.from(each?.data as string),
    );
    return Buffer.compare(a as Buffer, b as Buffer) < 0;
  }
  return (left?.data as bigint | number) < (right?.data as bigint | number);
}
