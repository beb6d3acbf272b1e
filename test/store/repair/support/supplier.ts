/** Blobs of images as a repair asks for them, without a registry. */
import type { BlobSupplier } from "#store/index.js";
import { TpullError } from "#store/index.js";
import type { Blob, Image } from "../../../helpers/image-builder.js";

export interface TestSupplier {
  readonly supplier: BlobSupplier;
  /** What was asked for: `layer sha256:…`, `config …`, `manifest …`. */
  readonly asked: string[];
}

/** Has what the images consist of; asks and answers are noted. */
export function supplierOf(images: readonly Image[]): TestSupplier {
  const asked: string[] = [];
  const blobs = new Map<string, Buffer>();
  for (const { config, layers } of images) {
    for (const { digest, data } of [config, ...layers]) {
      blobs.set(digest, bytesOf(data));
    }
  }
  const read = (digest: string): Buffer => {
    const bytes = blobs.get(digest);
    if (bytes !== undefined) return bytes;
    throw new TpullError("BLOB_UNKNOWN", `there is no blob ${digest}`);
  };
  const supplier: BlobSupplier = {
    async layer({ digest }) {
      asked.push(`layer ${digest}`);
      const bytes = read(digest);
      return { size: bytes.length, chunks: stream(bytes) };
    },
    async config(imageId, [from = ""]) {
      asked.push(`config ${imageId}`);
      return { bytes: read(imageId), from };
    },
    async manifest({ imageId, references: [reference = ""] }) {
      asked.push(`manifest ${imageId}`);
      const image = images.find(({ config }) => config.digest === imageId);
      if (image === undefined) return undefined;
      const repository = reference.replace(/[:@][^/]*$/, "");
      return { bytes: bytesOf(image.manifest.data), repository };
    },
  };
  return { supplier, asked };
}

async function* stream(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 10_000) {
    yield bytes.subarray(at, at + 10_000);
  }
}

function bytesOf(data: Blob["data"]): Buffer {
  if (typeof data === "string") throw new Error("a blob in a file");
  return data;
}
