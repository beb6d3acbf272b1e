/** What takes the space in a root: docker's account of it, and of what docker does not see. */
import { blobUses } from "../blobs/blob-uses.js";
import { keptBlobs } from "../blobs/kept-blobs.js";
import { attempt } from "../io-error.js";
import { keptManifests } from "../manifests.js";
import { listPartials } from "../partials.js";
import type { Layout } from "../layout.js";
import type { Store } from "../store.js";
import { type BuildRecord, buildRecordsIn } from "./build-cache.js";
import { containersIn, type StoredContainer } from "./containers.js";
import type {
  ContainerUsage,
  DiskUsage,
  KeptBlobUsage,
  ManifestUsage,
  PartialUsage,
  VolumeUsage,
} from "./disk-report.js";
import { findImageId } from "./find-image.js";
import { imagesUsage } from "./image-usage.js";
import { layerUses } from "./layer-use.js";
import { type FoundLeftover, findLeftovers } from "./leftovers.js";
import { HeldLocks } from "./locks.js";
import { type Survey, surveyed } from "./survey.js";
import { treeSize } from "./tree-size.js";
import { totalsOf } from "./disk-totals.js";
import { findUnfinished, type FoundUnfinished } from "./unfinished.js";
import { type StoredVolume, volumesIn } from "./volumes.js";

/**
 * Says what takes the space in a data root. Takes no lock. Layers and images are
 * counted by what docker's format notes of them; containers, volumes and
 * leftovers are measured file by file, which takes the longer the more of them
 * there is.
 * @throws TpullError `ROOT_NOT_READABLE`, `STORE_IO_FAILED`, `ABORTED`
 */
export async function diskUsage(
  store: Store,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<DiskUsage> {
  const { root, layout } = store;
  const { result: found, damage } = await surveyed(store, look);
  return await attempt(
    `measure what is in ${root}`,
    async () => {
      const sized = async <Thing extends { measure: Measure }>(
        things: readonly Thing[],
      ): Promise<(Omit<Thing, "measure"> & { size: number })[]> => {
        const all: (Omit<Thing, "measure"> & { size: number })[] = [];
        for (const { measure, ...thing } of things) {
          all.push({ ...thing, size: await sizeOf(measure, signal) });
        }
        return all;
      };
      const containers: ContainerUsage[] = [];
      for (const container of found.containers) {
        const own = layout.cacheFile(container.mountId, "diff");
        containers.push({
          ...container,
          size: await treeSize(own, { signal }),
        });
      }
      const volumes: VolumeUsage[] = [];
      for (const volume of found.volumes) {
        const size = await treeSize(volume.path, { signal });
        volumes.push({ ...volume, size });
      }
      const kinds = {
        images: found.images.images,
        containers,
        volumes,
        buildCache: await sized(found.buildRecords),
        partialBlobs: found.partialBlobs,
        unfinishedLayers: await sized(found.unfinished),
        leftovers: await sized(found.leftovers),
        keptBlobs: found.keptBlobs,
        manifests: found.manifests,
      };
      const { layersSize } = found.images;
      const totals = totalsOf(kinds, layersSize, found.heldByDockerd);
      return { root, ...kinds, totals, damage };
    },
    "read",
  );
}

type Measure = readonly string[] | number;

async function sizeOf(
  measure: Measure,
  signal: AbortSignal | undefined,
): Promise<number> {
  if (typeof measure === "number") return measure;
  let sum = 0;
  for (const path of measure) {
    sum += (await treeSize(path, { sameFilesystem: true, signal })) ?? 0;
  }
  return sum;
}

/** Everything that can be said without measuring. */
function look(survey: Survey): {
  images: ReturnType<typeof imagesUsage>;
  containers: StoredContainer[];
  volumes: StoredVolume[];
  buildRecords: BuildRecord[];
  partialBlobs: PartialUsage[];
  unfinished: FoundUnfinished[];
  leftovers: FoundLeftover[];
  keptBlobs: KeptBlobUsage[];
  manifests: ManifestUsage[];
  heldByDockerd: boolean;
} {
  const { layout } = survey;
  const locks = new HeldLocks();
  // First, because it reads what comes and goes in the right order.
  const uses = layerUses(survey);
  const layers = [...uses.values()];
  const containers = containersIn(layout).map((container) => ({
    ...container,
    image: imageNow(survey, container),
  }));
  return {
    images: imagesUsage(survey, containers),
    containers,
    volumes: volumesIn(layout, containers),
    buildRecords: buildRecordsIn(
      layout,
      (chainId) => uses.get(chainId)?.use === "image",
    ),
    partialBlobs: partialsOf(layout, locks),
    unfinished: findUnfinished(layout, layers, locks),
    leftovers: findLeftovers(layout, layers, locks),
    keptBlobs: keptBlobsOf(survey, locks),
    manifests: keptManifests(layout).map(({ imageId, bytes }) => ({
      imageId,
      size: bytes,
      inUse: survey.config(imageId) !== undefined,
    })),
    heldByDockerd: locks.holders(layout.lockFile, "exclusive").length > 0,
  };
}

/** What the image of a container is called now: its ID where the name has gone to another image, as docker says it. */
function imageNow(survey: Survey, { image, imageId }: StoredContainer): string {
  if (imageId === undefined || image === imageId) return image;
  try {
    return findImageId(survey, image).id === imageId ? image : imageId;
  } catch {
    return imageId;
  }
}

function partialsOf(layout: Layout, locks: HeldLocks): PartialUsage[] {
  return listPartials(layout.root).map(({ digest, bytes, modified }) => ({
    digest,
    size: bytes,
    modified,
    inUse: locks.isHeld(layout.partialBlob(digest)),
  }));
}

function keptBlobsOf(survey: Survey, locks: HeldLocks): KeptBlobUsage[] {
  const { layout } = survey;
  const blobs = keptBlobs(layout);
  if (blobs.length === 0) return [];
  const names = survey.imageIds
    .filter((id) => survey.config(id) !== undefined)
    .map((id) => [id, survey.namesOf(id).digests] as const);
  const uses = blobUses(layout, new Map(names));
  return blobs.map(({ digest, bytes, used }) => {
    const images = uses.get(digest) ?? [];
    const inUse = images.length > 0 || locks.isHeld(layout.keptBlob(digest));
    return { digest, size: bytes, used, images, inUse };
  });
}
