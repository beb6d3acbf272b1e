/** An image in a registry, and a folder for what is bundled of it. */
import { join } from "node:path";
import type { Image } from "../helpers/image-builder.js";
import { smallImage } from "../pull/support/layers.js";
import { publish, serve } from "../pull/support/pulls.js";
import { temporaryFolder } from "../store/support/roots.js";

export const one = (): Image => smallImage(["base", "one"]);

export async function published(image: Image = one()) {
  const registry = await serve();
  const folder = await temporaryFolder();
  const x = publish(registry, "x:1", image);
  const at = (...names: string[]): string => join(folder, ...names);
  /** Arguments of a bundle from that registry. */
  const bundle = (...args: string[]): string[] => [
    "bundle",
    "--plain-http",
    registry.host,
    ...args,
  ];
  return { registry, folder, x, at, bundle };
}
