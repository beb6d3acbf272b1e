/** The settings of a dockerd that decide what it makes of a data root, and the file they come from. */
import { statSync } from "node:fs";
import { TpullError } from "../errors.js";
import { errnoOf } from "../io-error.js";
import { readBytes } from "../read.js";
import { printable } from "../reference/printable.js";

export interface DaemonSettings {
  /** `storage-driver`; undefined where dockerd may choose. */
  readonly storageDriver?: string | undefined;
  /** `features.containerd-snapshotter`, which not every release knows; undefined where nothing is said. */
  readonly containerdSnapshotter?: boolean | undefined;
  /** `features.containerd-migration`, of release 29. */
  readonly containerdMigration?: boolean | undefined;
  /** `userns-remap`: a user, or `default`. */
  readonly usernsRemap?: string | undefined;
  /** `data-root`; undefined where it is left to dockerd. */
  readonly dataRoot?: string | undefined;
  /** `storage-opts`, as they are written: `overlay2.size=20G`; undefined where there are none. */
  readonly storageOptions?: readonly string[] | undefined;
  /** Directives that are there, of which it is not known whether a dockerd takes them; undefined where there are none. */
  readonly notJudged?: readonly string[] | undefined;
}

/** More than any daemon.json has. */
const MOST_BYTES = 1024 * 1024;

/** Directives of which it is known what every release makes of them. */
const JUDGED: ReadonlySet<string> = new Set([
  "data-root",
  "debug",
  "features",
  "log-level",
  "storage-driver",
  "storage-opts",
  "userns-remap",
]);
/** What logrus, which dockerd logs with, takes for a level, in any case. */
const LOG_LEVELS = /^(?:panic|fatal|error|warn|warning|info|debug|trace)$/i;

/**
 * Reads what counts here of a `daemon.json`. An empty file says nothing, as
 * dockerd has it; directives that it does not judge are named in the result.
 * @param path of a regular file; see {@link parseDaemonSettings} for text from elsewhere
 * @throws TpullError `DAEMON_JSON_INVALID`: it cannot be read, or no dockerd would start with it
 */
export function readDaemonSettings(path: string): DaemonSettings {
  return parseDaemonSettings(textOf(path), path);
}

/**
 * The same from the text of a `daemon.json`.
 * @param path what it is called in errors
 * @throws TpullError `DAEMON_JSON_INVALID`: no dockerd would start with it
 */
export function parseDaemonSettings(
  text: string,
  path: string,
): DaemonSettings {
  if (text.length > MOST_BYTES) throw tooLong(path);
  if (text.trim() === "") return {};
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw invalid(path, `it is not JSON: ${(error as Error).message}`, error);
  }
  if (!isObject(document)) throw invalid(path, "it is not a JSON object");
  const features = document["features"] ?? {};
  if (!isObject(features)) {
    throw invalid(path, '"features" is not a JSON object');
  }
  const word = (key: string): string | undefined =>
    member(path, document, key, "string");
  const feature = (key: string): boolean | undefined =>
    member(path, features, key, "boolean");
  member(path, document, "debug", "boolean");
  const level = word("log-level") || "info";
  if (!LOG_LEVELS.test(level)) {
    throw invalid(path, `"log-level" is ${level}, which is no level`);
  }
  const others = Object.keys(document).filter((key) => !JUDGED.has(key));
  return {
    // An empty word is as good as none.
    storageDriver: word("storage-driver") || undefined,
    containerdSnapshotter: feature("containerd-snapshotter"),
    containerdMigration: feature("containerd-migration"),
    usernsRemap: word("userns-remap") || undefined,
    dataRoot: word("data-root") || undefined,
    storageOptions: words(path, document, "storage-opts"),
    notJudged: others.length > 0 ? others : undefined,
  };
}

function textOf(path: string): string {
  let bytes: Buffer | undefined;
  try {
    bytes = readBytes(path, MOST_BYTES);
  } catch (error) {
    if (errnoOf(error) === "EFBIG") throw tooLong(path);
    throw invalid(path, (error as Error).message, error);
  }
  if (bytes === undefined) throw invalid(path, absence(path));
  return bytes.toString();
}

/** Why there is nothing to read at a path. */
function absence(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return "there is no such file";
  return found.isDirectory() ? "it is a directory" : "it is not a regular file";
}

function tooLong(path: string): TpullError {
  return invalid(path, `it is over ${MOST_BYTES} bytes long`);
}

interface Types {
  readonly string: string;
  readonly boolean: boolean;
}

function member<Type extends keyof Types>(
  path: string,
  object: Record<string, unknown>,
  key: string,
  type: Type,
): Types[Type] | undefined {
  const value = object[key];
  // Go leaves a field that is null as it was.
  if (value === undefined || value === null) return undefined;
  if (typeof value === type) return value as Types[Type];
  throw invalid(path, `"${key}" is not a ${type}`);
}

/** A list of words; undefined where it is absent or empty. */
function words(
  path: string,
  object: Record<string, unknown>,
  key: string,
): string[] | undefined {
  const value = object[key] ?? [];
  if (!Array.isArray(value)) throw invalid(path, `"${key}" is not a list`);
  const list: unknown[] = value;
  const isWords = list.every((one): one is string => typeof one === "string");
  if (!isWords) throw invalid(path, `"${key}" is not a list of strings`);
  return list.length > 0 ? (list as string[]) : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(path: string, what: string, cause?: unknown): TpullError {
  return new TpullError(
    "DAEMON_JSON_INVALID",
    `${printable(path)} cannot be used as dockerd's configuration: ${printable(what)}`,
    {
      hint: "Name a daemon.json that dockerd starts with, usually /etc/docker/daemon.json.",
      cause,
    },
  );
}
