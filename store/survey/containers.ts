/**
 * Containers of a dockerd, as far as they concern what lies in a root: each has
 * its settings in `containers/<id>/config.v2.json`, and a layer of its own that
 * `layerdb/mounts/<id>` names. Read only, and nothing of it is relied on.
 */
import { join } from "node:path";
import {
  type CacheId,
  type ChainId,
  type ImageId,
  isDigest,
} from "../digest.js";
import type { Layout } from "../layout.js";
import { readNames, readText } from "../read.js";
import { isObject, type JsonObject, text } from "./image-config.js";

/** What docker calls the states a container is in. */
export type ContainerState =
  | "created"
  | "running"
  | "paused"
  | "restarting"
  | "removing"
  | "exited"
  | "dead";

/** A container that a dockerd would load. */
export interface StoredContainer {
  /** 64 hex digits. */
  readonly id: string;
  /** Without docker's slash in front; empty when it has none. */
  readonly name: string;
  /** What it was made from. */
  readonly imageId: ImageId | undefined;
  /** What the image was called then. */
  readonly image: string;
  /** Program and arguments, as `docker ps` prints them. */
  readonly command: string;
  /** RFC 3339, as are the other times; undefined where there is none. */
  readonly created: string | undefined;
  readonly state: ContainerState;
  readonly started: string | undefined;
  readonly finished: string | undefined;
  readonly exitCode: number;
  /** `healthy`, `unhealthy`, `starting`; undefined where nobody checks. */
  readonly health: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly mounts: readonly ContainerMount[];
  /** Names of the networks it is in, sorted. */
  readonly networks: readonly string[];
  /** Its own layer's directory in `overlay2`. */
  readonly mountId: CacheId;
  /** The layer it sits on; undefined for a container without any. */
  readonly top: ChainId | undefined;
}

export interface ContainerMount {
  /** Of a volume; empty where a directory is mounted. */
  readonly name: string;
  readonly source: string;
  /** Of the volume; empty where it is none. */
  readonly driver: string;
}

const ID = /^[0-9a-f]{64}$/;
/** Go's time without a value. */
const NEVER = "0001-01-01T00:00:00Z";

/** The containers that a dockerd would show, the newest first. Others are passed over, as dockerd does. */
export function containersIn(layout: Layout): StoredContainer[] {
  const found = readNames(layout.containers).flatMap((name) =>
    ID.test(name) ? (readContainer(layout, name) ?? []) : [],
  );
  const age = ({ created }: StoredContainer): number =>
    Date.parse(created ?? "") || 0;
  return found.sort((a, b) => age(b) - age(a) || (a.id < b.id ? -1 : 1));
}

function readContainer(
  layout: Layout,
  id: string,
): StoredContainer | undefined {
  const mountId = readMount(layout, id, "mount-id");
  const config = parse(join(layout.containers, id, "config.v2.json"));
  if (config === undefined) return undefined;
  if (mountId === undefined || !ID.test(mountId)) return undefined;
  if (text(config, "ID") !== id) return undefined;
  if (text(config, "Driver") !== "overlay2") return undefined;
  const top = readMount(layout, id, "parent");
  const state = member(config, "State");
  const settings = member(config, "Config");
  const imageId = text(config, "Image");
  const exitCode = state?.["ExitCode"];
  return {
    id,
    name: text(config, "Name").replace(/^\//, ""),
    imageId: isDigest(imageId) ? (imageId as string as ImageId) : undefined,
    image: text(settings, "Image"),
    command: commandOf(config),
    created: timeOf(config, "Created"),
    state: stateOf(state),
    started: timeOf(state, "StartedAt"),
    finished: timeOf(state, "FinishedAt"),
    exitCode: typeof exitCode === "number" ? exitCode : 0,
    health: text(member(state, "Health"), "Status") || undefined,
    labels: labelsOf(settings),
    mounts: mountsOf(config),
    networks: Object.keys(
      member(member(config, "NetworkSettings"), "Networks") ?? {},
    ).sort(),
    mountId: mountId as CacheId,
    top: isDigest(top) ? (top as string as ChainId) : undefined,
  };
}

/** One of the files that say where a container's own layer is. */
function readMount(
  layout: Layout,
  id: string,
  file: "mount-id" | "parent",
): string | undefined {
  return readText(join(layout.mounts, id, file))?.trim();
}

function parse(path: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(readText(path) ?? "");
    return isObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function member(
  object: JsonObject | undefined,
  name: string,
): JsonObject | undefined {
  const value = object?.[name];
  return isObject(value) ? value : undefined;
}

function timeOf(
  object: JsonObject | undefined,
  name: string,
): string | undefined {
  const time = text(object, name);
  return time === "" || time === NEVER ? undefined : time;
}

/** Arguments with a space in them stand in quotes (moby, container/view.go). */
function commandOf(config: JsonObject): string {
  const args: unknown = config["Args"];
  const words = Array.isArray(args) ? args.map(String) : [];
  return [
    text(config, "Path"),
    ...words.map((word) => (word.includes(" ") ? `'${word}'` : word)),
  ].join(" ");
}

/** Which of the flags decides (moby, container/state.go). */
function stateOf(state: JsonObject | undefined): ContainerState {
  const is = (name: string): boolean => state?.[name] === true;
  if (is("Running")) {
    if (is("Paused")) return "paused";
    return is("Restarting") ? "restarting" : "running";
  }
  if (is("RemovalInProgress")) return "removing";
  if (is("Dead")) return "dead";
  return timeOf(state, "StartedAt") === undefined ? "created" : "exited";
}

/** The labels of a container or a volume. */
export function labelsOf(
  settings: JsonObject | undefined,
): Record<string, string> {
  const labels = member(settings, "Labels") ?? {};
  return Object.fromEntries(
    Object.entries(labels).map(([key, value]) => [key, String(value)]),
  );
}

function mountsOf(config: JsonObject): ContainerMount[] {
  return Object.values(member(config, "MountPoints") ?? {})
    .filter(isObject)
    .map((mount) => ({
      name: text(mount, "Name"),
      source: text(mount, "Source"),
      driver: text(mount, "Driver"),
    }));
}
