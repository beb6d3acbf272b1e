/** Parts of strings, slices and maps: `index`, `slice` and `len`. */
import { CallProblem } from "./problem.js";
import { fromInterface, indirect } from "./truth.js";
import { typeName, UINT8, type GoType } from "./types.js";
import { zeroOf, type GoData, type GoValue } from "./values.js";

type Operand = GoValue | undefined;

/** Of a string the bytes, of slices and maps the elements. */
export function lengthOf(item: Operand): number {
  if (item === undefined) {
    // Go runs into a fault of its own here, and says so.
    throw new CallProblem("reflect: call of reflect.Value.Type on zero Value");
  }
  const { value, isNil } = indirect(item);
  if (isNil) throw new CallProblem("len of nil pointer");
  switch (value.type.kind) {
    case "string":
      return Buffer.byteLength(value.data as string);
    case "slice":
      return listOf(value).length;
    case "map":
      return mapOf(value).size;
    default:
      throw new CallProblem(`len of type ${typeName(value.type)}`);
  }
}

/** `index x 1 2` is x[1][2]; a map gives the zero of its elements for a key that it lacks. */
export function elementOf(item: Operand, ...indexes: Operand[]): Operand {
  let current = fromInterface(item);
  if (current === undefined) throw new CallProblem("index of untyped nil");
  for (const each of indexes) {
    const index = fromInterface(each);
    const { value, isNil } = indirect(current);
    if (isNil) throw new CallProblem("index of nil pointer");
    current = oneElement(value, index);
  }
  return current;
}

function oneElement(value: GoValue, index: Operand): GoValue {
  const { type } = value;
  switch (type.kind) {
    case "string": {
      const bytes = Buffer.from(value.data as string);
      const at = position(index, bytes.length);
      const byte = bytes[at];
      if (byte !== undefined) return { type: UINT8, data: BigInt(byte) };
      throw new CallProblem("reflect: string index out of range");
    }
    case "slice": {
      const list = listOf(value);
      const at = position(index, list.length);
      if (at < list.length) {
        return { type: type.element, data: list[at] ?? null };
      }
      throw new CallProblem("reflect: slice index out of range");
    }
    case "map": {
      const key = keyOf(index, type.key);
      const data = mapOf(value).get(key);
      return {
        type: type.element,
        data: data === undefined ? zeroOf(type.element) : data,
      };
    }
    default:
      throw new CallProblem(`can't index item of type ${typeName(type)}`);
  }
}

/** `slice x 1 2` is x[1:2]; strings are cut by bytes. */
export function sliceBetween(item: Operand, ...indexes: Operand[]): GoValue {
  const value = fromInterface(item);
  if (value === undefined) throw new CallProblem("slice of untyped nil");
  if (indexes.length > 3) {
    throw new CallProblem(`too many slice indexes: ${indexes.length}`);
  }
  const { kind } = value.type;
  if (kind === "string" && indexes.length === 3) {
    throw new CallProblem("cannot 3-index slice a string");
  }
  if (kind !== "string" && kind !== "slice") {
    throw new CallProblem(`can't slice item of type ${typeName(value.type)}`);
  }
  const bytes =
    kind === "string" ? Buffer.from(value.data as string) : undefined;
  const list = bytes === undefined ? listOf(value) : [];
  const length = bytes?.length ?? list.length;
  const places = indexes.map((index) => position(index, length));
  const [from = 0, to = length, most = length] = places;
  if (from > to) {
    throw new CallProblem(`invalid slice index: ${from} > ${to}`);
  }
  if (to > most) {
    throw new CallProblem(`invalid slice index: ${to} > ${most}`);
  }
  if (bytes === undefined) {
    return { type: value.type, data: list.slice(from, to) };
  }
  const text = bytes.subarray(from, to).toString("utf8");
  return { type: value.type, data: text };
}

/** An index as a number up to the length, which is one too many for some. */
function position(index: Operand, length: number): number {
  if (index === undefined) {
    throw new CallProblem("cannot index slice/array with nil");
  }
  if (typeof index.data !== "bigint") {
    throw new CallProblem(
      `cannot index slice/array with type ${typeName(index.type)}`,
    );
  }
  if (index.data < 0n || index.data > BigInt(length)) {
    throw new CallProblem(`index out of range: ${index.data}`);
  }
  return Number(index.data);
}

function keyOf(index: Operand, type: GoType): string {
  if (index === undefined) {
    throw new CallProblem(`value is nil; should be of type ${typeName(type)}`);
  }
  const fits = index.type.kind === "string" && index.type.name === type.name;
  if (!fits) {
    throw new CallProblem(
      `value has type ${typeName(index.type)}; should be ${typeName(type)}`,
    );
  }
  return index.data as string;
}

/** The elements of a slice; none where it is nil. */
export function listOf(value: GoValue): readonly GoData[] {
  return (value.data ?? []) as readonly GoData[];
}

/** The entries of a map; none where it is nil. */
export function mapOf(value: GoValue): ReadonlyMap<string, GoData> {
  return (value.data ?? EMPTY) as ReadonlyMap<string, GoData>;
}

const EMPTY: ReadonlyMap<string, GoData> = new Map();
