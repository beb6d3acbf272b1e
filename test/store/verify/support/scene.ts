/** A copy of a root that is there to be damaged, and the handles for that. */
import { Buffer } from "node:buffer";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { chainIdsOf, type Image } from "../../../helpers/image-builder.js";

interface Entry {
  type: number;
  name?: string;
  size?: number;
  payload: string | null;
  position: number;
}

export class Scene {
  readonly root: string;
  /** `image/overlay2` */
  readonly driver: string;
  readonly overlay: string;
  /** Path of the config. */
  readonly config: string;
  /** Hexadecimal chain IDs, base first. */
  readonly chain: readonly string[];
  /** Hexadecimal diff IDs and blobs, base first. */
  readonly diffIds: readonly string[];
  readonly blobs: readonly string[];

  constructor(root: string, image: Image) {
    this.root = root;
    this.driver = join(root, "image/overlay2");
    this.overlay = join(root, "overlay2");
    this.config = join(
      this.driver,
      "imagedb/content/sha256",
      image.config.digest.slice(7),
    );
    this.chain = chainIdsOf(image).map((id) => id.slice(7));
    this.diffIds = image.layers.map(({ diffId }) => diffId.slice(7));
    this.blobs = image.layers.map(({ digest }) => digest.slice(7));
  }

  /** A file of a layer's entry, or the entry. */
  entry(layer: number, name = ""): string {
    return join(this.driver, "layerdb/sha256", this.chain[layer]!, name);
  }

  cacheId(layer: number): string {
    return this.read(this.entry(layer, "cache-id")).trim();
  }

  /** A file of a layer's directory in `overlay2`, or the directory. */
  cache(layer: number, name = ""): string {
    return join(this.overlay, this.cacheId(layer), name);
  }

  /** An unpacked file. */
  file(layer: number, name: string): string {
    return join(this.cache(layer, "diff"), name);
  }

  /** The short link of a layer. */
  link(layer: number): string {
    return join(this.overlay, "l", this.read(this.cache(layer, "link")));
  }

  /** A file of `distribution`. */
  distribution(
    map: "diffid-by-digest" | "v2metadata-by-diffid",
    hex: string,
  ): string {
    return join(this.driver, "distribution", map, "sha256", hex);
  }

  get repositories(): string {
    return join(this.driver, "repositories.json");
  }

  read(path: string): string {
    return readFileSync(path, "latin1");
  }

  write(path: string, content: string | Buffer): void {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }

  append(path: string, content: string): void {
    this.write(path, this.read(path) + content);
  }

  /** Changes a JSON file, and keeps its form. */
  json(path: string, change: (value: never) => void): void {
    const value = JSON.parse(readFileSync(path, "utf8")) as never;
    change(value);
    this.write(path, JSON.stringify(value));
  }

  /** Changes the lines of a layer's archive record. */
  record(layer: number, change: (lines: string[]) => string[]): void {
    const path = this.entry(layer, "tar-split.json.gz");
    const lines = gunzipSync(readFileSync(path)).toString().split("\n");
    this.write(path, gzipSync(change(lines).join("\n")));
  }

  /** Changes the first entry that fits. */
  recordEntry(
    layer: number,
    fits: (entry: Entry) => boolean,
    change: (entry: Entry) => void,
  ): void {
    this.record(layer, (lines) => {
      const at = lines.findIndex(
        (line) => line !== "" && fits(JSON.parse(line) as Entry),
      );
      const entry = JSON.parse(lines[at]!) as Entry;
      change(entry);
      return lines.with(at, JSON.stringify(entry));
    });
  }
}

/** Turns over one bit of what is in base64. */
export function flipped(base64: string | null): string {
  const bytes = Buffer.from(base64 ?? "", "base64");
  bytes[0] = bytes[0]! ^ 1;
  return bytes.toString("base64");
}
