/**
 * docker's own archive, as docker 1.10 and later, podman, skopeo, crane, kaniko
 * and others write it: `manifest.json` lists images with their config and
 * layers by the names of files. It has no manifests, so they are made here.
 * The directory that skopeo calls `dir` has its one manifest under that name.
 */
import {
  type Digest,
  type DiffId,
  digestOf,
  isDigest,
} from "../../store/index.js";
import { isJsonBeyond, isTooDeepForGo } from "../../store/json-shape.js";
import { printable } from "../../store/reference/printable.js";
import { MAX_LAYERS, tooManyLayers } from "../image-config.js";
import {
  DOCKER_MANIFEST,
  OCI_INDEX,
  OCI_MANIFEST,
} from "../registry/media-types.js";
import { invalidArchive, missingInArchive } from "./archive-error.js";
import { type ArchiveBlobs, MAX_CONFIG_BYTES } from "./client.js";
import { readFileOf } from "./files.js";
import {
  type ArchivedImage,
  ImagesByDigest,
  archivedName,
} from "./archived-image.js";
import { memberPath } from "./member-path.js";

/** Of hundreds of images with all their layers. */
const MAX_LIST_BYTES = 16 * 1024 * 1024;
const LIST_LIMITS = { depth: 16, values: 250_000 };

type Json = Readonly<Record<string, unknown>>;

/** @throws TpullError `ARCHIVE_INVALID`, `ARCHIVE_INCOMPLETE` */
export async function dockerImages(
  blobs: ArchiveBlobs,
): Promise<ArchivedImage[]> {
  const bytes = await readFileOf(blobs.files, "manifest.json", MAX_LIST_BYTES);
  if (bytes !== undefined && isJsonBeyond(bytes, LIST_LIMITS)) {
    throw invalidArchive("has a manifest.json that no program would write");
  }
  const list = parse(bytes, "manifest.json");
  if (isObject(list) && list["schemaVersion"] === 2 && bytes !== undefined) {
    const own = "manifests" in list ? OCI_INDEX : OCI_MANIFEST;
    const named = list["mediaType"];
    const mediaType = typeof named === "string" ? named : own;
    const digest = digestOf(bytes);
    blobs.addPlace(digest, { name: "manifest.json", byDiffId: false });
    blobs.addMediaType(digest, mediaType);
    return [{ digest, names: [] }];
  }
  if (!Array.isArray(list)) {
    throw invalidArchive("has a manifest.json that is no list of images");
  }
  const images = new ImagesByDigest();
  const configs = new Configs(blobs);
  for (const item of list) {
    if (!isObject(item))
      throw invalidArchive("lists something that is no image");
    images.add(await imageOf(item, blobs, configs));
  }
  return images.all();
}

/** What a config's file says, read once however often it is listed. */
interface ListedConfig {
  readonly digest: Digest;
  readonly size: number;
  readonly diffIds: readonly DiffId[];
}

class Configs {
  readonly #blobs: ArchiveBlobs;
  readonly #known = new Map<string, ListedConfig>();

  constructor(blobs: ArchiveBlobs) {
    this.#blobs = blobs;
  }

  async read(name: string): Promise<ListedConfig> {
    const { files } = this.#blobs;
    const identity = (await files.find(name))?.identity ?? "";
    const known = this.#known.get(identity);
    if (known !== undefined) return known;
    const bytes = await readFileOf(files, name, MAX_CONFIG_BYTES);
    if (bytes === undefined) throw missingInArchive("an image", [name]);
    const digest = digestOf(bytes);
    const diffIds = diffIdsOf(parse(bytes, name));
    if (diffIds.length > MAX_LAYERS) throw tooManyLayers(diffIds.length);
    this.#blobs.addPlace(digest, { name, byDiffId: false });
    const config = { digest, size: bytes.length, diffIds };
    this.#known.set(identity, config);
    return config;
  }
}

async function imageOf(
  item: Json,
  blobs: ArchiveBlobs,
  configs: Configs,
): Promise<ArchivedImage> {
  const { digest, size, diffIds } = await configs.read(
    file(item["Config"], "a config"),
  );
  const names = list(item["RepoTags"], "tags").flatMap(
    (name) => archivedName(name) ?? [],
  );
  const layers = list(item["Layers"], "layers").map((name) =>
    file(name, "a layer"),
  );
  if (diffIds.length !== layers.length) {
    throw invalidArchive(
      `has an image with ${layers.length} layers, whose config has ${diffIds.length} diff IDs`,
    );
  }
  const descriptors: object[] = [];
  for (const [at, name] of layers.entries()) {
    const diffId = diffIds[at] as string as Digest;
    descriptors.push(await layerDescriptor(diffId, name, blobs));
  }
  return madeImage({ digest, size }, descriptors, names, blobs);
}

/** An image by the manifest that is made for it. */
export function madeImage(
  config: { digest: Digest; size: number },
  layers: readonly object[],
  names: ArchivedImage["names"],
  blobs: ArchiveBlobs,
): ArchivedImage {
  const mediaType = "application/vnd.docker.container.image.v1+json";
  const manifest = {
    schemaVersion: 2,
    mediaType: DOCKER_MANIFEST,
    config: { mediaType, ...config },
    layers,
  };
  const digest = blobs.addDocument(manifest, DOCKER_MANIFEST);
  return { digest, names, config: config.digest };
}

/**
 * A layer's file may be compressed, and its digest is not known then. Its diff
 * ID is, and decides.
 */
export async function layerDescriptor(
  diffId: Digest,
  name: string,
  blobs: ArchiveBlobs,
): Promise<object> {
  const { size, suffix } = await blobs.layerFile(name);
  blobs.addPlace(diffId, { name, byDiffId: suffix !== "" });
  return {
    mediaType: `application/vnd.docker.image.rootfs.diff.tar${suffix}`,
    digest: diffId,
    // Of what is not there (a layer that the other side has) it does not matter.
    size,
  };
}

function diffIdsOf(config: unknown): DiffId[] {
  const rootfs = isObject(config) ? config["rootfs"] : undefined;
  const ids = isObject(rootfs) ? (rootfs["diff_ids"] ?? []) : undefined;
  if (!Array.isArray(ids) || !ids.every(isDigest)) {
    throw invalidArchive("has a config without a list of diff IDs");
  }
  return ids as string[] as DiffId[];
}

function parse(bytes: Buffer | undefined, name: string): unknown {
  if (bytes !== undefined && isTooDeepForGo(bytes)) {
    throw invalidArchive(`has a ${printable(name)} that is nested too deep`);
  }
  try {
    return JSON.parse(bytes?.toString("utf8") ?? "");
  } catch (error) {
    throw invalidArchive(`has a ${printable(name)} that is no JSON`, error);
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The name of a file of the archive. */
function file(value: unknown, what: string): string {
  const path = typeof value === "string" ? memberPath(value) : "";
  if (path !== "") return path;
  throw invalidArchive(`lists an image with ${what} that has no name`);
}

function list(value: unknown, what: string): unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw invalidArchive(`lists an image whose ${what} are no list`);
}
