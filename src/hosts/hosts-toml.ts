/**
 * `hosts.toml` as containerd has it: the places that have a registry's content,
 * in the order of the file, and last the registry itself or what the file calls
 * `server`.
 */
import { dirname, resolve } from "node:path";
import { isTpullError } from "../../store/errors.js";
import { quoted, printable } from "../../store/reference/printable.js";
import { loadCa, loadClient } from "./certificates.js";
import { readText } from "./config-file.js";
import {
  checkKeys,
  isTable,
  readBoolean,
  readCapabilities,
  readClientPairs,
  readDialTimeout,
  readString,
  readStrings,
  type Table,
} from "./fields.js";
import { readHeaders } from "./header-fields.js";
import {
  baseOf,
  parsePlaceUrl,
  registryUrl,
  type PlaceUrl,
} from "./place-url.js";
import type { Report } from "./report.js";
import { ALL_CAPABILITIES, type Place } from "./types.js";

const PLACE_KEYS: ReadonlySet<string> = new Set([
  "capabilities",
  "ca",
  "client",
  "skip_verify",
  "header",
  "override_path",
  "dial_timeout",
]);
const FILE_KEYS: ReadonlySet<string> = new Set([
  ...PLACE_KEYS,
  "server",
  "host",
]);

/** A place with its certificates still as names of files. */
export interface WrittenPlace extends Omit<Place, "ca" | "client"> {
  readonly caFiles?: readonly string[];
  readonly clientFiles?: readonly (readonly [cert: string, key: string])[];
}

/**
 * @param file whole path; names in it are relative to its folder
 * @throws TpullError `HOSTS_CONFIG_INVALID`
 */
export async function readHostsToml(
  file: string,
  registry: string,
  report: Report,
): Promise<Place[]> {
  const text = await readText(file, report);
  const written = interpret(await parseToml(text, report), registry, report);
  const folder = dirname(file);
  return Promise.all(
    written.map(async ({ caFiles, clientFiles, ...place }) => {
      const [ca, client] = await Promise.all([
        caFiles &&
          loadCa(
            caFiles.map((name) => resolve(folder, name)),
            report,
          ),
        clientFiles &&
          loadClient(
            clientFiles.map(([cert, key]) => [
              resolve(folder, cert),
              resolve(folder, key === "" ? cert : key),
            ]),
            report,
          ),
      ]);
      return { ...place, ...(ca && { ca }), ...(client && { client }) };
    }),
  );
}

/** @throws TpullError `HOSTS_CONFIG_INVALID` with the line */
export async function parseToml(text: string, report: Report): Promise<Table> {
  // Few machines have such a file, and no pull without one needs the parser.
  const { parse } = await import("smol-toml");
  try {
    return parse(text) as Table;
  } catch (error) {
    if (isTpullError(error)) throw error;
    const { line, message } = error as { line?: unknown; message?: unknown };
    // The parser's message goes on with the lines themselves; one may be a password.
    const [reason = ""] = String(message).split("\n");
    throw report
      .at(typeof line === "number" ? `line ${line}` : "")
      .fail(
        printable(reason.replace(/^Invalid TOML document: /, "not TOML: ")),
      );
  }
}

/** What the document says, without a look at other files. */
export function interpret(
  document: Table,
  registry: string,
  report: Report,
): WrittenPlace[] {
  checkKeys(document, FILE_KEYS, report);
  const places = hostTables(document, report).map(([name, table]) => {
    const at = report.at(`[host.${quoted(name)}]`);
    checkKeys(table, PLACE_KEYS, at);
    return readPlace(table, name, at);
  });
  const last = readServer(document, report);
  const all = isNamed(last, places, registry) ? places : [...places, last];
  const useful = all.filter(({ capabilities }) => capabilities.length > 0);
  if (useful.length === 0) {
    throw report.fail(
      "nothing in it may be asked for images",
      'Give one of its hosts the capabilities "pull" and "resolve".',
    );
  }
  return useful;
}

function hostTables(document: Table, report: Report): [string, Table][] {
  const hosts = document["host"] ?? {};
  const at = report.at("host");
  if (!isTable(hosts)) throw at.fail("not a table");
  // Keys keep the file's order. Numbers would not, but are refused as URLs.
  return Object.entries(hosts).map(([name, table]) => {
    if (isTable(table)) return [name, table];
    throw at.fail(
      `${quoted(name)} is not a table`,
      'A host is written like [host."https://mirror.example"].',
    );
  });
}

/** Without `server` it is the registry with all it can do, connected to as the file says. */
function readServer(document: Table, report: Report): WrittenPlace {
  const server = readString(document, "server", report) || undefined;
  const place = readPlace(document, server, report);
  return server === undefined
    ? { ...place, capabilities: ALL_CAPABILITIES }
    : place;
}

/** @param name the place's URL; `undefined` for the registry itself */
function readPlace(
  table: Table,
  name: string | undefined,
  report: Report,
): WrittenPlace {
  const overridePath = readBoolean(table, "override_path", report) ?? false;
  const skipVerify = readBoolean(table, "skip_verify", report);
  const connectTimeoutMs = readDialTimeout(table, report);
  const caFiles = readStrings(table, "ca", report);
  const clientFiles = readClientPairs(table, report);
  return {
    url:
      name === undefined
        ? undefined
        : parsePlaceUrl(name, { overridePath, strict: false }, report),
    capabilities: readCapabilities(table, report),
    headers: readHeaders(table, report),
    ...(skipVerify === undefined ? {} : { skipVerify }),
    ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
    ...(caFiles === undefined ? {} : { caFiles }),
    ...(clientFiles === undefined ? {} : { clientFiles }),
  };
}

/** Whether the file has the last place among its hosts already, with no less to do. */
function isNamed(
  last: WrittenPlace,
  places: readonly WrittenPlace[],
  registry: string,
): boolean {
  const same = (url: PlaceUrl): string => `${baseOf(url)} ${url.overridePath}`;
  const wanted = same(last.url ?? registryUrl(registry));
  return places.some(
    ({ url, capabilities }) =>
      url !== undefined &&
      same(url) === wanted &&
      last.capabilities.every((one) => capabilities.includes(one)),
  );
}
