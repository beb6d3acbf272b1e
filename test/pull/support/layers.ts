/** Layers and images that are small, or of a size that faults can hit. */
import { Buffer } from "node:buffer";
import {
  imageOf,
  layerOf,
  type Compression,
  type Family,
  type Image,
  type ImageOptions,
  type LayerBlob,
} from "../../helpers/image-builder.js";
import { archive, directory, file } from "../../helpers/tar-writer.js";

/** Bytes that neither repeat nor compress. */
export function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = Math.imul(seed, 0x9e3779b1) >>> 0 || 1;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state >>> 8;
  }
  return bytes;
}

/** A layer of a directory and a file named after it. */
export function smallLayer(
  name: string,
  options: { compression?: Compression; family?: Family } = {},
): LayerBlob {
  return layerOf(
    archive([directory("etc/"), file(`etc/${name}`, `${name}\n`)]),
    options,
  );
}

/** An image of small layers, base first. */
export function smallImage(
  names: readonly string[],
  options: ImageOptions = {},
): Image {
  return imageOf(
    names.map((name) => smallLayer(name)),
    options,
  );
}

/** A layer whose blob is about so long: plain, so that a fault hits the byte it is meant to. */
export function bigLayer(length: number, seed = 1): LayerBlob {
  return layerOf(archive([file(`noise-${seed}`, noise(length, seed))]), {
    compression: "none",
    family: "oci",
  });
}
