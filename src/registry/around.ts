/** Clients around clients: what a run adds to some questions, with all others asked as they are. */
import type { RegistryClient } from "./client.js";

/** The same client, but for what `own` does in its place. */
export function around(
  client: RegistryClient,
  own: Partial<RegistryClient>,
): RegistryClient {
  return {
    head: (...call) => client.head(...call),
    manifest: (...call) => client.manifest(...call),
    bytes: (...call) => client.bytes(...call),
    blob: (...call) => client.blob(...call),
    blobSize: (...call) => client.blobSize(...call),
    distrust: (...call) => client.distrust(...call),
    passedOver: (...call) => client.passedOver(...call),
    tags: (...call) => client.tags(...call),
    prove: (...call) => client.prove(...call),
    close: () => client.close(),
    ...(client.local === undefined ? {} : { local: client.local }),
    ...own,
  };
}
