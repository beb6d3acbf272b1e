/**
 * The manifests of images as they were pulled, one for each image ID. docker's
 * format has no place for them, and only they tell how large the blobs of an
 * image were. They are hints: written without a flush, and whatever does not
 * fit the image counts as absent.
 */
import { lstatSync } from "node:fs";
import { unmark, writeNew } from "./atomic.js";
import { type Digest, digestOf, type ImageId, isDigest } from "./digest.js";
import { layersOfConfig, readImageConfig } from "./images.js";
import { isAbsent } from "./io-error.js";
import type { Layout } from "./layout.js";
import { readBytes, readNames } from "./read.js";

/** A layer as a manifest has it. */
export interface LayerHint {
  /** Of the blob as the registry serves it. */
  readonly digest: Digest;
  /** Bytes of that blob. */
  readonly size: number;
  /** Empty where the manifest names none. */
  readonly mediaType: string;
}

/** What a manifest says of an image's blobs. To be verified by whoever relies on it. */
export interface ManifestHint {
  /** Of the manifest itself. */
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes of the config. */
  readonly configSize: number;
  /** As many as the image has diff IDs, base first. */
  readonly layers: readonly LayerHint[];
}

/** A file that keeps a manifest, whether it can be read or not. */
export interface KeptManifest {
  /** The image it is named after, which need not be in the store. */
  readonly imageId: ImageId;
  /** Bytes of the file. */
  readonly bytes: number;
}

const MODE = 0o600;
/** Longer than any manifest that is pulled. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * The manifest that an image was pulled by; undefined where none was kept, or
 * what is there does not belong to the image (any more).
 */
export function readManifestHint(
  layout: Layout,
  imageId: ImageId,
): ManifestHint | undefined {
  return wholeManifest(layout, imageId)?.hint;
}

/** The same with the manifest itself. */
export function wholeManifest(
  layout: Layout,
  imageId: ImageId,
): { hint: ManifestHint; bytes: Buffer; config: Buffer } | undefined {
  const bytes = readManifest(layout, imageId);
  if (bytes === undefined) return undefined;
  const config = readImageConfig(layout, imageId);
  if (config === undefined) return undefined;
  try {
    const layers = layersOfConfig(config).length;
    const hint = manifestHint(bytes, imageId, layers);
    return hint && { hint, bytes, config };
  } catch {
    return undefined; // a config that names no layers
  }
}

/** The same where the image's config is lost. */
export function keptManifest(
  layout: Layout,
  imageId: ImageId,
): ManifestHint | undefined {
  const bytes = readManifest(layout, imageId);
  return bytes && manifestHint(bytes, imageId, undefined);
}

function readManifest(layout: Layout, imageId: ImageId): Buffer | undefined {
  const path = layout.manifest(imageId);
  const size = sizeOf(path);
  return size === undefined || size > MAX_BYTES ? undefined : readBytes(path);
}

/** Bytes of a regular file; undefined for anything else. */
function sizeOf(path: string): number | undefined {
  try {
    const found = lstatSync(path);
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/**
 * Reads a manifest as a hint.
 * @param layers how many the image has, if that is known
 * @returns undefined for what is no manifest of this image
 */
export function manifestHint(
  bytes: Uint8Array,
  imageId: ImageId,
  layers: number | undefined,
): ManifestHint | undefined {
  const document = parse(bytes);
  const config = descriptorOf(document?.config);
  if (config === undefined || (config.digest as string) !== imageId) {
    return undefined;
  }
  const found = document?.layers ?? [];
  if (!Array.isArray(found)) return undefined;
  if (found.length !== (layers ?? found.length)) return undefined;
  const hints = found.flatMap((layer) => descriptorOf(layer) ?? []);
  if (hints.length !== found.length) return undefined;
  const { mediaType } = document ?? {};
  return {
    digest: digestOf(bytes),
    mediaType: typeof mediaType === "string" ? mediaType : "",
    configSize: config.size,
    layers: hints,
  };
}

interface Document {
  readonly mediaType?: unknown;
  readonly config?: unknown;
  readonly layers?: unknown;
}

function parse(bytes: Uint8Array): Document | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function descriptorOf(value: unknown): LayerHint | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { digest, size, mediaType } = value as Record<string, unknown>;
  if (!isDigest(digest)) return undefined;
  if (!Number.isSafeInteger(size) || (size as number) < 0) return undefined;
  return {
    digest,
    size: size as number,
    mediaType: typeof mediaType === "string" ? mediaType : "",
  };
}

/**
 * Keeps a manifest beside the image it is of. One that cannot be written is
 * done without. The caller holds the section lock.
 * @returns false when it is kept already, and when it is not kept
 */
export function writeManifest(
  layout: Layout,
  imageId: ImageId,
  manifest: Uint8Array,
): boolean {
  if (manifest.length > MAX_BYTES) return false;
  if (readManifest(layout, imageId)?.equals(manifest)) return false;
  const path = layout.manifest(imageId);
  try {
    unmark(path);
    writeNew(path, manifest, MODE);
    return true;
  } catch {
    try {
      unmark(path); // half of one, on a full disk
    } catch {
      return false; // or what is no file
    }
    return false;
  }
}

/**
 * Removes the manifest that is kept of an image, if there is one. Not flushed:
 * one that comes back after a power cut is a hint without an image.
 * @returns whether there was one
 */
export function forgetManifest(layout: Layout, imageId: ImageId): boolean {
  return unmark(layout.manifest(imageId));
}

/** All manifests that are kept, of images that are there and of others. */
export function keptManifests(layout: Layout): KeptManifest[] {
  const found: KeptManifest[] = [];
  for (const name of readNames(layout.manifests)) {
    const id = `sha256:${name}`;
    if (!isDigest(id)) continue;
    const imageId = id as string as ImageId;
    const bytes = sizeOf(layout.manifest(imageId));
    if (bytes !== undefined) found.push({ imageId, bytes });
  }
  return found;
}
