/** Where things are in a data root, read without the code under test. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

export interface StoredLayer {
  /** 64 hex digits: the layer's directory name. */
  readonly chain: string;
  /** The layer's directory below `layerdb`. */
  readonly record: string;
  readonly cacheId: string;
  /** `sha256:…` */
  readonly diffId: string;
  /** 64 hex digits of the layer below. */
  readonly parent: string | undefined;
  /** The layer's directory below `overlay2`. */
  readonly folder: string;
  /** Name of the layer's short link. */
  readonly link: string;
}

export const imageStore = (root: string): string =>
  join(root, "image", "overlay2");

export const layerStore = (root: string): string => join(root, "overlay2");

/** Names in a directory; none where it is absent. */
export async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).then(
    (names) => names.sort(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    },
  );
}

/** Text of a file, or undefined where it is absent. */
export async function textOf(path: string): Promise<string | undefined> {
  return await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}

/** Every layer of a data root by chain ID (64 hex digits). */
export async function storedLayers(
  root: string,
): Promise<Map<string, StoredLayer>> {
  const folder = join(imageStore(root), "layerdb", "sha256");
  const layers = new Map<string, StoredLayer>();
  for (const chain of await namesIn(folder)) {
    const record = join(folder, chain);
    const cacheId = (await textOf(join(record, "cache-id"))) ?? "";
    const overlay = join(layerStore(root), cacheId);
    layers.set(chain, {
      chain,
      record,
      cacheId,
      diffId: (await textOf(join(record, "diff"))) ?? "",
      parent: (await textOf(join(record, "parent")))?.replace(/^sha256:/, ""),
      folder: overlay,
      link: (await textOf(join(overlay, "link"))) ?? "",
    });
  }
  return layers;
}

/** Configs of all images by image ID (64 hex digits). */
export async function storedImages(root: string): Promise<Map<string, Buffer>> {
  const folder = join(imageStore(root), "imagedb", "content", "sha256");
  const images = new Map<string, Buffer>();
  for (const id of await namesIn(folder))
    images.set(id, await readFile(join(folder, id)));
  return images;
}

/** Image IDs (`sha256:…`) by reference, as `repositories.json` has them. */
export async function storedReferences(
  root: string,
): Promise<Map<string, string>> {
  const text = await textOf(join(imageStore(root), "repositories.json"));
  if (text === undefined) return new Map();
  const { Repositories } = JSON.parse(text) as {
    Repositories: Record<string, Record<string, string>>;
  };
  return new Map(Object.values(Repositories).flatMap((r) => Object.entries(r)));
}
