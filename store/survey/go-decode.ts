/**
 * JSON read into declared types as Go's decoder reads it: what is absent or null
 * is the type's zero, the names of members count without their case, members
 * that nobody declared are left out, and one value of another type makes all of
 * it unreadable. (Go's encoding/json, `Unmarshal`.)
 */

/** Reads a value of one type; `undefined` and `null` stand for one that is not there. */
export type Decoder<Value> = (json: unknown) => Value;

/** A value that does not have the declared type. */
export class TypeMismatch extends Error {}

export const text: Decoder<string> = (json) => {
  if (typeof json === "string") return wellFormed(json);
  return isNone(json) ? "" : mismatch("a string");
};

export const flag: Decoder<boolean> = (json) => {
  if (typeof json === "boolean") return json;
  return isNone(json) ? false : mismatch("a boolean");
};

/** A signed number of 64 bits. */
export const integer: Decoder<number> = (json) => {
  if (typeof json !== "number") return isNone(json) ? 0 : mismatch("a number");
  const fits = Number.isInteger(json) && Math.abs(json) <= 2 ** 63;
  return fits ? json : mismatch("an integer");
};

/** A value of a type that may be missing: a pointer in Go. */
export function optional<Value>(
  value: Decoder<Value>,
): Decoder<Value | undefined> {
  return (json) => (isNone(json) ? undefined : value(json));
}

/** A list; one that is missing is empty. */
export function list<Value>(item: Decoder<Value>): Decoder<readonly Value[]> {
  return (json) => {
    if (Array.isArray(json)) return json.map(item);
    return isNone(json) ? [] : mismatch("a list");
  };
}

/** An object of any keys; one that is missing is empty. */
export function map<Value>(
  value: Decoder<Value>,
): Decoder<ReadonlyMap<string, Value>> {
  return (json) =>
    new Map(
      Object.entries(isNone(json) ? {} : objectOf(json)).map(
        ([key, member]) => [wellFormed(key), value(member)],
      ),
    );
}

/** The decoder of each field, and what it is called in JSON. */
type Fields<Struct> = {
  readonly [Name in keyof Struct]-?: readonly [
    jsonName: string,
    value: Decoder<Struct[Name]>,
  ];
};

/** An object of known members. */
export function struct<Struct extends object>(
  fields: Fields<Struct>,
): Decoder<Struct> {
  const declared = Object.entries(fields) as Declared<Struct>[];
  const exact = new Map(declared.map((one) => [one[1][0], one]));
  const loose = new Map(declared.map((one) => [folded(one[1][0]), one]));
  const read = (given: JsonObject): Struct => {
    const result: Partial<Struct> = {};
    for (const [name, [jsonName, value]] of declared) {
      result[name] = value(given[jsonName]);
    }
    return result as Struct;
  };
  /** Under the names that are declared; of members of one name the last one counts. */
  const withDeclaredNames = (given: JsonObject): JsonObject => {
    const renamed: Record<string, unknown> = {};
    for (const [key, member] of Object.entries(given)) {
      const one = exact.get(key) ?? loose.get(folded(key));
      if (one !== undefined) renamed[one[1][0]] = member;
    }
    return renamed;
  };
  const zero = read({});
  return (json) => {
    if (isNone(json)) return zero;
    const object = objectOf(json);
    const isPlain = Object.keys(object).every((key) => exact.has(key));
    return read(isPlain ? object : withDeclaredNames(object));
  };
}

type JsonObject = Readonly<Record<string, unknown>>;
type Declared<Struct> = [
  keyof Struct & string,
  Fields<Struct>[keyof Struct & string],
];

/** Names are compared as Go folds them; `ſ` is another form of s. */
function folded(name: string): string {
  return name.toLowerCase().replaceAll("ſ", "s");
}

function objectOf(json: unknown): JsonObject {
  const isObject =
    typeof json === "object" && json !== null && !Array.isArray(json);
  return isObject ? (json as JsonObject) : mismatch("an object");
}

/** Half a surrogate pair becomes U+FFFD. */
function wellFormed(string: string): string {
  return /\p{Surrogate}/u.test(string)
    ? Buffer.from(string).toString()
    : string;
}

function isNone(json: unknown): json is null | undefined {
  return json === null || json === undefined;
}

function mismatch(expected: string): never {
  throw new TypeMismatch(`not ${expected}`);
}
