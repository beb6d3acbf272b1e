/** dockerd's containers as far as images are concerned: which image each was made from, and whether it runs. */
import { join } from "node:path";
import { type ChainId, type ImageId, isDigest } from "../digest.js";
import type { Layout } from "../layout.js";
import { readEntries, readNames, readText } from "../read.js";
import { isObject, text } from "../survey/image-config.js";

/** A container that may need an image. */
export interface Container {
  readonly id: string;
  /** The image it was made from; undefined where its own file cannot be read. */
  readonly imageId: ImageId | undefined;
  /** Images that it has as volumes. */
  readonly volumes: readonly ImageId[];
  /** The layer that its files are on top of. */
  readonly top: ChainId | undefined;
  /** As dockerd last wrote it down. */
  readonly running: boolean;
}

const CONTAINER_ID = /^[0-9a-f]{64}$/;
const CONFIG = "config.v2.json";

/**
 * Reads all containers of a root, sorted by ID: those that dockerd describes
 * (`containers/<ID>/config.v2.json`) and those of which only the mount is left
 * (`layerdb/mounts/<ID>`). Mounts of other names are the builder's: they hold
 * layers, not images.
 */
export function readContainers(layout: Layout): Container[] {
  const described = readEntries(layout.containers)
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  const mounted = readNames(layout.mounts);
  const ids = new Set([...described, ...mounted]);
  return [...ids]
    .filter((id) => CONTAINER_ID.test(id))
    .sort()
    .map((id) => readContainer(layout, id));
}

function readContainer(layout: Layout, id: string): Container {
  const config = parse(readText(join(layout.containers, id, CONFIG)));
  const parent = readText(join(layout.mounts, id, "parent"))?.trim();
  const state = config?.["State"];
  return {
    id,
    imageId: imageIdOf(config && text(config, "Image")),
    volumes: imageVolumes(config?.["MountPoints"]),
    top: isDigest(parent) ? (parent as string as ChainId) : undefined,
    running: isObject(state) && state["Running"] === true,
  };
}

function parse(
  json: string | undefined,
): Readonly<Record<string, unknown>> | undefined {
  if (json === undefined) return undefined;
  try {
    const config: unknown = JSON.parse(json);
    return isObject(config) ? config : undefined;
  } catch {
    return undefined;
  }
}

/** The images among a container's mount points (dockerd 28 and later). */
function imageVolumes(points: unknown): ImageId[] {
  if (!isObject(points)) return [];
  return Object.values(points).flatMap((point) => {
    if (!isObject(point) || point["Type"] !== "image") return [];
    const spec = point["Spec"];
    return imageIdOf(isObject(spec) ? text(spec, "Source") : undefined) ?? [];
  });
}

function imageIdOf(digest: string | undefined): ImageId | undefined {
  return isDigest(digest) ? (digest as string as ImageId) : undefined;
}
