/** Asking a token server for one bearer token (distribution token spec; OAuth 2 for identity tokens). */
import type { LookupFunction } from "node:net";
import type { TpullError } from "../../store/errors.js";
import { Body } from "./body.js";
import { basicAuthorization, type Credential } from "./credentials.js";
import type { ConnectionProfile } from "./endpoint.js";
import {
  ANONYMOUS,
  MAX_ERROR_BODY_BYTES,
  refusalError,
  type Identity,
} from "./errors.js";
import type { Http, HttpResponse } from "./http.js";
import { checkRealm, type Realm } from "./realm.js";
import { secretForms, secretsOf } from "./redact.js";
import { abortable } from "./signals.js";
import {
  MAX_TOKEN_REPLY_BYTES,
  readTokenReply,
  type TokenReply,
} from "./token-reply.js";

const CLIENT_ID = "tpull";
/** Answers to a POST of servers that exchange identity tokens by GET only, or refuse. */
const WORTH_A_GET = new Set([400, 401, 404, 405]);

export interface TokenRequest {
  readonly realm: Realm;
  readonly scopes: readonly string[];
  readonly credential: Credential | undefined;
  /** Who sent the challenge. */
  readonly server: URL;
  /** How that server is connected to: it may give out tokens itself. */
  readonly connection?: ConnectionProfile | undefined;
  /** Why there is no credential, where one was to be had. */
  readonly problem?: string | undefined;
  /** host/repository, for messages. */
  readonly name: string;
  /** For a log-in: asks for an identity token, too, as docker does. */
  readonly offline?: boolean;
  /** Resolves the realm's name instead of the system, for {@link checkRealm}. */
  readonly lookup?: LookupFunction | undefined;
  readonly signal: AbortSignal;
}

export interface Token extends TokenReply {
  readonly identity: Identity;
}

/** Whose requests a credential makes them. */
export function identityOf(
  credential: Credential | undefined,
  problem?: string,
): Identity {
  if (credential === undefined) {
    return problem === undefined ? ANONYMOUS : { ...ANONYMOUS, problem };
  }
  const user = credential.kind === "bearer" ? undefined : credential.username;
  return { credentials: true, ...(user === undefined ? {} : { user }) };
}

/**
 * Fetches a token: by GET, with Basic when there is a password, or by POST for
 * an identity token. A server that does not take the POST gets the identity
 * token by GET in the place of a password, as containerd does it.
 * @throws TpullError `UNAUTHORIZED`, `DENIED`, `TOO_MANY_REQUESTS`,
 *   `REGISTRY_ERROR`, `NOT_A_REGISTRY`, `TOKEN_INVALID`, `TOKEN_REALM_REFUSED`,
 *   and what {@link Http.request} throws
 */
export async function fetchToken(
  http: Http,
  request: TokenRequest,
  now: () => number,
): Promise<Token> {
  const { credential, problem, realm, server, lookup } = request;
  const identity = identityOf(credential, problem);
  if (credential?.kind === "bearer") {
    const renewAt = Number.POSITIVE_INFINITY;
    return { value: credential.token, renewAt, identity };
  }
  // A look-up cannot be stopped, but need not be waited for.
  const check = (url: URL): Promise<void> =>
    abortable(checkRealm(url, server, lookup), request.signal);
  await check(realm.url);
  const answer = await send(http, request, check);
  if (answer.response.status !== 200) {
    throw await tokenRefusal(request, answer, identity, now());
  }
  const reply = await answer.response.body.collect(MAX_TOKEN_REPLY_BYTES);
  return { ...readTokenReply(reply, answer.response.url, now()), identity };
}

/** A token server's answer, and to what. */
interface Answer {
  readonly method: "GET" | "POST";
  readonly response: HttpResponse;
}

async function send(
  http: Http,
  request: TokenRequest,
  check: (url: URL) => Promise<void>,
): Promise<Answer> {
  const { credential } = request;
  if (credential?.kind !== "identity") {
    return { method: "GET", response: await get(http, request, check) };
  }
  const posted = await post(http, request, credential.token);
  if (!WORTH_A_GET.has(posted.status)) {
    return { method: "POST", response: posted };
  }
  const words = await posted.body.peek(MAX_ERROR_BODY_BYTES);
  const got = await get(http, request, check);
  // Both refuse: the POST's words are about the identity token, unless it was
  // not understood at all.
  const understood = posted.status === 400 || posted.status === 401;
  if (understood && got.status >= 400 && got.status < 429) {
    got.body.cancel();
    const response = { ...posted, body: Body.of(words) };
    return { method: "POST", response };
  }
  return { method: "GET", response: got };
}

function post(
  http: Http,
  request: TokenRequest,
  token: string,
): Promise<HttpResponse> {
  const { realm, scopes } = request;
  const form = new URLSearchParams({
    grant_type: "refresh_token",
    client_id: CLIENT_ID,
    ...(realm.service === undefined ? {} : { service: realm.service }),
    ...(scopes.length === 0 ? {} : { scope: scopes.join(" ") }),
    refresh_token: token,
  });
  return http.request({
    method: "POST",
    url: realm.url,
    headers: {
      accept: "application/json",
      "content-type": "application/x-www-form-urlencoded",
    },
    body: form.toString(),
    connection: connectionOf(request),
    signal: request.signal,
  });
}

function get(
  http: Http,
  request: TokenRequest,
  check: (url: URL) => Promise<void>,
): Promise<HttpResponse> {
  const { realm, scopes, credential, signal } = request;
  const url = new URL(realm.url);
  const { service } = realm;
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  if (request.offline === true) {
    url.searchParams.set("offline_token", "true");
    url.searchParams.set("client_id", CLIENT_ID);
  }
  return http.request({
    method: "GET",
    url,
    headers: { accept: "application/json" },
    authorization: basicOf(credential),
    connection: connectionOf(request),
    signal,
    checkRedirect: check,
  });
}

/** Certificates of the registry's are for it alone, wherever else it sends us. */
function connectionOf(request: TokenRequest): ConnectionProfile | undefined {
  const { realm, server, connection } = request;
  return realm.url.origin === server.origin ? connection : undefined;
}

function basicOf(credential: Credential | undefined): string | undefined {
  switch (credential?.kind) {
    case "password":
      return basicAuthorization(credential.username, credential.password);
    case "identity":
      return basicAuthorization(credential.username ?? "", credential.token);
    default:
      return undefined;
  }
}

function secretsIn(credential: Credential | undefined): string[] {
  if (credential === undefined) return [];
  const basic = basicOf(credential)?.slice("Basic ".length) ?? "";
  const secret =
    credential.kind === "password" ? credential.password : credential.token;
  return [...secretForms(basic), ...secretForms(secret)];
}

async function tokenRefusal(
  request: TokenRequest,
  { method, response }: Answer,
  identity: Identity,
  now: number,
): Promise<TpullError> {
  const { credential, realm, scopes, name } = request;
  return refusalError({
    method,
    url: response.url,
    redirected: false,
    status: response.status,
    headers: response.headers,
    body: await response.body.peek(MAX_ERROR_BODY_BYTES),
    subject: { kind: "token", name, item: scopes.join(" ") },
    identity,
    secrets: [
      ...secretsOf(realm.url),
      ...secretsOf(response.url),
      ...secretsIn(credential),
    ],
    now,
  });
}
