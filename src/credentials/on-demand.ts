/** The credential source of a pull, loaded when a registry first wants a credential. */
import type { CredentialSource } from "../registry/credentials.js";
import type { CredentialSourceOptions } from "./source.js";

/** {@link createCredentialSource} without its cost for pulls that need none. */
export function credentialsOnDemand(
  options: CredentialSourceOptions,
): CredentialSource {
  let source: Promise<CredentialSource> | undefined;
  return async (host, repository) => {
    source ??= import("./source.js").then(({ createCredentialSource }) =>
      createCredentialSource(options),
    );
    return (await source)(host, repository);
  };
}
