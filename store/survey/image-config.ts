/** An image's config as far as reading a store needs it: JSON that other programs wrote. */
import { type DiffId, isDigest } from "../digest.js";

/** The members of a JSON object, whatever is in them. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A config that dockerd would load. */
export interface StoredConfig {
  /** All of it, parsed. */
  readonly json: JsonObject;
  readonly diffIds: readonly DiffId[];
}

/**
 * Parses a config; undefined for one that dockerd would skip: no JSON object,
 * or none with a `rootfs`.
 */
export function parseStoredConfig(bytes: Uint8Array): StoredConfig | undefined {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
  if (!isObject(json)) return undefined;
  const rootfs = json["rootfs"];
  if (!isObject(rootfs)) return undefined;
  const diffIds = rootfs["diff_ids"] ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest)) return undefined;
  return { json, diffIds: diffIds as string[] as DiffId[] };
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The member of that name if it is a string, else the empty one: what Go reads. */
export function text(object: JsonObject | undefined, name: string): string {
  const value = object?.[name];
  return typeof value === "string" ? value : "";
}
