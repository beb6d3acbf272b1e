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
import { looksLikeContainer, notImages, topmost } from "./not-images.js";

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
  const tops = new Set([...names].flatMap((name) => topmost(name) ?? []));
  if (looksLikeContainer(tops)) throw notImages("container");
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
  if (layout.length === 0 || listed.length === 0) return [...listed];
  const names = new Set(layout.flatMap((one) => one.names.map(canonicalName)));
  const configs = await configsBelow(layout, blobs);
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

/** The configs of all images, also of those in indexes, as far as they are there. Each document is read once. */
async function configsBelow(
  tops: readonly ArchivedImage[],
  blobs: ArchiveBlobs,
): Promise<ReadonlySet<string>> {
  const configs = new Set<string>();
  const seen = new Set<Digest>();
  let level = tops.map(({ digest }) => digest);
  for (let depth = 0; depth <= MAX_INDEX_DEPTH; depth += 1) {
    const below: Digest[] = [];
    for (const digest of level) {
      if (seen.has(digest)) continue;
      seen.add(digest);
      const document = await documentOf(digest, blobs);
      if (document?.kind === "image") configs.add(document.config.digest);
      else
        for (const entry of document?.manifests ?? []) below.push(entry.digest);
    }
    level = below;
  }
  return configs;
}

/** Undefined for what is wrong: that is said where it is read in earnest. */
async function documentOf(
  digest: Digest,
  blobs: ArchiveBlobs,
): Promise<ReturnType<typeof parseManifest> | undefined> {
  try {
    const bytes = await blobs.read(digest, MAX_MANIFEST_BYTES);
    return parseManifest(bytes, "", digest);
  } catch (error) {
    if (!isTpullError(error) || error.code === "ABORTED") throw error;
    return undefined;
  }
}
