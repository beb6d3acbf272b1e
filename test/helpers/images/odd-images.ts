/**
 * Images of odd layers. Every one of them is legal: dockerd pulls it, runs it
 * and gives it back.
 */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import {
  imageOf,
  layerOf,
  type Compression,
  type Image,
  type LayerBlob,
} from "../image-builder.js";
import {
  deepLayer,
  GNU,
  HARDLINKS,
  MODES,
  NAMES,
  OPAQUE_ROOT,
  PAX,
  PLAIN,
  SPECIAL_FILES,
  WHITEOUTS,
  XATTRS,
  type LayerMembers,
} from "./odd-layers.js";
import { requirePeer } from "../peers.js";
import { archive, directory, file, hardlink } from "../tar-writer.js";

export interface OddImage {
  readonly name: string;
  readonly build: () => Image;
  /** The same diff IDs in blobs that every dockerd can pull, where some cannot pull those of `build`. */
  readonly pullable?: () => Image;
}

/** A static busybox with the links that the tests run. */
export function busyboxLayer(): LayerBlob {
  const applets = ["sh", "cat", "find", "ls", "true"];
  const mode = 0o755;
  return layerOf(
    archive([
      directory("bin/"),
      file("bin/busybox", readFileSync(requirePeer("busybox")), { mode }),
      ...applets.map((name) =>
        hardlink(`bin/${name}`, "bin/busybox", { mode }),
      ),
      directory("etc/"),
      file("etc/os-release", "ID=busybox\n"),
      directory("tmp/", { mode: 0o1777 }),
    ]),
  );
}

/** An image of busybox and further layers. */
export function onBusybox(tars: readonly LayerMembers[]): Image {
  const layers = tars.map((members) => layerOf(archive(members)));
  return imageOf([busyboxLayer(), ...layers]);
}

/** An image of `depth` layers. */
export function deepImage(depth: number): Image {
  return onBusybox(
    Array.from({ length: depth - 1 }, (_, i) => deepLayer(i + 1)),
  );
}

function ending(end: Buffer): Image {
  return imageOf([busyboxLayer(), layerOf(archive(PLAIN, { end }))]);
}

/** @param content tells images of equal compression apart, and makes images of several compressions one */
function compressed(compression: Compression, content: string): Image {
  const data = Buffer.alloc(30_000, content);
  const tar = archive([...PLAIN, file("more", data)]);
  const layer = layerOf(tar, { compression, family: "oci" });
  return imageOf([busyboxLayer(), layer], { family: "oci" });
}

/** One diff ID three times, in two blobs. */
function duplicate(): Image {
  const layer = layerOf(archive(PLAIN));
  const other = layerOf(archive(PLAIN), { compression: "gzip-members" });
  return imageOf([busyboxLayer(), layer, layer, other]);
}

/** Layers without members: an archive of nothing, and nothing at all. */
function emptyLayers(): Image {
  const empty = layerOf(archive([]));
  const nothing = layerOf(Buffer.alloc(0));
  return imageOf([empty, busyboxLayer(), empty, nothing]);
}

const TWO_ZERO_BLOCKS = Buffer.alloc(1024);
const GARBAGE = Buffer.alloc(7_001, "no tar");

export const ODD_IMAGES: readonly OddImage[] = [
  { name: "busybox", build: () => onBusybox([]) },
  { name: "hardlinks", build: () => onBusybox(HARDLINKS) },
  { name: "xattrs", build: () => onBusybox([XATTRS]) },
  { name: "special-files", build: () => onBusybox([SPECIAL_FILES]) },
  { name: "whiteouts", build: () => onBusybox(WHITEOUTS) },
  {
    name: "opaque-root",
    build: () => imageOf([layerOf(archive(OPAQUE_ROOT)), busyboxLayer()]),
  },
  { name: "pax", build: () => onBusybox([PAX]) },
  { name: "gnu", build: () => onBusybox([GNU]) },
  { name: "modes", build: () => onBusybox([MODES]) },
  { name: "names", build: () => onBusybox([NAMES]) },
  { name: "no-end", build: () => ending(Buffer.alloc(0)) },
  { name: "zeros-after-end", build: () => ending(Buffer.alloc(1 << 20)) },
  {
    name: "garbage-after-end",
    build: () => ending(Buffer.concat([TWO_ZERO_BLOCKS, GARBAGE])),
  },
  { name: "duplicate-layer", build: duplicate },
  { name: "empty-layers", build: emptyLayers },
  { name: "gzip-members", build: () => compressed("gzip-members", "gzip") },
  { name: "uncompressed", build: () => compressed("none", "plain") },
  {
    name: "zstd",
    build: () => compressed("zstd", "zstd"),
    pullable: () => compressed("none", "zstd"),
  },
  { name: "deepest", build: () => deepImage(125) },
];
