/** Images with real archives, put into a root without a registry. */
import {
  chainId,
  openStore,
  Stager,
  type ChainId,
  type DiffId,
  type Digest,
  type ImageId,
  type StagedLayer,
} from "#store/index.js";
import type { Image } from "../../../helpers/image-builder.js";

export interface Names {
  readonly repository: string;
  readonly tag: string;
}

/** Does all that a pull does to a root. */
export async function putImage(
  root: string,
  image: Image,
  { repository, tag }: Names,
): Promise<void> {
  const store = await openStore(root);
  await using writer = await store.beginWrite();
  await using stager = new Stager();
  const staged: StagedLayer[] = [];
  let parent: ChainId | undefined;
  for (const { diffId: id, digest, size, data } of image.layers) {
    const diffId = id as DiffId;
    const own = chainId(parent, diffId);
    const claimed = await writer.claimLayer(own);
    if (!("present" in claimed)) {
      const expected = { digest: digest as Digest, size, diffId, parent };
      staged.push(await stager.blob(claimed.claim, chunks(data), expected));
    }
    parent = own;
  }
  await writer.commitLayers(staged);
  await writer.recordDistribution(
    image.layers.map(({ digest, diffId }) => ({
      digest: digest as Digest,
      diffId: diffId as DiffId,
      repository: `docker.io/library/${repository}`,
    })),
  );
  const imageId = image.config.digest as ImageId;
  await writer.putImage({ config: bytesOf(image.config.data), imageId });
  await writer.tagImage(imageId, {
    repository,
    tag,
    digest: image.manifest.digest as Digest,
  });
}

async function* chunks(data: Buffer | string): AsyncGenerator<Uint8Array> {
  yield bytesOf(data);
}

function bytesOf(data: Buffer | string): Buffer {
  if (typeof data === "string") throw new Error("a blob in a file");
  return data;
}
