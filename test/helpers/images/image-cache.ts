/**
 * Images that take long to make are kept below the system's temporary
 * directory, under a key that names everything they are made of; so a second
 * run of the tests or of the benchmark starts at once, with the same bytes.
 */
import { createHash, type Hash } from "node:crypto";
import { createWriteStream } from "node:fs";
import {
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  writeFile,
} from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { pack as tarPack, type Pack } from "tar-stream";
import {
  imageOf,
  layerMediaType,
  sha256,
  type Image,
  type ImageOptions,
  type LayerBlob,
} from "../image-builder.js";
import { removeTree } from "../run.js";

/** Raise when the way an archive is written changes. */
const FORMAT = 1;

/** The cache's own folder, which nobody else can write to. */
export async function cacheFolder(): Promise<string> {
  const { uid } = userInfo();
  const folder = join(tmpdir(), `tpull-images-${uid}`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const status = await lstat(folder);
  if (!status.isDirectory() || status.uid !== uid)
    throw new Error(`${folder} is not a directory of user ${uid}`);
  return folder;
}

/** One layer of a cached image: bytes of a tar, or what fills an archive in passing. */
export type LayerRecipe = Buffer | ((pack: Pack) => Promise<void>);

/**
 * An image from the cache, made first if it is not there.
 * @param name part of the key, for people
 * @param ingredients part of the key: whatever the recipe depends on
 */
export async function cachedImage(
  name: string,
  ingredients: unknown,
  layers: readonly LayerRecipe[],
  options: ImageOptions = {},
): Promise<Image> {
  const images = join(await cacheFolder(), "images");
  await mkdir(images, { recursive: true });
  const content = JSON.stringify([FORMAT, ingredients]);
  const folder = join(images, `${name}-${sha256(content).slice(7, 23)}`);
  const list = join(folder, "layers.json");
  let blobs: (LayerBlob & { data: string })[];
  try {
    blobs = JSON.parse(await readFile(list, "utf8"));
  } catch {
    blobs = await build(images, folder, layers);
  }
  const found = blobs.map((l) => ({ ...l, data: join(folder, l.data) }));
  return imageOf(found, options);
}

/** Builds beside the place and renames, so that an image in the cache is whole. */
async function build(
  images: string,
  folder: string,
  recipes: readonly LayerRecipe[],
): Promise<(LayerBlob & { data: string })[]> {
  const partial = await mkdtemp(join(images, "partial-"));
  try {
    const blobs: (LayerBlob & { data: string })[] = [];
    for (const [i, recipe] of recipes.entries()) {
      const data = `layer-${i}.tar.gz`;
      blobs.push({ ...(await writeLayer(join(partial, data), recipe)), data });
    }
    await writeFile(join(partial, "layers.json"), JSON.stringify(blobs));
    await rename(partial, folder).catch(async (error: unknown) => {
      // Another process was quicker; its bytes are the same.
      await readFile(join(folder, "layers.json")).catch(() => {
        throw error;
      });
    });
    return blobs;
  } finally {
    await removeTree(partial);
  }
}

async function writeLayer(
  path: string,
  recipe: LayerRecipe,
): Promise<LayerBlob> {
  const pack = tarPack();
  const tarHash = createHash("sha256");
  const blobHash = createHash("sha256");
  let size = 0;
  const filling = Buffer.isBuffer(recipe)
    ? undefined
    : recipe(pack).then(
        () => pack.finalize(),
        (error: Error) => pack.destroy(error),
      );
  await pipeline(
    Buffer.isBuffer(recipe) ? [recipe] : pack,
    tap((chunk) => tarHash.update(chunk)),
    createGzip({ level: 6, chunkSize: 1 << 18 }),
    tap((chunk) => {
      blobHash.update(chunk);
      size += chunk.length;
    }),
    createWriteStream(path),
  );
  await filling;
  return {
    mediaType: layerMediaType("docker", "gzip"),
    digest: hex(blobHash),
    size,
    data: path,
    diffId: hex(tarHash),
  };
}

function tap(look: (chunk: Buffer) => void): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      look(chunk);
      done(null, chunk);
    },
  });
}

function hex(hash: Hash): string {
  return `sha256:${hash.digest("hex")}`;
}
