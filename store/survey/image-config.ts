/** An image's config as far as reading a store needs it: JSON that other programs wrote. */
import { type DiffId, isDigest } from "../digest.js";
import { isTooDeepForGo } from "../json-shape.js";
import { type DockerImage, readDockerImage } from "./docker-image.js";

/** The members of a JSON object, whatever is in them. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A config that dockerd would load. */
export interface StoredConfig {
  /** All of it, parsed. */
  readonly json: JsonObject;
  /** What dockerd makes of it. */
  readonly image: DockerImage;
  readonly diffIds: readonly DiffId[];
}

/** Bytes that are no UTF-8 become U+FFFD. A byte order mark stays, and is no JSON. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Parses a config; undefined for one that dockerd would skip: no JSON object,
 * none with a `rootfs`, one that is nested deeper than Go reads, one whose members have other types than docker's, or
 * one of another system than Linux.
 */
export function parseStoredConfig(bytes: Uint8Array): StoredConfig | undefined {
  if (isTooDeepForGo(bytes)) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(bytes));
  } catch {
    return undefined;
  }
  if (!isObject(json)) return undefined;
  const image = readDockerImage(json);
  if (image?.rootfs === undefined) return undefined;
  const { diffIds } = image.rootfs;
  if (!diffIds.every(isDigest)) return undefined;
  if (image.os !== "" && image.os.toLowerCase() !== "linux") return undefined;
  return { json, image, diffIds: diffIds as readonly string[] as DiffId[] };
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The member of that name if it is a string, else the empty one: what Go reads. */
export function text(object: JsonObject | undefined, name: string): string {
  const value = object?.[name];
  return typeof value === "string" ? value : "";
}
