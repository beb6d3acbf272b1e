/** The `header` table of `hosts.toml`: what is sent with every request to a place. */
import { quoted } from "../../store/reference/printable.js";
import { isTable, readStrings, type Table } from "./fields.js";
import type { Report } from "./report.js";

/** RFC 9110, 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** RFC 9110, 5.5: printable, and space and tab between; Latin-1 is all that Node sends. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** What each request needs for itself, or what frames it. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "accept-encoding",
  "connection",
  "content-length",
  "content-type",
  "expect",
  "host",
  "keep-alive",
  "range",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Lower-case names to values; several values of one name are joined by commas. */
export function readHeaders(
  table: Table,
  report: Report,
): Record<string, string> {
  const value = table["header"];
  if (value === undefined) return {};
  if (!isTable(value)) throw report.at("header").fail("not a table");
  const headers = new Map<string, string>();
  for (const key of Object.keys(value)) {
    const at = report.at(`header ${key}`);
    const name = key.toLowerCase();
    if (!TOKEN.test(key)) {
      throw at.fail(`${quoted(key)} cannot be the name of a header`);
    }
    const values = readStrings(value, key, report.at("header")) ?? [];
    // The value is not shown: it may be a password.
    if (!values.every((part) => FIELD_VALUE.test(part))) {
      throw at.fail("its value has a character that no header can have");
    }
    if (OWN_FIELDS.has(name)) {
      at.warn("is made anew for every request; not used");
      continue;
    }
    const all = [headers.get(name) ?? [], values].flat();
    if (all.length > 0) headers.set(name, all.join(", ").trim());
  }
  return Object.fromEntries(headers);
}
