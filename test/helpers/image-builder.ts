/** Images made on the spot: layers from tar bytes, a config, a manifest, an index. */
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { requirePeer } from "./peers.js";

export type Family = "docker" | "oci";
/** `gzip-members` is one gzip stream of several members, as `pigz -i` and eStargz write it. */
export type Compression = "gzip" | "gzip-members" | "zstd" | "none";

export interface Blob {
  readonly mediaType: string;
  /** `sha256:…` */
  readonly digest: string;
  readonly size: number;
  /** The bytes, or the path of a file that holds them. */
  readonly data: Buffer | string;
}

export interface LayerBlob extends Blob {
  readonly diffId: string;
}

export interface Image {
  readonly config: Blob;
  /** Base first. */
  readonly layers: readonly LayerBlob[];
  readonly manifest: Blob;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

const MEDIA_TYPES = {
  docker: {
    config: "application/vnd.docker.container.image.v1+json",
    manifest: "application/vnd.docker.distribution.manifest.v2+json",
    index: "application/vnd.docker.distribution.manifest.list.v2+json",
    layer: "application/vnd.docker.image.rootfs.diff.tar",
    suffix: { gzip: ".gzip", zstd: ".zstd", none: "" },
  },
  oci: {
    config: "application/vnd.oci.image.config.v1+json",
    manifest: "application/vnd.oci.image.manifest.v1+json",
    index: "application/vnd.oci.image.index.v1+json",
    layer: "application/vnd.oci.image.layer.v1.tar",
    suffix: { gzip: "+gzip", zstd: "+zstd", none: "" },
  },
} as const;

/** This machine's platform in the words of the image specification. */
export const MACHINE: Platform = {
  os: "linux",
  architecture: process.arch === "x64" ? "amd64" : process.arch,
};

export function sha256(data: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(data).digest("hex")}`;
}

/** Media type of a layer blob. */
export function layerMediaType(
  family: Family,
  compression: Compression,
): string {
  const { layer, suffix } = MEDIA_TYPES[family];
  return layer + suffix[compression === "gzip-members" ? "gzip" : compression];
}

/** A layer blob from the bytes of a tar. */
export function layerOf(
  tar: Buffer,
  options: { compression?: Compression; family?: Family } = {},
): LayerBlob {
  const compression = options.compression ?? "gzip";
  const data = compress(tar, compression);
  return {
    mediaType: layerMediaType(options.family ?? "docker", compression),
    digest: sha256(data),
    size: data.length,
    data,
    diffId: sha256(tar),
  };
}

function compress(tar: Buffer, compression: Compression): Buffer {
  switch (compression) {
    case "none":
      return tar;
    case "gzip":
      return gzipSync(tar);
    case "gzip-members":
      return gzipMembers(tar);
    case "zstd": {
      const { status, stdout } = spawnSync(requirePeer("zstd"), ["-q", "-c"], {
        input: tar,
        maxBuffer: 1 << 30,
      });
      if (status !== 0) throw new Error(`zstd exited with ${status}`);
      return stdout;
    }
  }
}

/** Cuts at places that are no multiple of a tar block, with an empty member between. */
function gzipMembers(tar: Buffer): Buffer {
  const members: Buffer[] = [];
  for (let at = 0; at < tar.length; at += 5_003)
    members.push(gzipSync(tar.subarray(at, at + 5_003)));
  members.splice(1, 0, gzipSync(Buffer.alloc(0)));
  return Buffer.concat(members);
}

export interface ImageOptions {
  /** Media types of config and manifest; default `docker`. */
  readonly family?: Family;
  readonly platform?: Platform;
  /** What a container runs by default, environment and so on: the config's `config`. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** An image of layers, base first. */
export function imageOf(
  layers: readonly LayerBlob[],
  options: ImageOptions = {},
): Image {
  const family = options.family ?? "docker";
  const created = "2024-05-06T07:08:09Z";
  const config = jsonBlob(MEDIA_TYPES[family].config, {
    ...(options.platform ?? MACHINE),
    created,
    config: {
      Env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
      ...options.settings,
    },
    rootfs: { type: "layers", diff_ids: layers.map((l) => l.diffId) },
    history: layers.map((_, i) => ({ created, created_by: `layer ${i}` })),
  });
  const manifest = jsonBlob(MEDIA_TYPES[family].manifest, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES[family].manifest,
    config: descriptor(config),
    layers: layers.map(descriptor),
  });
  return { config, layers, manifest };
}

/** An index (docker: manifest list) of images for several platforms. */
export function indexOf(
  images: readonly { image: Image; platform: Platform }[],
  family: Family = "docker",
): Blob {
  return jsonBlob(MEDIA_TYPES[family].index, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES[family].index,
    manifests: images.map(({ image, platform }) => ({
      ...descriptor(image.manifest),
      platform,
    })),
  });
}

function descriptor(blob: Blob): object {
  const { mediaType, digest, size } = blob;
  return { mediaType, digest, size };
}

function jsonBlob(mediaType: string, value: unknown): Blob {
  const data = Buffer.from(JSON.stringify(value));
  return { mediaType, digest: sha256(data), size: data.length, data };
}

/** Chain IDs of an image's layers, base first. */
export function chainIdsOf(image: Image): string[] {
  const chain: string[] = [];
  for (const { diffId } of image.layers) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : sha256(`${below} ${diffId}`));
  }
  return chain;
}
