/** Redirect targets that want a token of their own. */
import { preferredChallenge, type Challenge } from "./challenge.js";
import type { LookupFunction } from "node:net";
import type { Http } from "./http.js";
import { readRealm } from "./realm.js";
import { mergeScopes, splitScopes } from "./scope.js";
import { fetchToken } from "./token.js";

export interface ForeignRequest {
  /** The redirect target that answered 401. */
  readonly server: URL;
  readonly challenges: readonly Challenge[];
  /** host/repository, for messages. */
  readonly name: string;
  readonly signal: AbortSignal;
  /** Resolves names instead of the system. */
  readonly lookup?: LookupFunction | undefined;
}

/**
 * `Authorization` for one request to a redirect target: an anonymous token,
 * since the user's credentials are for the registry only, and not kept.
 * @returns `undefined` when the target does not ask for a token
 * @throws TpullError as {@link fetchToken}
 */
export async function foreignAuthorization(
  http: Http,
  { server, challenges, name, signal, lookup }: ForeignRequest,
  now: () => number,
): Promise<string | undefined> {
  const challenge = preferredChallenge(challenges);
  if (challenge?.scheme !== "bearer") return undefined;
  const token = await fetchToken(
    http,
    {
      realm: readRealm(challenge, server),
      scopes: mergeScopes(splitScopes(challenge.parameters.get("scope"))),
      credential: undefined,
      server,
      name,
      signal,
      lookup,
    },
    now,
  );
  return `Bearer ${token.value}`;
}
