/** The documents that a run has asked registries for, byte for byte as they came. */
import type { Digest } from "../../store/index.js";
import { around } from "../registry/around.js";
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
  return around(client, {
    manifest: async (...call) => {
      const found = await client.manifest(...call);
      const { digest, bytes, mediaType } = found;
      documents.set(digest, { bytes, mediaType });
      return found;
    },
  });
}
