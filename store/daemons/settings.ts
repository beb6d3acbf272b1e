/** The settings of a dockerd that decide what it makes of a data root, and the file they come from. */
import { TpullError } from "../errors.js";
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
}

/** More than any daemon.json has. */
const MOST_BYTES = 1024 * 1024;

/**
 * Reads what counts here of a `daemon.json`. An empty file says nothing, as
 * dockerd has it; settings of other names are passed over.
 * @throws TpullError `DAEMON_JSON_INVALID`: it cannot be read, or dockerd would not start with it
 */
export function readDaemonSettings(path: string): DaemonSettings {
  const text = textOf(path);
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
  return {
    // An empty word is as good as none.
    storageDriver: word("storage-driver") || undefined,
    containerdSnapshotter: feature("containerd-snapshotter"),
    containerdMigration: feature("containerd-migration"),
    usernsRemap: word("userns-remap") || undefined,
    dataRoot: word("data-root") || undefined,
  };
}

function textOf(path: string): string {
  let bytes: Buffer | undefined;
  try {
    bytes = readBytes(path);
  } catch (error) {
    throw invalid(path, (error as Error).message, error);
  }
  if (bytes === undefined) throw invalid(path, "there is no such file");
  if (bytes.length > MOST_BYTES) {
    throw invalid(path, `it is over ${MOST_BYTES} bytes long`);
  }
  return bytes.toString();
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
