/** The images of an OCI image layout, as its `index.json` lists them. */
import type { Digest } from "../../store/index.js";
import { isTpullError } from "../../store/index.js";
import {
  type Reference,
  canonicalName,
  parseReference,
} from "../../store/reference/reference.js";
import { imageEntries } from "../index-images.js";
import { platformName } from "../platform.js";
import {
  type Descriptor,
  MAX_MANIFEST_BYTES,
  parseManifest,
} from "../registry/manifest.js";
import { OCI_INDEX } from "../registry/media-types.js";
import { invalidArchive, missingInArchive } from "./archive-error.js";
import type { ArchiveBlobs } from "./client.js";
import { readFileOf } from "./files.js";
import {
  type ArchivedImage,
  archivedReference,
  requireFewImages,
} from "./archived-image.js";

const REF_NAME = "org.opencontainers.image.ref.name";
const IMAGE_NAME = "io.containerd.image.name";
/** containerd's note of the repositories in which a registry has the blob under this digest. */
const SOURCE_PREFIX = "containerd.io/distribution.source.";

interface Entry {
  readonly descriptor: Descriptor;
  readonly name: Reference | undefined;
  readonly hasPlatform: boolean;
}

/** @throws TpullError `ARCHIVE_INVALID`, `ARCHIVE_INCOMPLETE`, `MANIFEST_INVALID` */
export async function layoutImages(
  blobs: ArchiveBlobs,
): Promise<ArchivedImage[]> {
  await checkVersion(blobs);
  const bytes = await readFileOf(blobs.files, "index.json", MAX_MANIFEST_BYTES);
  const index = parseManifest(
    bytes ?? Buffer.alloc(0),
    OCI_INDEX,
    "index.json",
  );
  if (index.kind !== "index") {
    throw invalidArchive("has an index.json that is no index");
  }
  const entries: Entry[] = [];
  for (const { descriptor, platform } of imageEntries(index)) {
    const hasPlatform = platform !== undefined;
    // Attestations have a platform that is none.
    if (hasPlatform && platformName(platform) === undefined) continue;
    entries.push({ descriptor, name: nameOf(descriptor), hasPlatform });
  }
  const lacking = [];
  for (const { descriptor } of entries) {
    if (!(await blobs.has(descriptor.digest))) lacking.push(descriptor.digest);
  }
  if (lacking.length > 0) {
    const { isCutShort } = blobs.files;
    throw missingInArchive("index.json", lacking, undefined, isCutShort);
  }
  return grouped(entries, blobs);
}

/** One image for each digest, with all its names; one index for what has one name and several platforms. */
function grouped(
  entries: readonly Entry[],
  blobs: ArchiveBlobs,
): ArchivedImage[] {
  const byName = new Map<string, Map<Digest, Entry>>();
  for (const entry of entries) {
    const key = entry.name === undefined ? "" : canonicalName(entry.name);
    const group = byName.get(key) ?? new Map<Digest, Entry>();
    const { digest } = entry.descriptor;
    if (!group.has(digest)) group.set(digest, entry);
    byName.set(key, group);
  }
  const found = new Map<
    Digest,
    ArchivedImage & { names: Reference[]; origin?: Reference }
  >();
  const add = (digest: Digest, { name, descriptor }: Entry): void => {
    const image = found.get(digest) ?? { digest, names: [] };
    if (name !== undefined) {
      if (name.digest === undefined) image.names.push(name);
      if (isFrom(descriptor, name)) image.origin = name;
    }
    found.set(digest, image);
  };
  for (const [key, byDigest] of byName) {
    const group = [...byDigest.values()];
    const [first] = group as [Entry];
    if (group.length > 1 && group.every(({ hasPlatform }) => hasPlatform)) {
      const manifests = group.map(({ descriptor }) =>
        wireDescriptor(descriptor),
      );
      const made = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
      add(blobs.addDocument(made, OCI_INDEX), {
        ...first,
        // The index is ours: no registry has it under that digest.
        descriptor: { ...first.descriptor, annotations: new Map() },
      });
    } else if (group.length > 1 && key !== "") {
      throw invalidArchive(`gives the name ${key} to several images`);
    } else for (const entry of group) add(entry.descriptor.digest, entry);
  }
  requireFewImages(found.size);
  // An entry without a name says nothing that one with a name does not.
  return [...found.values()];
}

function wireDescriptor({
  mediaType,
  digest,
  size,
  platform,
}: Descriptor): object {
  return {
    mediaType,
    digest,
    size,
    platform: platform && {
      os: platform.os,
      architecture: platform.architecture,
      variant: platform.variant,
      "os.version": platform.osVersion,
      "os.features": platform.osFeatures,
    },
  };
}

/**
 * containerd and docker write the whole name; others write it, or only the
 * tag, where the specification has a name of any kind.
 */
function nameOf({ annotations }: Descriptor): Reference | undefined {
  const whole = annotations?.get(IMAGE_NAME);
  if (whole !== undefined && whole !== "") return archivedReference(whole);
  const name = annotations?.get(REF_NAME) ?? "";
  if (!/[:/]/.test(name)) return undefined;
  try {
    return parseReference(name);
  } catch (error) {
    if (isTpullError(error)) return undefined;
    throw error;
  }
}

function isFrom({ annotations }: Descriptor, name: Reference): boolean {
  const repositories = annotations?.get(SOURCE_PREFIX + name.registry) ?? "";
  return repositories.split(",").includes(name.repository);
}

async function checkVersion(blobs: ArchiveBlobs): Promise<void> {
  const bytes = await readFileOf(blobs.files, "oci-layout", 4096);
  if (bytes === undefined) return; // some writers leave it out
  let version: unknown;
  try {
    const marker = JSON.parse(bytes.toString("utf8")) as {
      imageLayoutVersion?: unknown;
    } | null;
    version = marker?.imageLayoutVersion;
  } catch {
    version = undefined;
  }
  if (typeof version === "string" && version.startsWith("1.")) return;
  throw invalidArchive(
    "is an image layout of a version that is not known: its oci-layout does not say 1.0.0",
  );
}
