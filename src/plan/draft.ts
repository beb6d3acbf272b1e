/** What one image would take, before it is known what it shares with others of the plan. */
import type { ImageId, Store } from "../../store/index.js";
import { ByteCount } from "../byte-count.js";
import { parseImageConfig } from "../image-config.js";
import type { IndexContext } from "../index-images.js";
import type { Item } from "../items.js";
import { checkPlatform } from "../item-platform.js";
import { formatPlatform } from "../platform.js";
import {
  DOCKER_HUB,
  type Reference,
  canonicalName,
} from "../../store/reference/reference.js";
import { resolveImage } from "../resolve-image.js";
import { storedUpToDate } from "../up-to-date.js";
import { type NeededLayer, neededLayers } from "./needed.js";
import type { PlannedImage } from "./types.js";

/** An image, and which of its layers are missing, base first. */
export interface Draft {
  readonly image: PlannedImage;
  readonly needed: readonly NeededLayer[];
}

/**
 * Asks the registry what a pull of this item would ask before it fetches layers.
 * @throws TpullError as a pull of the item does
 */
export async function draftImage(
  item: Item,
  reference: Reference,
  store: Store,
  context: IndexContext,
): Promise<Draft> {
  const { client } = context;
  const { target } = item;
  const received = new ByteCount();
  let requests = 0;
  if (item.search) {
    received.take(item.search.received);
    requests = item.search.requests;
    item.search.requests = 0;
  }
  const isHub = reference.registry === DOCKER_HUB;
  // Every GET of a manifest counts there, that of an index with one of its images.
  const counted = isHub && requests > 0 ? 1 : 0;
  const call = { ...context.call, onReceived: received.add };
  const stored = await storedUpToDate(item, reference, {
    store,
    client,
    call,
    onHead: () => {
      requests += 1;
    },
  });
  const names = {
    reference: context.image,
    ...(target === undefined ? {} : { target }),
    canonicalName: canonicalName(reference),
    registry: reference.registry,
  };
  if (stored !== undefined) {
    const { digest, imageId, config, layers } = stored;
    const image: PlannedImage = {
      ...names,
      digest,
      imageId,
      platform: formatPlatform(config),
      status: "up-to-date",
      layers: layers.map(({ digest, diffId, chainId }) => ({
        digest,
        diffId,
        chainId,
        source: "present",
      })),
      bytesToFetch: received.total,
      requests,
      hubPulls: counted,
    };
    return { image, needed: [] };
  }
  const { platform, pin, top, entry } = item;
  const resolved = await resolveImage(reference, {
    ...context,
    call,
    platform,
    pin,
    top,
    entry,
  });
  const { manifest } = resolved;
  const imageId = manifest.config.digest as string as ImageId;
  const storedConfig = await store.imageConfig(imageId);
  const bytes =
    storedConfig ?? (await client.bytes(reference, manifest.config, call));
  const config = parseImageConfig(bytes, manifest.layers.length);
  checkPlatform(config, resolved, item, context.image);
  const { all, needed } = await neededLayers(store, manifest, config);
  return {
    needed,
    image: {
      ...names,
      digest: resolved.digest,
      imageId,
      platform: formatPlatform(config),
      status: "to-fetch",
      layers: all.map(({ digest, diffId, chainId, size }) => ({
        digest,
        diffId,
        chainId,
        size,
        source: "present",
      })),
      bytesToFetch: received.total,
      requests:
        requests + resolved.requests + (storedConfig === undefined ? 1 : 0),
      hubPulls: isHub ? 1 : 0,
    },
  };
}
