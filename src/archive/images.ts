/** The images of an archive, in whatever form it was written. */
import { type Digest, isTpullError } from "../../store/index.js";
import { MAX_INDEX_DEPTH } from "../index-images.js";
import { MAX_MANIFEST_BYTES, parseManifest } from "../registry/manifest.js";
import { canonicalName } from "../../store/reference/reference.js";
import { invalidArchive } from "./archive-error.js";
import type { ArchivedImage } from "./archived-image.js";
import type { ArchiveBlobs } from "./client.js";
import { dockerImages } from "./docker-archive.js";
import { layoutImages } from "./layout.js";
import { legacyImages } from "./legacy.js";

/**
 * Finds out what is in an archive: an image layout (OCI image-spec), docker's
 * own archive of any age, or the directory that skopeo and podman call `dir`.
 * Where it is two things at once, as docker's are since version 25, the layout
 * counts, since it has the images' own manifests, and docker's list adds what
 * the layout does not name.
 * @throws TpullError `ARCHIVE_INVALID`, `ARCHIVE_INCOMPLETE`, `DIGEST_MISMATCH`
 */
export async function archivedImages(
  blobs: ArchiveBlobs,
): Promise<ArchivedImage[]> {
  const names = new Set(blobs.files.names());
  const layout = names.has("index.json") ? await layoutImages(blobs) : [];
  const listed = names.has("manifest.json") ? await dockerImages(blobs) : [];
  if (names.has("index.json") || names.has("manifest.json")) {
    const images = [...layout, ...(await notYet(listed, layout, blobs))];
    if (images.length > 0) return images;
    throw invalidArchive("holds no image");
  }
  if (names.has("repositories")) return await legacyImages(blobs, names);
  throw invalidArchive(
    "is not one of images: it has no index.json, manifest.json or repositories",
  );
}

/** What docker's list has beyond the layout. */
async function notYet(
  listed: readonly ArchivedImage[],
  layout: readonly ArchivedImage[],
  blobs: ArchiveBlobs,
): Promise<ArchivedImage[]> {
  if (layout.length === 0) return [...listed];
  const names = new Set(layout.flatMap((one) => one.names.map(canonicalName)));
  const configs = new Set<string>();
  for (const { digest } of layout) {
    await collectConfigs(digest, blobs, configs, MAX_INDEX_DEPTH);
  }
  const more: ArchivedImage[] = [];
  for (const image of listed) {
    const fresh = image.names.filter((name) => !names.has(canonicalName(name)));
    const isNew = !configs.has(image.config ?? "");
    if (fresh.length > 0 || (image.names.length === 0 && isNew)) {
      more.push({ ...image, names: fresh });
    }
  }
  return more;
}

/** The configs of all images below a manifest or an index, as far as they are there. */
async function collectConfigs(
  digest: Digest,
  blobs: ArchiveBlobs,
  configs: Set<string>,
  depth: number,
): Promise<void> {
  let document: ReturnType<typeof parseManifest>;
  try {
    const bytes = await blobs.read(digest, MAX_MANIFEST_BYTES);
    document = parseManifest(bytes, "", digest);
  } catch (error) {
    // What is wrong with it is said where it is read in earnest.
    if (isTpullError(error)) return;
    throw error;
  }
  if (document.kind === "image") {
    configs.add(document.config.digest);
    return;
  }
  if (depth === 0) return;
  for (const entry of document.manifests) {
    await collectConfigs(entry.digest, blobs, configs, depth - 1);
  }
}
