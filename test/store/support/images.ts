/** Images without a registry: their layers hold one file, and their archive record is empty. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import {
  type ChainId,
  chainIds,
  type DiffId,
  type Digest,
  digestOf,
  type DistributionEntry,
  type ImageId,
  type LayerRecord,
  type Naming,
  type StagedLayer,
  type StoreWriter,
} from "#store/index.js";

export interface FakeLayer {
  readonly diffId: DiffId;
  readonly chainId: ChainId;
  readonly parent?: ChainId;
  readonly content: string;
}

export interface FakeImage {
  readonly layers: readonly FakeLayer[];
  readonly origins: readonly DistributionEntry[];
  readonly image: {
    readonly config: string;
    readonly imageId: ImageId;
    readonly naming: Naming;
  };
}

/** An image with one layer for each content; equal beginnings are shared layers. */
export function fakeImage(name: string, ...contents: string[]): FakeImage {
  const diffIds = contents.map((text) => digestOf(text) as string as DiffId);
  const chain = chainIds(diffIds);
  const config = JSON.stringify({
    os: "linux",
    rootfs: { type: "layers", diff_ids: diffIds },
    name,
  });
  return {
    layers: contents.map((content, index) => ({
      diffId: diffIds[index]!,
      chainId: chain[index]!,
      ...(index === 0 ? {} : { parent: chain[index - 1]! }),
      content,
    })),
    origins: diffIds.map((diffId) => ({
      digest: digestOf(`blob of ${diffId}`),
      diffId,
      repository: `docker.io/library/${name}`,
    })),
    image: {
      config,
      imageId: digestOf(config) as string as ImageId,
      naming: {
        repository: name,
        tag: "latest",
        digest: digestOf(`manifest of ${name}`) as Digest,
      },
    },
  };
}

/** Claims a layer and fills it; undefined when it is in the store. */
export async function stage(
  writer: StoreWriter,
  layer: FakeLayer,
): Promise<StagedLayer | undefined> {
  const claimed = await writer.claimLayer(layer.chainId, {
    takeComplete: true,
  });
  if ("present" in claimed) return undefined;
  const { claim, complete } = claimed;
  if (complete !== undefined) return { claim, ...complete };
  await writeFile(join(claim.diffDirectory, "file"), layer.content);
  await writeFile(
    join(claim.writeSetDirectory, "tar-split.json.gz"),
    gzipSync(""),
  );
  const { diffId, parent, content } = layer;
  const whole = { diffId, parent, size: content.length, warnings: [] };
  claim.complete(whole);
  return { claim, ...whole };
}

/** Stages what is missing of these layers. */
export async function stageAll(
  writer: StoreWriter,
  layers: readonly FakeLayer[],
): Promise<StagedLayer[]> {
  const staged: StagedLayer[] = [];
  for (const layer of layers) {
    const one = await stage(writer, layer);
    if (one !== undefined) staged.push(one);
  }
  return staged;
}

/** Everything a pull does to a store. */
export async function storeImage(
  writer: StoreWriter,
  { layers, origins, image }: FakeImage,
): Promise<LayerRecord[]> {
  const records = await writer.commitLayers(await stageAll(writer, layers));
  await writer.recordDistribution(origins);
  await writer.putImage({
    config: Buffer.from(image.config),
    imageId: image.imageId,
  });
  await writer.tagImage(image.imageId, image.naming);
  return records;
}

/** Puts the layers of an image into the store as a killed session leaves them: for nobody. */
export async function leaveLayers(
  writer: StoreWriter,
  { layers }: FakeImage,
): Promise<void> {
  writer.keepUnusedLayers();
  await writer.commitLayers(await stageAll(writer, layers));
}

/** The same image with other members in its config, and so with another ID. */
export function withConfig(fake: FakeImage, members: object): FakeImage {
  const config = JSON.stringify({
    ...(JSON.parse(fake.image.config) as object),
    ...members,
  });
  const imageId = digestOf(config) as string as ImageId;
  return { ...fake, image: { ...fake.image, config, imageId } };
}
