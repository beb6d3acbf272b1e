/** Whether a reference still means the image that the store has under its name. */
import type { Digest, ImageId, Store } from "../store/index.js";
import type { LayerResult } from "./events.js";
import type { ImageConfig } from "./image-config.js";
import type { Item } from "./items.js";
import {
  type Reference,
  canonicalRepository,
  familiarName,
  familiarRepository,
} from "../store/reference/reference.js";
import type { CallOptions, RegistryClient } from "./registry/client.js";
import {
  parseStoredConfig,
  samePlatform,
  storedLayers,
} from "./stored-image.js";

export interface StoredImage {
  /** What the reference resolves to. */
  readonly digest: Digest;
  readonly imageId: ImageId;
  readonly config: ImageConfig;
  /** Base first. */
  readonly layers: LayerResult[];
}

/**
 * The stored image, if the reference still means it. Costs no request for a
 * digest, of the reference or that its tag is pinned to, and one HEAD for a
 * tag, which registries do not count.
 * @param onHead told when the registry is about to be asked
 */
export async function storedUpToDate(
  { platform, top, pin }: Pick<Item, "platform" | "top" | "pin">,
  reference: Reference,
  context: {
    readonly store: Store;
    readonly client: RegistryClient;
    readonly call: CallOptions;
    readonly onHead?: () => void;
  },
): Promise<StoredImage | undefined> {
  const { store, client, call, onHead } = context;
  const imageId = await store.reference(familiarName(reference));
  if (imageId === undefined) return undefined;
  const bytes = await store.imageConfig(imageId);
  if (bytes === undefined) return undefined;
  const config = parseStoredConfig(bytes);
  // Anything but the very platform is chosen anew: an index may have a better match by now.
  if (config === undefined || !samePlatform(config, platform)) return undefined;
  let { digest } = reference;
  if (digest === undefined) {
    digest = top?.digest ?? pin;
    if (digest === undefined) {
      onHead?.();
      const tag = reference.tag ?? "latest";
      digest = (await client.head(reference, tag, call))?.digest;
    }
    if (digest === undefined) return undefined;
    const named = await store.reference(
      `${familiarRepository(reference)}@${digest}`,
    );
    if (named !== imageId) return undefined;
  }
  const repository = canonicalRepository(reference);
  const layers = await storedLayers(store, config.diffIds, repository);
  return layers && { digest, imageId, config, layers };
}
