/** Whether a registry takes a credential: the question behind a log-in. */
import type { LookupFunction } from "node:net";
import { isTpullError } from "../../store/errors.js";
import { parseChallenges, preferredChallenge } from "./challenge.js";
import { basicAuthorization, type Credential } from "./credentials.js";
import type { Endpoint } from "./endpoint.js";
import {
  ANONYMOUS,
  MAX_ERROR_BODY_BYTES,
  refusalError,
  type Identity,
} from "./errors.js";
import { headerValues } from "./headers.js";
import type { Http, HttpResponse } from "./http.js";
import { readRealm } from "./realm.js";
import { secretForms, secretsOf } from "./redact.js";
import { RetryBudget, type RetryPolicy } from "./retry.js";
import { mergeScopes, splitScopes } from "./scope.js";
import { apiUrl } from "./scheme.js";
import { fetchToken, identityOf } from "./token.js";

export type PasswordCredential = Extract<Credential, { kind: "password" }>;

export interface Proof {
  /**
   * What to keep: what was given, or the identity token that the token server
   * gave for it.
   */
  readonly credential: Exclude<Credential, { kind: "bearer" }>;
  /** Whether the registry asked for credentials at all. */
  readonly asked: boolean;
}

export interface ProofOptions {
  readonly http: Http;
  readonly endpoint: Endpoint;
  readonly policy: RetryPolicy;
  readonly lookup: LookupFunction | undefined;
  readonly signal: AbortSignal;
}

/**
 * Asks `/v2/` with a credential, by Basic or with a token for it, as the
 * registry wants it.
 * @throws TpullError `UNAUTHORIZED`, `DENIED` when it refuses, `AUTH_UNSUPPORTED`,
 *   and what else a request to a registry and its token server may throw
 */
export async function proveCredential(
  credential: PasswordCredential,
  options: ProofOptions,
): Promise<Proof> {
  const { policy, signal } = options;
  const budget = new RetryBudget(policy);
  for (;;) {
    try {
      return await prove(credential, options);
    } catch (error) {
      const retry = isTpullError(error) ? budget.next(error) : undefined;
      if (retry === undefined || signal.aborted) throw error;
      await policy.sleep(retry.delayMs, signal);
    }
  }
}

async function prove(
  credential: PasswordCredential,
  options: ProofOptions,
): Promise<Proof> {
  const first = await ask(options, undefined);
  if (first.status === 200) {
    first.body.drain(MAX_ERROR_BODY_BYTES);
    return { credential, asked: false };
  }
  const challenge =
    first.status === 401
      ? preferredChallenge(
          parseChallenges(headerValues(first.headers, "www-authenticate")),
        )
      : undefined;
  if (challenge === undefined) {
    throw await refusal(options, first, ANONYMOUS, []);
  }
  first.body.drain(MAX_ERROR_BODY_BYTES);

  const { username, password } = credential;
  let authorization = basicAuthorization(username, password);
  let kept: Proof["credential"] = credential;
  if (challenge.scheme === "bearer") {
    const server = options.endpoint.base;
    const token = await fetchToken(
      options.http,
      {
        realm: readRealm(challenge, server),
        scopes: mergeScopes(splitScopes(challenge.parameters.get("scope"))),
        credential,
        server,
        connection: options.endpoint.connection,
        name: options.endpoint.host,
        offline: true,
        lookup: options.lookup,
        signal: options.signal,
      },
      options.policy.now,
    );
    authorization = `Bearer ${token.value}`;
    if (token.refreshToken !== undefined) {
      kept = { kind: "identity", token: token.refreshToken, username };
    }
  }
  const second = await ask(options, authorization);
  if (second.status !== 200) {
    throw await refusal(options, second, identityOf(credential), [
      ...secretsOf(second.url, authorization),
      ...secretForms(password),
    ]);
  }
  second.body.drain(MAX_ERROR_BODY_BYTES);
  return { credential: kept, asked: true };
}

function ask(
  { http, endpoint, signal }: ProofOptions,
  authorization: string | undefined,
): Promise<HttpResponse> {
  return http.request({
    method: "GET",
    url: apiUrl(endpoint, ""),
    headers: { accept: "application/json" },
    hostHeaders: endpoint.headers,
    connection: endpoint.connection,
    authorization,
    signal,
  });
}

async function refusal(
  { endpoint, policy }: ProofOptions,
  response: HttpResponse,
  identity: Identity,
  secrets: readonly string[],
): Promise<Error> {
  return refusalError({
    method: "GET",
    url: response.url,
    redirected: response.url.origin !== endpoint.base.origin,
    status: response.status,
    headers: response.headers,
    body: await response.body.peek(MAX_ERROR_BODY_BYTES),
    subject: { kind: "login", name: endpoint.host, item: "log-in" },
    identity,
    secrets,
    now: policy.now(),
  });
}
