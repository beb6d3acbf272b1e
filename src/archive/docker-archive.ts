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
import { printable } from "../../store/reference/printable.js";
import { DOCKER_MANIFEST, OCI_MANIFEST } from "../registry/media-types.js";
import { invalidArchive, missingInArchive } from "./archive-error.js";
import { type ArchiveBlobs, MAX_CONFIG_BYTES } from "./client.js";
import { readFileOf } from "./files.js";
import { type ArchivedImage, archivedName } from "./archived-image.js";
import { memberPath } from "./member-path.js";

/** Of hundreds of images with all their layers. */
const MAX_LIST_BYTES = 16 * 1024 * 1024;

type Json = Readonly<Record<string, unknown>>;

/** @throws TpullError `ARCHIVE_INVALID`, `ARCHIVE_INCOMPLETE` */
export async function dockerImages(
  blobs: ArchiveBlobs,
): Promise<ArchivedImage[]> {
  const bytes = await readFileOf(blobs.files, "manifest.json", MAX_LIST_BYTES);
  const list = parse(bytes, "manifest.json");
  if (isObject(list) && list["schemaVersion"] === 2 && bytes !== undefined) {
    const manifest = list["mediaType"] ?? OCI_MANIFEST;
    const mediaType = typeof manifest === "string" ? manifest : OCI_MANIFEST;
    const digest = digestOf(bytes);
    blobs.addPlace(digest, { name: "manifest.json", byDiffId: false });
    blobs.addMediaType(digest, mediaType);
    return [{ digest, names: [] }];
  }
  if (!Array.isArray(list)) {
    throw invalidArchive("has a manifest.json that is no list of images");
  }
  const images: ArchivedImage[] = [];
  for (const item of list) {
    if (!isObject(item))
      throw invalidArchive("lists something that is no image");
    images.push(await imageOf(item, blobs));
  }
  return images;
}

async function imageOf(
  item: Json,
  blobs: ArchiveBlobs,
): Promise<ArchivedImage> {
  const configName = memberPath(text(item["Config"], "a config"));
  const config = await readFileOf(blobs.files, configName, MAX_CONFIG_BYTES);
  if (config === undefined) throw missingInArchive("an image", [configName]);
  const names = list(item["RepoTags"], "tags").flatMap(
    (name) => archivedName(name) ?? [],
  );
  const layers = list(item["Layers"], "layers").map((name) =>
    memberPath(text(name, "a layer")),
  );
  const diffIds = diffIdsOf(parse(config, configName));
  if (diffIds.length !== layers.length) {
    throw invalidArchive(
      `has an image with ${layers.length} layers, whose config has ${diffIds.length} diff IDs`,
    );
  }
  const digest = digestOf(config);
  blobs.addPlace(digest, { name: configName, byDiffId: false });
  const descriptors: object[] = [];
  for (const [at, name] of layers.entries()) {
    const diffId = diffIds[at] as string as Digest;
    descriptors.push(await layerDescriptor(diffId, name, blobs));
  }
  return madeImage({ digest, size: config.length }, descriptors, names, blobs);
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
  const { files } = blobs;
  const size = await files.size(name);
  const head = Buffer.alloc(4);
  if (size !== undefined && size >= 4) {
    for await (const chunk of files.stream(name, 0, 4)) head.set(chunk);
  }
  const isZstd = head.equals(Buffer.from("28b52ffd", "hex"));
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  const suffix = isGzip ? ".gzip" : isZstd ? ".zstd" : "";
  blobs.addPlace(diffId, { name, byDiffId: suffix !== "" });
  return {
    mediaType: `application/vnd.docker.image.rootfs.diff.tar${suffix}`,
    digest: diffId,
    // Of what is not there (a layer that the other side has) it does not matter.
    size: size ?? 0,
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
  try {
    return JSON.parse(bytes?.toString("utf8") ?? "");
  } catch (error) {
    throw invalidArchive(`has a ${printable(name)} that is no JSON`, error);
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown, what: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw invalidArchive(`lists an image with ${what} that has no name`);
}

function list(value: unknown, what: string): unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw invalidArchive(`lists an image whose ${what} are no list`);
}
