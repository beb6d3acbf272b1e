/** A root with damage of each kind at once, and an image that has none. */
import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Image,
  imageOf,
  layerOf,
} from "../../../helpers/image-builder.js";
import { archive, file } from "../../../helpers/tar-writer.js";
import { putImage } from "../../verify/support/images.js";
import { Scene } from "../../verify/support/scene.js";

const filesOf = (layer: string): [string, string][] => [
  [layer, `${layer}\n`],
  ["last", layer],
];
const imageWith = (layers: readonly string[]) =>
  imageOf(
    layers.map((name) =>
      layerOf(archive(filesOf(name).map((one) => file(...one)))),
    ),
  );

const LAYERS: Readonly<Record<string, readonly string[]>> = {
  image: ["one", "two", "three", "four"],
  other: ["one", "two", "five"],
  sound: ["six"],
};
const IMAGE = imageWith(LAYERS["image"]!);
const OTHER = imageWith(LAYERS["other"]!);
/** Nothing of it is damaged. */
export const SOUND = imageWith(LAYERS["sound"]!);
export const IMAGES: readonly [string, Image][] = [
  ["image", IMAGE],
  ["other", OTHER],
  ["sound", SOUND],
];

/** Files of the images' layers that are found, and right. */
export function readableFiles(root: string): string[] {
  return IMAGES.flatMap(([name, image]) => {
    const scene = new Scene(root, image);
    return LAYERS[name]!.flatMap((layer, at) =>
      filesOf(layer)
        .filter(([path, content]) => {
          try {
            return scene.read(scene.file(at, path)) === content;
          } catch {
            return false;
          }
        })
        .map(([path]) => `${name} ${at} ${path}`),
    );
  });
}

/** Lays the root out, and its blobs in a folder of their own. */
export async function makeDamagedRoot(
  root: string,
  blobs: string,
): Promise<void> {
  mkdirSync(blobs);
  for (const [repository, image] of IMAGES) {
    await putImage(root, image, { repository, tag: "1" });
    for (const { digest, data } of [image.config, ...image.layers]) {
      writeFileSync(join(blobs, digest.slice(7)), data);
    }
  }
  spoil(new Scene(root, IMAGE), new Scene(root, OTHER));
}

/** One of each kind, as a power cut and bad luck may leave them together. */
function spoil(image: Scene, other: Scene): void {
  truncateSync(image.entry(0, "tar-split.json.gz"), 60);
  for (const name of ["link", "lower", "committed"]) {
    truncateSync(image.cache(1, name));
  }
  rmSync(image.cache(2, "diff"), { recursive: true });
  rmSync(image.link(3));
  rmSync(image.entry(3), { recursive: true });
  writeFileSync(other.file(2, "five"), "wrong\n");
  rmSync(join(image.cache(1), "work"), { recursive: true });
  truncateSync(other.config);
  rmSync(image.distribution("v2metadata-by-diffid", image.diffIds[1]!));
  mkdirSync(join(image.overlay, "d".repeat(64), "diff/x"), {
    recursive: true,
  });
  mkdirSync(join(image.driver, "layerdb/tmp/write-set-1"));
}
