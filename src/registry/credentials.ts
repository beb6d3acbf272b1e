/** Who somebody is at a registry. */

/**
 * - `password`: a user name with a password or an access token.
 * - `identity`: a refresh token of the registry's token server.
 * - `bearer`: a token that the registry takes as it is.
 */
export type Credential =
  | {
      readonly kind: "password";
      readonly username: string;
      readonly password: string;
    }
  | {
      readonly kind: "identity";
      readonly token: string;
      /** Whose it is, where that is known. */
      readonly username?: string;
    }
  | { readonly kind: "bearer"; readonly token: string };

/**
 * Finds the credential for a host that is asked: a registry, named as
 * references name it (`docker.io`, `localhost:5000`), or a mirror, by its
 * host[:port], which never gets what belongs to the registry it mirrors.
 * `undefined` is anonymous; so is a TpullError, which refusals then name.
 * Asked at most once for each host and repository, and only after the host
 * wants a credential.
 */
export type CredentialSource = (
  host: string,
  repository?: string,
) => Promise<Credential | undefined>;

/** The `Authorization` value of HTTP Basic. */
export function basicAuthorization(username: string, password: string): string {
  const pair = Buffer.from(`${username}:${password}`, "utf8");
  return `Basic ${pair.toString("base64")}`;
}
