/** `--filter KEY=VALUE`, as docker reads it. */
import { TpullError } from "../../../store/errors.js";
import { quoted } from "../../../store/reference/printable.js";
import { USAGE } from "../args.js";
import { nearest } from "../near.js";

/** Values by key, in the order they were given. */
export type Filters<Key extends string> = ReadonlyMap<Key, readonly string[]>;

/**
 * Splits the values of `--filter`. Keys count without their case; white space
 * around key and value does not count.
 * @param known the keys that the command takes
 * @throws TpullError `USAGE`
 */
export function readFilters<Key extends string>(
  given: readonly string[] = [],
  known: readonly Key[],
): Filters<Key> {
  const filters = new Map<Key, string[]>();
  for (const text of given) {
    const equals = text.indexOf("=");
    if (equals === -1) {
      throw usage(`--filter is KEY=VALUE, not ${quoted(text)}`, known);
    }
    const key = text.slice(0, equals).trim().toLowerCase();
    if (!isOneOf(key, known)) {
      const near = nearest(key, known);
      const meant = near === undefined ? "" : ` (did you mean ${near}?)`;
      throw usage(`--filter knows no ${quoted(key)}${meant}`, known);
    }
    const values = filters.get(key) ?? [];
    filters.set(key, [...values, text.slice(equals + 1).trim()]);
  }
  return filters;
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["1", true],
  ["false", false],
  ["0", false],
]);

/**
 * What a filter says that is on or off; undefined where it was not given.
 * @throws TpullError `USAGE`, also when it was given as both
 */
export function readBoolean<Key extends string>(
  filters: Filters<Key>,
  key: Key,
): boolean | undefined {
  const [first, ...more] = (filters.get(key) ?? []).map((value) => {
    const meant = BOOLEANS.get(value);
    if (meant !== undefined) return meant;
    throw usage(`--filter ${key} is true or false, not ${quoted(value)}`);
  });
  if (more.some((value) => value !== first)) {
    throw usage(`--filter ${key} cannot be both true and false`);
  }
  return first;
}

function isOneOf<Key extends string>(
  text: string,
  known: readonly Key[],
): text is Key {
  return known.some((key) => key === text);
}

function usage(message: string, known: readonly string[] = []): TpullError {
  return new TpullError(USAGE, message, {
    hint: known.length === 0 ? undefined : `The keys are ${known.join(", ")}.`,
  });
}
