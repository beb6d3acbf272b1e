/** Images with their registry's blobs beside them, without a registry. */
import {
  type Digest,
  digestOf,
  type ImageId,
  type StoreWriter,
} from "#store/index.js";
import { type FakeImage, storeImage } from "./images.js";

const MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
const INDEX = "application/vnd.docker.distribution.manifest.list.v2+json";
const CONFIG = "application/vnd.docker.container.image.v1+json";
const LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/** The blobs of an image's layers: no archives, but they have the digests that its origins name. */
export function blobsOf({ layers }: FakeImage): Buffer[] {
  return layers.map(({ diffId }) => Buffer.from(`blob of ${diffId}`));
}

export function manifestOf(fake: FakeImage): Buffer {
  const { config, imageId } = fake.image;
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: { mediaType: CONFIG, digest: imageId, size: config.length },
      layers: blobsOf(fake).map((bytes) => ({
        mediaType: LAYER,
        digest: digestOf(bytes),
        size: bytes.length,
      })),
    }),
  );
}

/** An index of one image. */
export function indexOf(fake: FakeImage): Buffer {
  const manifest = manifestOf(fake);
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: INDEX,
      manifests: [
        {
          mediaType: MANIFEST,
          digest: digestOf(manifest),
          size: manifest.length,
          platform: { os: "linux", architecture: "amd64" },
        },
      ],
    }),
  );
}

export async function keepBytes(
  writer: StoreWriter,
  bytes: Uint8Array,
): Promise<void> {
  const blob = await writer.keepBlob(digestOf(bytes), bytes.length);
  await blob.write(bytes);
  const failure = await blob.keep();
  if (failure !== undefined) throw failure;
}

/**
 * Stores an image as a pull that keeps blobs does.
 * @param top what its name stands for in the registry; its manifest by default
 */
export async function storeKept(
  writer: StoreWriter,
  fake: FakeImage,
  top: Buffer = manifestOf(fake),
): Promise<void> {
  const { naming, imageId } = fake.image;
  const named = { ...naming, digest: digestOf(top) as Digest };
  await storeImage(writer, {
    ...fake,
    image: { ...fake.image, naming: named },
  });
  for (const bytes of blobsOf(fake)) await keepBytes(writer, bytes);
  const manifest = manifestOf(fake);
  await writer.keepManifest(imageId as ImageId, manifest);
  if (!top.equals(manifest)) await keepBytes(writer, top);
}
