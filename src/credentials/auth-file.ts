/**
 * What docker's config.json and podman's auth.json say about credentials. Both
 * have the same form: `auths`, `credHelpers`, `credsStore`.
 */
import { TpullError } from "../../store/errors.js";
import type { Credential } from "../registry/credentials.js";
import { canonicalHost, covers, readKey, serverKey } from "./server.js";

/** A credential file as far as credentials go. */
export interface AuthFile {
  /** Its path, or the name of what else it came from; for messages. */
  readonly source: string;
  readonly auths: ReadonlyMap<string, unknown>;
  readonly credHelpers: ReadonlyMap<string, unknown>;
  readonly credsStore: string | undefined;
}

/** What may go into a header as it is. */
const HEADER_TOKEN = /^[\x21-\x7e]+$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * Reads the text of a credential file. Entries are looked at when they are
 * asked for: a broken one for some host says nothing about another's.
 * @throws TpullError `CREDENTIALS_FILE_INVALID`
 */
export function parseAuthFile(text: string, source: string): AuthFile {
  const invalid = (why: string): TpullError =>
    new TpullError(
      "CREDENTIALS_FILE_INVALID",
      `the credentials in ${source} cannot be read: ${why}`,
      { hint: "Correct it, or remove it and log in again." },
    );
  let value: unknown;
  try {
    value = JSON.parse(text === "" ? "{}" : text);
  } catch {
    // The parser's own words would quote the text around the mistake.
    throw invalid("not JSON");
  }
  if (!isObject(value)) throw invalid("not a JSON object");
  const member = (name: string): ReadonlyMap<string, unknown> => {
    const found = value[name] ?? {};
    if (!isObject(found)) throw invalid(`"${name}" is not an object`);
    return new Map(Object.entries(found));
  };
  const { credsStore } = value;
  if (credsStore !== undefined && typeof credsStore !== "string") {
    throw invalid('"credsStore" is not a string');
  }
  return {
    source,
    auths: member("auths"),
    credHelpers: member("credHelpers"),
    credsStore: credsStore === "" ? undefined : credsStore,
  };
}

/**
 * The helper that keeps a host's credential: its own, else the one for all. An
 * empty name in `credHelpers` takes the host out of the store for all.
 */
export function helperFor(file: AuthFile, host: string): string | undefined {
  for (const key of keysFor(file.credHelpers, host, undefined)) {
    const name = file.credHelpers.get(key);
    if (typeof name === "string") return name === "" ? undefined : name;
  }
  return file.credsStore;
}

/**
 * The credential that the file itself holds for a repository; of several the
 * one for the longest part of its path.
 * @throws TpullError `CREDENTIALS_FILE_INVALID`
 */
export function entryFor(
  file: AuthFile,
  host: string,
  repository: string | undefined,
): Credential | undefined {
  for (const key of keysFor(file.auths, host, repository)) {
    const credential = readEntry(file.auths.get(key), key, file.source);
    if (credential !== undefined) return credential;
  }
  return undefined;
}

/**
 * The keys that are about a host, those for a longer path first; of equal
 * ones docker's own way to write the host comes first.
 */
export function keysFor(
  map: ReadonlyMap<string, unknown>,
  host: string,
  repository: string | undefined,
): string[] {
  const own = serverKey(canonicalHost(host));
  return [...map.keys()]
    .flatMap((key) => {
      const place = readKey(key);
      return place !== undefined && covers(place, host, repository)
        ? [{ key, length: place.path.length, own: key === own ? 1 : 0 }]
        : [];
    })
    .sort((a, b) => b.length - a.length || b.own - a.own)
    .map(({ key }) => key);
}

/**
 * One entry of `auths`. A registry token is used before an identity token, and
 * that before a password; `{}` is what docker writes where a helper has it.
 */
function readEntry(
  entry: unknown,
  key: string,
  source: string,
): Credential | undefined {
  const invalid = (why: string): TpullError =>
    new TpullError(
      "CREDENTIALS_FILE_INVALID",
      `${source}: the entry for ${JSON.stringify(key)} cannot be read: ${why}`,
      { hint: "Log in to that registry again to replace the entry." },
    );
  if (!isObject(entry)) throw invalid("not an object");
  const field = (name: string): string => {
    const value = entry[name] ?? "";
    if (typeof value !== "string") throw invalid(`"${name}" is not a string`);
    return value;
  };
  const registryToken = field("registrytoken");
  if (registryToken !== "") {
    if (!HEADER_TOKEN.test(registryToken)) {
      throw invalid('"registrytoken" has characters that no token has');
    }
    return { kind: "bearer", token: registryToken };
  }
  const auth = field("auth").trim();
  let [username, password] = [field("username"), field("password")];
  if (auth !== "") {
    const pair = decodeAuth(auth);
    if (pair === undefined) {
      throw invalid('"auth" is not user:password in base64');
    }
    [username, password] = pair;
  }
  const token = field("identitytoken");
  if (token !== "") return identity(token, username);
  if (username === "" || password === "") return undefined;
  return { kind: "password", username, password };
}

/** Makes the credential for an identity token; whose it is need not be known. */
export function identity(token: string, username: string): Credential {
  return { kind: "identity", token, ...(username === "" ? {} : { username }) };
}

function decodeAuth(auth: string): [string, string] | undefined {
  if (!BASE64.test(auth)) return undefined;
  const text = Buffer.from(auth, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 1) return undefined;
  // Old dockers filled the buffer that they encoded with NULs.
  return [text.slice(0, colon), text.slice(colon + 1).replace(/\0+$/, "")];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
