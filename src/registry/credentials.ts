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
  | { readonly kind: "identity"; readonly token: string }
  | { readonly kind: "bearer"; readonly token: string };

/**
 * Finds the credential for a registry, named as references name it
 * (`docker.io`, `localhost:5000`); `undefined` is anonymous. Asked at most
 * once for each registry, and only after the registry wants a credential.
 */
export type CredentialSource = (
  registry: string,
) => Promise<Credential | undefined>;

/** The `Authorization` value of HTTP Basic. */
export function basicAuthorization(username: string, password: string): string {
  const pair = Buffer.from(`${username}:${password}`, "utf8");
  return `Basic ${pair.toString("base64")}`;
}
