/**
 * Fields of `hosts.toml`, each checked for its type. Absent fields are
 * `undefined`.
 */
import { quoted } from "../../store/reference/printable.js";
import type { Capability } from "../registry/endpoint.js";
import { parseDuration } from "./duration.js";
import type { Report } from "./report.js";
import { ALL_CAPABILITIES } from "./types.js";

export type Table = Readonly<Record<string, unknown>>;

/** Whether a value of the TOML document is a table; dates are objects, too. */
export function isTable(value: unknown): value is Table {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date)
  );
}

/** Warns of keys that mean nothing here. */
export function checkKeys(
  table: Table,
  known: ReadonlySet<string>,
  report: Report,
): void {
  for (const key of Object.keys(table)) {
    if (!known.has(key)) report.warn(`unknown key ${quoted(key)}; not used`);
  }
}

export function readBoolean(
  table: Table,
  key: string,
  report: Report,
): boolean | undefined {
  const value = table[key];
  if (value === undefined || typeof value === "boolean") return value;
  throw report.at(key).fail("neither true nor false");
}

export function readString(
  table: Table,
  key: string,
  report: Report,
): string | undefined {
  const value = table[key];
  if (value === undefined || typeof value === "string") return value;
  throw report.at(key).fail("not a string");
}

/** A string, or a list of strings. */
export function readStrings(
  table: Table,
  key: string,
  report: Report,
): string[] | undefined {
  const value = table[key];
  if (value === undefined) return undefined;
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((item) => {
    if (typeof item === "string") return item;
    throw report.at(key).fail("neither a string nor a list of strings");
  });
}

/**
 * `pull`, `resolve` and `push`, in any case; without the field, or with an
 * empty list, all of them. What does not concern pulls is left out.
 */
export function readCapabilities(
  table: Table,
  report: Report,
): readonly Capability[] {
  const value = table["capabilities"];
  const at = report.at("capabilities");
  if (value !== undefined && !Array.isArray(value)) throw at.fail("not a list");
  const names = readStrings(table, "capabilities", report) ?? [];
  if (names.length === 0) return ALL_CAPABILITIES;
  const given = new Set(names.map((name) => name.toLowerCase()));
  for (const name of given) {
    if (!["pull", "resolve", "push", "referrers"].includes(name))
      at.warn(`${quoted(name)} is not known; not used`);
  }
  return ALL_CAPABILITIES.filter((capability) => given.has(capability));
}

/**
 * Certificate and key files: one that holds both, several such, or pairs. The
 * key's name is empty where the first file holds both.
 */
export function readClientPairs(
  table: Table,
  report: Report,
): (readonly [cert: string, key: string])[] | undefined {
  const value = table["client"];
  if (value === undefined) return undefined;
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((item) => {
    if (typeof item === "string") return [item, ""] as const;
    if (Array.isArray(item) && item.length === 2) {
      const [cert, key] = item as unknown[];
      if (typeof cert === "string" && typeof key === "string")
        return [cert, key] as const;
    }
    throw report
      .at("client")
      .fail(
        "neither a file, nor a list of files, nor a list of pairs of files",
        'Pairs are written like client = [["client.cert", "client.key"]].',
      );
  });
}

/** Milliseconds, at least 1; a duration of 0 means no limit of its own. */
export function readDialTimeout(
  table: Table,
  report: Report,
): number | undefined {
  const text = readString(table, "dial_timeout", report);
  if (text === undefined || text === "") return undefined;
  const duration = parseDuration(text);
  if (duration === undefined || duration < 0) {
    throw report
      .at("dial_timeout")
      .fail(
        `${quoted(text)} is not a duration`,
        'Write it like "200ms", "3s" or "1m30s".',
      );
  }
  return duration === 0 ? undefined : Math.max(1, Math.round(duration));
}
