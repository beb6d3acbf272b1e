/** The documents that a run has asked registries for, byte for byte as they came. */
import type { Digest } from "../../store/index.js";
import type { FetchedManifest, RegistryClient } from "../registry/client.js";

export type Documents = Map<
  Digest,
  Pick<FetchedManifest, "bytes" | "mediaType">
>;

/** The same client, which keeps the manifests and indexes that pass. */
export function recorded(
  client: RegistryClient,
  documents: Documents,
): RegistryClient {
  return {
    head: (...call) => client.head(...call),
    manifest: async (...call) => {
      const found = await client.manifest(...call);
      const { digest, bytes, mediaType } = found;
      documents.set(digest, { bytes, mediaType });
      return found;
    },
    bytes: (...call) => client.bytes(...call),
    blob: (...call) => client.blob(...call),
    blobSize: (...call) => client.blobSize(...call),
    distrust: (...call) => client.distrust(...call),
    passedOver: (registry) => client.passedOver(registry),
    tags: (...call) => client.tags(...call),
    prove: (...call) => client.prove(...call),
    close: () => client.close(),
  };
}
