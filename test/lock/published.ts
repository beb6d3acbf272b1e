// Images in a registry of this process, of one platform or of several, and moved to others.
import {
  imageOf,
  indexOf,
  type Blob,
  type Image,
  type Platform,
} from "../helpers/image-builder.js";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import { smallLayer } from "../pull/support/layers.js";
import { publish, publishManifest } from "../pull/support/pulls.js";

export const AMD64: Platform = { os: "linux", architecture: "amd64" };
export const ARM64: Platform = { os: "linux", architecture: "arm64" };
export const S390X: Platform = { os: "linux", architecture: "s390x" };

/** An image whose bytes the words decide. */
export function imageFor(platform: Platform, words: string): Image {
  return imageOf([smallLayer(`${words}-${platform.architecture}`)], {
    platform,
  });
}

export interface PublishedIndex {
  readonly name: string;
  readonly index: Blob;
  /** In the order of the platforms. */
  readonly images: Image[];
}

/** Publishes an index, under a name that may have stood for something else. */
export function publishIndex(
  registry: FaultRegistry,
  name: string,
  contents: readonly (readonly [Platform, words: string])[],
): PublishedIndex {
  const [repository = ""] = name.split(":");
  const images = contents.map(([platform, words]) => {
    const image = imageFor(platform, words);
    publish(registry, repository, image);
    return image;
  });
  const index = indexOf(
    contents.map(([platform], at) => ({ image: images[at]!, platform })),
  );
  return { name: publishManifest(registry, name, index), index, images };
}

/** Publishes an image without an index. */
export function publishOne(
  registry: FaultRegistry,
  name: string,
  platform: Platform,
  words: string,
): { name: string; image: Image } {
  const image = imageFor(platform, words);
  return { name: publish(registry, name, image), image };
}
