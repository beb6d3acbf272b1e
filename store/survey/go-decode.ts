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
      members(json).map(([key, member]) => [wellFormed(key), value(member)]),
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
  const declared = Object.entries(fields) as [
    keyof Struct & string,
    Fields<Struct>[keyof Struct],
  ][];
  const byName = new Map<string, keyof Struct & string>();
  for (const [name, [jsonName]] of declared) {
    byName.set(folded(jsonName), name);
    byName.set(jsonName, name);
  }
  return (json) => {
    const given = new Map<string, unknown>();
    for (const [key, member] of members(json)) {
      const name = byName.get(key) ?? byName.get(folded(key));
      if (name !== undefined) given.set(name, member);
    }
    const read = declared.map(([name, [, value]]) => [
      name,
      value(given.get(name)),
    ]);
    return Object.fromEntries(read) as Struct;
  };
}

/** Names are compared as Go folds them; `ſ` is another form of s. */
function folded(name: string): string {
  return name.toLowerCase().replaceAll("ſ", "s");
}

function members(json: unknown): [string, unknown][] {
  if (isNone(json)) return [];
  if (typeof json !== "object" || Array.isArray(json)) {
    return mismatch("an object");
  }
  return Object.entries(json as object);
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
