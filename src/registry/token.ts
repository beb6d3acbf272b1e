/** Asking a token server for one bearer token (distribution token spec; OAuth 2 for identity tokens). */
import { TpullError } from "../../store/errors.js";
import { basicAuthorization, type Credential } from "./credentials.js";
import {
  ANONYMOUS,
  MAX_ERROR_BODY_BYTES,
  refusalError,
  type Identity,
} from "./errors.js";
import type { Http, HttpResponse } from "./http.js";
import { checkRealm, type Realm } from "./realm.js";
import { redactUrl, secretsOf } from "./redact.js";

/** Longest reply of a token server. */
export const MAX_TOKEN_REPLY_BYTES: number = 1024 * 1024;
/** What the token spec says for a reply without `expires_in`. */
const DEFAULT_LIFE_SECONDS = 60;
/** Part of a token's life after which it is renewed. */
const RENEW_AT = 0.8;
const CLIENT_ID = "tpull";

export interface TokenRequest {
  readonly realm: Realm;
  readonly scopes: readonly string[];
  readonly credential: Credential | undefined;
  /** Who sent the challenge. */
  readonly server: URL;
  /** host/repository, for messages. */
  readonly name: string;
  readonly signal: AbortSignal;
}

export interface Token {
  readonly value: string;
  /** Milliseconds since the epoch. */
  readonly renewAt: number;
  readonly identity: Identity;
}

/** Whose requests a credential makes them. */
export function identityOf(credential: Credential | undefined): Identity {
  if (credential === undefined) return ANONYMOUS;
  return {
    credentials: true,
    ...(credential.kind === "password" ? { user: credential.username } : {}),
  };
}

/**
 * Fetches a token: by GET, with Basic when there is a password, or by POST for
 * an identity token.
 * @throws TpullError `UNAUTHORIZED`, `DENIED`, `TOO_MANY_REQUESTS`,
 *   `REGISTRY_ERROR`, `NOT_A_REGISTRY`, `TOKEN_INVALID`, `TOKEN_REALM_REFUSED`,
 *   and what {@link Http.request} throws
 */
export async function fetchToken(
  http: Http,
  request: TokenRequest,
  now: () => number,
): Promise<Token> {
  const { credential } = request;
  const identity = identityOf(credential);
  if (credential?.kind === "bearer") {
    const renewAt = Number.POSITIVE_INFINITY;
    return { value: credential.token, renewAt, identity };
  }
  const response = await send(http, request);
  if (response.status !== 200) {
    throw await tokenRefusal(request, response, identity, now());
  }
  const reply = await response.body.collect(MAX_TOKEN_REPLY_BYTES);
  return { ...readReply(reply, response, now()), identity };
}

function send(http: Http, request: TokenRequest): Promise<HttpResponse> {
  const { scopes, credential, server, signal } = request;
  const { url: realm, service } = request.realm;
  const common = {
    signal,
    checkRedirect: (target: URL): void => checkRealm(target, server),
  };
  if (credential?.kind === "identity") {
    const form = new URLSearchParams({
      grant_type: "refresh_token",
      client_id: CLIENT_ID,
      ...(service === undefined ? {} : { service }),
      scope: scopes.join(" "),
      refresh_token: credential.token,
    });
    return http.request({
      ...common,
      method: "POST",
      url: realm,
      headers: {
        accept: "application/json",
        "content-type": "application/x-www-form-urlencoded",
      },
      body: form.toString(),
    });
  }
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  return http.request({
    ...common,
    method: "GET",
    url,
    headers: { accept: "application/json" },
    authorization:
      credential?.kind === "password"
        ? basicAuthorization(credential.username, credential.password)
        : undefined,
  });
}

async function tokenRefusal(
  request: TokenRequest,
  response: HttpResponse,
  identity: Identity,
  now: number,
): Promise<TpullError> {
  const { credential, realm, scopes, name } = request;
  const secrets =
    credential?.kind === "password"
      ? [
          credential.password,
          basicAuthorization(credential.username, credential.password).slice(6),
        ]
      : credential === undefined
        ? []
        : [credential.token];
  return refusalError({
    method: credential?.kind === "identity" ? "POST" : "GET",
    url: response.url,
    redirected: false,
    status: response.status,
    headers: response.headers,
    body: await response.body.peek(MAX_ERROR_BODY_BYTES),
    subject: { kind: "token", name, item: scopes.join(" ") },
    identity,
    secrets: [...secretsOf(realm.url), ...secrets].filter(Boolean),
    now,
  });
}

function readReply(
  reply: Buffer | undefined,
  { url }: HttpResponse,
  now: number,
): Pick<Token, "value" | "renewAt"> {
  const invalid = (why: string): TpullError =>
    new TpullError(
      "TOKEN_INVALID",
      `the token server ${redactUrl(url)} ${why}`,
      {
        details: { host: url.host },
      },
    );
  if (reply === undefined) {
    throw invalid(`answers with more than ${MAX_TOKEN_REPLY_BYTES} bytes`);
  }
  let fields: Record<string, unknown>;
  try {
    fields = { ...JSON.parse(reply.toString("utf8")) };
  } catch {
    throw invalid("does not answer with JSON");
  }
  const value = [fields["token"], fields["access_token"]].find(
    (candidate) => typeof candidate === "string" && candidate !== "",
  );
  // What goes into a header must not end it.
  if (typeof value !== "string" || !/^[\x21-\x7e]+$/.test(value)) {
    throw invalid("answers without a usable token");
  }
  return { value, renewAt: renewalTime(fields, now) };
}

/**
 * The life counts from `issued_at`, because a server may hand out a token that
 * it has issued before. With an `issued_at` that our clock cannot agree with,
 * it counts from now, and a 401 tells us if that was wrong.
 */
function renewalTime(fields: Record<string, unknown>, now: number): number {
  const { expires_in, issued_at } = fields;
  const seconds =
    typeof expires_in === "number" && expires_in > 0 && expires_in < 1e9
      ? expires_in
      : DEFAULT_LIFE_SECONDS;
  const life = seconds * 1000 * RENEW_AT;
  const issued = typeof issued_at === "string" ? Date.parse(issued_at) : NaN;
  const credible = issued <= now && issued + life > now;
  return (credible ? issued : now) + life;
}
