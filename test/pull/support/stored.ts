/** What a pull must leave in a root, judged without the code under test. */
import { lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { chainIdsOf, type Image } from "../../helpers/image-builder.js";
import { checkStore } from "../../helpers/store/check.js";
import {
  imageStore,
  storedImages,
  storedLayers,
  storedReferences,
  textOf,
} from "../../helpers/store/data-root.js";
import {
  listing,
  litter,
  SWEEPING,
  writing,
} from "../../store/support/roots.js";

/** Paths below the image store with dockerd's modes. */
const MODES: readonly [path: string, mode: number][] = [
  ["image", 0o700],
  ["image/overlay2/repositories.json", 0o600],
  ["image/overlay2/imagedb/content/sha256", 0o700],
  ["image/overlay2/layerdb/sha256", 0o755],
  ["image/overlay2/distribution", 0o700],
  ["overlay2", 0o710],
  ["overlay2/l", 0o700],
];

/** Everything in the root fits together, and nothing is left over. */
export async function expectSound(root: string): Promise<void> {
  expect([
    ...(await checkStore(root)),
    ...(await litter(root)),
    ...(await wrongModes(root)),
  ]).toEqual([]);
}

/**
 * What a pull that failed left, if anything, waits for the next one and goes
 * when its time is over: then the root is as it was, save empty directories
 * where there was none.
 * @param before the root's listing
 */
export async function expectAsBefore(
  root: string,
  before: readonly string[],
): Promise<void> {
  await writing(root, async () => undefined, SWEEPING);
  const after = await listing(root);
  if (before.length > 0) {
    expect(after).toEqual(before);
    return;
  }
  const files = after.filter((line) => !line.endsWith(" directory"));
  expect(files.filter((line) => !line.includes("/metadata.db "))).toEqual([]);
  expect(await litter(root)).toEqual([]);
}

async function wrongModes(root: string): Promise<string[]> {
  const expected = [...MODES];
  for (const { chain, cacheId } of (await storedLayers(root)).values()) {
    const record = `image/overlay2/layerdb/sha256/${chain}`;
    expected.push([`overlay2/${cacheId}`, 0o710]);
    expected.push([`overlay2/${cacheId}/diff`, 0o755]);
    expected.push([`overlay2/${cacheId}/link`, 0o644]);
    for (const name of ["diff", "size", "cache-id", "tar-split.json.gz"]) {
      expected.push([`${record}/${name}`, 0o644]);
    }
  }
  const wrong: string[] = [];
  for (const [path, mode] of expected) {
    const found = (await lstat(join(root, path))).mode & 0o7777;
    if (found === mode) continue;
    wrong.push(
      `${path} has mode ${found.toString(8)}, not ${mode.toString(8)}`,
    );
  }
  return wrong;
}

/** An image is in the root with all its layers and its origin, under these names and no others. */
export async function expectImage(
  root: string,
  image: Image,
  repository: string,
  names: readonly string[],
): Promise<void> {
  const imageId = image.config.digest;
  expect((await storedImages(root)).get(imageId.slice(7))).toEqual(
    image.config.data,
  );
  const layers = await storedLayers(root);
  for (const [index, chain] of chainIdsOf(image).entries()) {
    expect(layers.get(chain.slice(7))?.diffId).toBe(
      image.layers[index]?.diffId,
    );
  }
  const found = [...(await storedReferences(root))]
    .filter(([, id]) => id === imageId)
    .map(([name]) => name);
  expect(found.sort()).toEqual([...names].sort());
  for (const { digest, diffId } of image.layers) {
    const maps = join(imageStore(root), "distribution");
    const noted = await textOf(
      join(maps, "diffid-by-digest/sha256", digest.slice(7)),
    );
    expect(noted).toBe(diffId);
    const origins = JSON.parse(
      await readFile(
        join(maps, "v2metadata-by-diffid/sha256", diffId.slice(7)),
        "utf8",
      ),
    ) as unknown;
    expect(origins).toContainEqual({
      Digest: digest,
      SourceRepository: repository,
      HMAC: "",
    });
  }
}
