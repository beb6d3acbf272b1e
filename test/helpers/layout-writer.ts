/** OCI image layouts made on the spot: in a folder, or in a tar archive as bundles have it. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Blob, Image } from "./image-builder.js";
import { archive, directory, file } from "./tar-writer.js";

export interface LayoutImage {
  /** A manifest or index. */
  readonly top: Blob;
  /** Everything else that belongs to it. */
  readonly blobs: readonly Blob[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An image under what `org.opencontainers.image.ref.name` says, or without a name. */
export function named(image: Image, refName?: string): LayoutImage {
  return {
    top: image.manifest,
    blobs: [image.config, ...image.layers],
    ...(refName === undefined ? {} : { annotations: refNameOf(refName) }),
  };
}

/** The annotation that the image-spec has for names. */
export function refNameOf(name: string): Record<string, string> {
  return { "org.opencontainers.image.ref.name": name };
}

export const LAYOUT_VERSION = '{"imageLayoutVersion":"1.0.0"}';

/** The text of `index.json`. */
export function indexText(images: readonly LayoutImage[]): string {
  return JSON.stringify({
    schemaVersion: 2,
    manifests: images.map(({ top, annotations }) => ({
      mediaType: top.mediaType,
      digest: top.digest,
      size: top.size,
      ...(annotations === undefined ? {} : { annotations }),
    })),
  });
}

/** Each blob once. */
async function blobsOf(
  images: readonly LayoutImage[],
): Promise<Map<string, Buffer>> {
  const blobs = new Map<string, Buffer>();
  for (const { top, blobs: others } of images) {
    for (const { digest, data } of [top, ...others]) {
      const bytes = typeof data === "string" ? await readFile(data) : data;
      blobs.set(digest.slice("sha256:".length), bytes);
    }
  }
  return blobs;
}

/** Writes a layout into a folder, which may be there already. */
export async function writeLayout(
  folder: string,
  images: readonly LayoutImage[],
): Promise<string> {
  const blobs = join(folder, "blobs", "sha256");
  await mkdir(blobs, { recursive: true });
  for (const [name, bytes] of await blobsOf(images)) {
    await writeFile(join(blobs, name), bytes);
  }
  await writeFile(join(folder, "oci-layout"), LAYOUT_VERSION);
  await writeFile(join(folder, "index.json"), indexText(images));
  return folder;
}

/** The same as an archive's bytes. */
export async function layoutArchive(
  images: readonly LayoutImage[],
  prefix = "",
): Promise<Buffer> {
  const blobs = await blobsOf(images);
  return archive([
    directory(`${prefix}blobs/`),
    directory(`${prefix}blobs/sha256/`),
    ...[...blobs].map(([name, bytes]) =>
      file(`${prefix}blobs/sha256/${name}`, bytes),
    ),
    file(`${prefix}index.json`, indexText(images)),
    file(`${prefix}oci-layout`, LAYOUT_VERSION),
  ]);
}
