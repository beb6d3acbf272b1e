/** Archives of images written by hand, in all their forms. */
import type { Blob, Image } from "./image-builder.js";
import { archive, directory, file, type Member } from "./tar-writer.js";

const bytesOf = ({ data }: Blob): Buffer => {
  if (typeof data === "string") throw new Error("a blob in a file");
  return data;
};

const blobFile = (blob: Blob): Member =>
  file(`blobs/sha256/${blob.digest.slice(7)}`, bytesOf(blob));

/** What stands in `index.json` for an image or an index. */
export interface Listed {
  readonly blob: Blob;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: object;
}

/** The files of an image layout. */
export function layoutMembers(
  listed: readonly Listed[],
  blobs: readonly Blob[],
): Member[] {
  const manifests = listed.map(({ blob, annotations, platform }) => ({
    mediaType: blob.mediaType,
    digest: blob.digest,
    size: blob.size,
    ...(annotations && { annotations }),
    ...(platform && { platform }),
  }));
  const unique = new Map(blobs.map((blob) => [blob.digest, blob]));
  return [
    file("oci-layout", '{"imageLayoutVersion":"1.0.0"}'),
    file("index.json", JSON.stringify({ schemaVersion: 2, manifests })),
    directory("blobs/"),
    directory("blobs/sha256/"),
    ...[...unique.values()].map(blobFile),
  ];
}

/** All blobs of an image. */
export function blobsOf(...images: readonly Image[]): Blob[] {
  return images.flatMap(({ config, layers, manifest }) => [
    config,
    manifest,
    ...layers,
  ]);
}

/** An image layout of one image, by its whole name. */
export function layoutArchive(image: Image, name?: string): Buffer {
  const annotations =
    name === undefined ? undefined : { "io.containerd.image.name": name };
  const listed = { blob: image.manifest, ...(annotations && { annotations }) };
  return archive(layoutMembers([listed], blobsOf(image)));
}

/** docker's archive as versions 1.10 to 24 write it: a folder for each layer. */
export function dockerMembers(
  images: readonly { image: Image; names: readonly string[] }[],
): Member[] {
  const members = new Map<string, Member>();
  const add = (member: Member): void => {
    members.set(String(member.name), member);
  };
  const list = images.map(({ image, names }) => {
    const config = `${image.config.digest.slice(7)}.json`;
    add(file(config, bytesOf(image.config)));
    const layers = image.layers.map((layer) => {
      const folder = layer.diffId.slice(7);
      add(directory(`${folder}/`));
      add(file(`${folder}/layer.tar`, bytesOf(layer)));
      return `${folder}/layer.tar`;
    });
    return { Config: config, RepoTags: names, Layers: layers };
  });
  return [
    ...members.values(),
    file("manifest.json", JSON.stringify(list)),
    file("repositories", "{}"),
  ];
}
