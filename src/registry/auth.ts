/**
 * Authorization for the registries of one client. There is no ping: the first
 * 401 teaches what a registry wants, and from then on its requests carry a
 * token from the start.
 */
import type { LookupFunction } from "node:net";
import { isTpullError, TpullError } from "../../store/errors.js";
import { preferredChallenge, type Challenge } from "./challenge.js";
import { basicAuthorization, type CredentialSource } from "./credentials.js";
import type { Identity } from "./errors.js";
import type { Http } from "./http.js";
import { KnownCredentials, type Known } from "./known-credentials.js";
import { serverWords } from "./redact.js";
import { readRealm, type Realm } from "./realm.js";
import { mergeScopes, pullScope, splitScopes } from "./scope.js";
import type { Endpoint } from "./endpoint.js";
import { abortable } from "./signals.js";
import { fetchToken, identityOf, type Token } from "./token.js";

/** The `Authorization` of one request. */
export interface Authorization {
  readonly header: string;
  readonly identity: Identity;
  /** Where it comes from: to tell a stale one from one that is not enough. */
  readonly source: "basic" | Token;
}

/** What is asked for: pulling from one repository. */
export interface Target {
  readonly endpoint: Endpoint;
  readonly repository: string;
}

/** The token of one registry and scope set. */
interface Grant {
  readonly scopes: readonly string[];
  token: Token | undefined;
  /** The request under way, which everybody shares. */
  flight: Promise<Token> | undefined;
}

export interface AuthOptions {
  readonly http: Http;
  readonly credentials: CredentialSource | undefined;
  /** Resolves names of token servers instead of the system. */
  readonly lookup?: LookupFunction | undefined;
  /** Of the client: a shared token request ends with it, not with one of its waiters. */
  readonly signal: AbortSignal;
  readonly now: () => number;
}

export class Auth {
  readonly #options: AuthOptions;
  /** What each registry's challenges said last. */
  readonly #realms = new Map<string, Realm | "basic">();
  /** By registry and repository. */
  readonly #grants = new Map<string, Grant>();
  readonly #credentials: KnownCredentials;

  constructor(options: AuthOptions) {
    this.#options = options;
    this.#credentials = new KnownCredentials(options.credentials);
  }

  /**
   * What to send with a first request: nothing as long as the registry has not
   * asked. A token near its end is renewed before.
   * @throws TpullError retryable ones of {@link fetchToken}, `ABORTED`
   */
  async current(
    target: Target,
    signal: AbortSignal,
  ): Promise<Authorization | undefined> {
    const realm = this.#realms.get(target.endpoint.host);
    if (realm === undefined) return undefined;
    if (realm === "basic") return this.#basic(target, signal);
    const grant = this.#grant(target);
    if (
      grant.token !== undefined &&
      this.#options.now() < grant.token.renewAt
    ) {
      return bearer(grant.token);
    }
    try {
      return bearer(await this.#renew(target, realm, grant, signal));
    } catch (error) {
      // Perhaps this repository needs no token; if it does, answer() throws this again.
      if (isFinalRefusal(error)) return undefined;
      throw error;
    }
  }

  /**
   * What to send after a 401; `undefined` when there is nothing better than
   * what was sent.
   * @param used what was sent with the refused request
   * @param fresh whether `used` was fetched for this very request
   * @throws TpullError `AUTH_UNSUPPORTED`, and as {@link fetchToken}
   */
  async answer(
    target: Target,
    challenges: readonly Challenge[],
    used: Authorization | undefined,
    fresh: boolean,
    signal: AbortSignal,
  ): Promise<Authorization | undefined> {
    const { host } = target.endpoint;
    const challenge = preferredChallenge(challenges);
    if (challenge === undefined) {
      if (challenges.length === 0) return undefined;
      throw unsupported(target.endpoint, challenges);
    }
    if (challenge.scheme === "basic") {
      this.#realms.set(host, "basic");
      if (used?.source === "basic") return undefined;
      return this.#basic(target, signal);
    }
    const realm = readRealm(challenge, target.endpoint.base);
    this.#realms.set(host, realm);

    const known = this.#grant(target);
    const scopes = mergeScopes(
      known.scopes,
      splitScopes(challenge.parameters.get("scope")),
    );
    const wider = scopes.join(" ") !== known.scopes.join(" ");
    if (!wider) {
      // Somebody else may have fetched a better token since ours was sent.
      if (known.token !== undefined && known.token !== used?.source) {
        return bearer(known.token);
      }
      if (used !== undefined && fresh) return undefined;
      known.token = undefined;
    }
    const grant = wider ? this.#setGrant(target, scopes) : known;
    return bearer(await this.#renew(target, realm, grant, signal));
  }

  #grant(target: Target): Grant {
    const own = pullScope(target.repository);
    return this.#grants.get(grantKey(target)) ?? this.#setGrant(target, [own]);
  }

  #setGrant(target: Target, scopes: readonly string[]): Grant {
    const grant: Grant = { scopes, token: undefined, flight: undefined };
    this.#grants.set(grantKey(target), grant);
    return grant;
  }

  #renew(
    target: Target,
    realm: Realm,
    grant: Grant,
    signal: AbortSignal,
  ): Promise<Token> {
    grant.flight ??= this.#fetch(target, realm, grant);
    return abortable(grant.flight, signal);
  }

  async #fetch(target: Target, realm: Realm, grant: Grant): Promise<Token> {
    const { http, now, signal, lookup } = this.#options;
    const { endpoint, repository } = target;
    try {
      const { credential, problem } = await this.#known(target);
      grant.token = await fetchToken(
        http,
        {
          realm,
          scopes: grant.scopes,
          credential,
          problem,
          server: endpoint.base,
          connection: endpoint.connection,
          name: `${endpoint.host}/${repository}`,
          lookup,
          signal,
        },
        now,
      );
      return grant.token;
    } finally {
      grant.flight = undefined;
    }
  }

  async #basic(
    target: Target,
    signal: AbortSignal,
  ): Promise<Authorization | undefined> {
    const { credential } = await abortable(this.#known(target), signal);
    if (credential?.kind !== "password") return undefined;
    return {
      header: basicAuthorization(credential.username, credential.password),
      identity: identityOf(credential),
      source: "basic",
    };
  }

  /** In whose name a request without `Authorization` was sent: nobody's, and why. */
  anonymous({ endpoint, repository }: Target): Promise<Identity> {
    return this.#credentials.anonymous(endpoint.host, repository);
  }

  #known({ endpoint, repository }: Target): Promise<Known> {
    return this.#credentials.find(endpoint.host, repository);
  }
}

function grantKey({ endpoint, repository }: Target): string {
  return `${endpoint.host}/${repository}`;
}

function bearer(token: Token): Authorization {
  return {
    header: `Bearer ${token.value}`,
    identity: token.identity,
    source: token,
  };
}

function isFinalRefusal(error: unknown): boolean {
  return isTpullError(error) && !error.retryable && error.code !== "ABORTED";
}

function unsupported(
  { host }: Endpoint,
  challenges: readonly Challenge[],
): TpullError {
  const schemes = serverWords(
    challenges.map(({ scheme }) => scheme.slice(0, 20)).join(", "),
    100,
  );
  return new TpullError(
    "AUTH_UNSUPPORTED",
    `${host} offers only authentication that tpull does not know: ${schemes}`,
    {
      hint: "tpull knows Bearer and Basic.",
      details: { host },
    },
  );
}
