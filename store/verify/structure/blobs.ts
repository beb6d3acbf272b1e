/** Blobs that are kept as registries served them: names and sizes. Their content is checked elsewhere. */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { TEMPORARY_PREFIX } from "../../atomic.js";
import { blobUses } from "../../blobs/blob-uses.js";
import type { Digest, ImageId } from "../../digest.js";
import { readManifestHint } from "../../manifests.js";
import type { Report } from "../report.js";
import type { Live } from "./live.js";
import { FORM, namesIn, typeOf } from "./small-file.js";
import type { Structure } from "./structure.js";

/** A kept blob that can be read. */
export interface BlobToCheck {
  readonly digest: Digest;
  readonly bytes: number;
  /** The images that it is for. */
  readonly images: readonly ImageId[];
}

/** @returns those whose content is worth a look */
export function checkBlobs(
  structure: Structure,
  live: Live,
  report: Report,
): BlobToCheck[] {
  const { layout } = structure;
  checkIncoming(layout.blobsParent, layout.blobs, live, report);
  const names = namesIn(layout.blobs) ?? [];
  if (names.length === 0) return [];
  const images = structure.configs.map(
    ({ imageId }) => [imageId, structure.names.of(imageId)] as const,
  );
  const uses = blobUses(layout, new Map(images));
  const sizes = sizesOf(structure);
  const found: BlobToCheck[] = [];
  for (const name of names) {
    const path = join(layout.blobs, name);
    if (!FORM.hex.test(name)) {
      report.stray(path);
      continue;
    }
    const digest = `sha256:${name}` as Digest;
    const users = uses.get(digest) ?? [];
    const type = typeOf(path);
    if (type === undefined) continue; // it went just now
    const bytes = type === "file" ? lstatSync(path).size : undefined;
    const problem = problemOf(bytes, sizes.get(digest));
    if (problem !== undefined) {
      report.add("BLOB_DAMAGED", path, problem, { images: users });
    } else found.push({ digest, bytes: bytes ?? 0, images: users });
  }
  return found;
}

function problemOf(
  bytes: number | undefined,
  sizes: ReadonlySet<number> | undefined,
): string | undefined {
  if (bytes === undefined) return "it is no regular file";
  if (sizes === undefined || sizes.has(bytes)) return undefined;
  return `it has ${bytes} bytes, and ${[...sizes].join(" or ")} in the manifest`;
}

/** What manifests say that blobs have of bytes. */
function sizesOf({ layout, configs }: Structure): Map<Digest, Set<number>> {
  const sizes = new Map<Digest, Set<number>>();
  for (const { imageId } of configs) {
    for (const layer of readManifestHint(layout, imageId)?.layers ?? []) {
      const known = sizes.get(layer.digest) ?? new Set<number>();
      sizes.set(layer.digest, known.add(layer.size));
    }
  }
  return sizes;
}

/** Blobs on their way in are locked; what is not was left. */
function checkIncoming(
  parent: string,
  blobs: string,
  live: Live,
  report: Report,
): void {
  for (const name of namesIn(parent) ?? []) {
    const path = join(parent, name);
    if (path === blobs) continue;
    const isIncoming = name.startsWith(TEMPORARY_PREFIX);
    if (!isIncoming || !live.isLocked(path)) report.stray(path);
  }
}
