/** What goes wrong at a proxy, which is another matter than what goes wrong at a registry. */
import type { IncomingHttpHeaders } from "node:http";
import { TpullError } from "../../store/errors.js";
import { firstLine, isHtml } from "./error-body.js";
import {
  contentType,
  headerValue,
  headerValues,
  type ResponseHeaders,
} from "./headers.js";
import type { Kind } from "./failure-kinds.js";
import { redactUrl, scrub, secretsOf, serverWords } from "./redact.js";

/** What a proxy answered instead of doing what it was asked. */
export interface ProxyAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders | ResponseHeaders;
  /** As far as it is here. */
  readonly body: Uint8Array;
}

export interface ProxyFailureOptions {
  /** Why it could not be talked to at all. */
  readonly cause?: Error;
  readonly answer?: ProxyAnswer;
  /** host:port that CONNECT asked for. */
  readonly target?: string;
  /** What was sent as a user name and a password; it must not be repeated. */
  readonly authorization?: string | undefined;
}

/** A failure of the way to the proxy, or the proxy's refusal; `networkError` tells it to people. */
export class ProxyFailure extends Error {
  override readonly name: string = "ProxyFailure";
  readonly code: string = "PROXY_FAILURE";
  /** host:port */
  readonly host: string;
  readonly details: ProxyFailureOptions;

  /** @param proxy its URL without user info */
  constructor(proxy: URL, details: ProxyFailureOptions) {
    const { cause } = details;
    super("proxy failure", cause === undefined ? undefined : { cause });
    this.host = hostOf(proxy);
    this.details = details;
  }
}

const NO_PROXY_HINT = "Hosts that need no proxy can be listed in NO_PROXY.";

/**
 * The error for a failed proxy. Codes: `PROXY_DENIED` when it refuses
 * (statuses below 500), `PROXY_ERROR` when it cannot be reached or fails
 * itself (may pass).
 * @param kind of the cause, when there is no answer
 */
export function proxyError(
  failure: ProxyFailure,
  request: { readonly method: string; readonly url: URL },
  kind: (cause: Error) => Kind | undefined,
  answered: boolean,
): TpullError {
  const { host, details } = failure;
  const { answer, cause } = details;
  const asked = `${request.method} ${redactUrl(request.url)}`;
  if (answer !== undefined) return refused(failure, answer, asked, request.url);
  const found = cause === undefined ? undefined : kind(cause);
  const reason = (cause as NodeJS.ErrnoException | undefined)?.code;
  return new TpullError(
    "PROXY_ERROR",
    `${asked}: the proxy ${host} cannot be used: ${found?.what ?? reason ?? "it failed"}`,
    {
      hint: `Check HTTPS_PROXY and HTTP_PROXY, and that the proxy runs. ${NO_PROXY_HINT}`,
      cause,
      retryable:
        found?.retryable === true ||
        (found?.retryable === "answered" && answered),
      details: { host: request.url.host, proxy: host, reason },
    },
  );
}

function refused(
  { host, details }: ProxyFailure,
  answer: ProxyAnswer,
  asked: string,
  url: URL,
): TpullError {
  const { status, headers } = answer;
  const to =
    details.target === undefined ? "" : ` to CONNECT ${details.target}`;
  const secrets = secretsOf(url, details.authorization);
  const said = scrub(wordsOf(answer, secrets), secrets);
  const fails = status >= 500 || status === 408 || status === 429;
  // A page that came instead of a registry's answer may be of either.
  const who =
    details.target === undefined && status !== 407
      ? `the proxy ${host} or a server behind it`
      : `the proxy ${host}`;
  const summary =
    status === 407
      ? details.authorization !== undefined
        ? `${who} does not accept the user name and password it was sent`
        : `${who} wants a user name and a password`
      : fails
        ? `${who} got no answer for it`
        : `${who} does not allow it`;
  return new TpullError(
    fails ? "PROXY_ERROR" : "PROXY_DENIED",
    `${asked}: ${summary} (it answers ${status}${said === "" ? "" : ` ${said}`}${to})`,
    {
      hint: status === 407 ? authHint(headers) : NO_PROXY_HINT,
      retryable: fails,
      details: { host: url.host, proxy: host, status },
    },
  );
}

function authHint(headers: ProxyAnswer["headers"]): string {
  const schemes = headerValues(headers, "proxy-authenticate").map((value) =>
    serverWords(value.split(/[\s,]/, 1)[0] ?? "", 20),
  );
  const basic =
    schemes.length === 0 || schemes.some((name) => /^basic$/i.test(name));
  return basic
    ? `Set them in the proxy's URL: http://USER:PASSWORD@HOST:PORT. ${NO_PROXY_HINT}`
    : `It offers only ${schemes.join(", ")}, and tpull knows Basic; a local helper proxy can translate. ${NO_PROXY_HINT}`;
}

/** Squid says what is wrong in a header, others in the page. */
function wordsOf(
  { headers, body }: ProxyAnswer,
  secrets: readonly string[],
): string {
  const squid = headerValue(headers, "x-squid-error");
  if (squid !== undefined) return serverWords(squid, 80);
  const text = scrub(new TextDecoder().decode(body), secrets);
  return firstLine(contentType(headers), text);
}

/**
 * Whether an answer to a request that a proxy passed on is the proxy's own: a
 * 407 must be, and trouble that is told in no registry's manner most probably is.
 */
export function isProxysOwn(status: number, headers: ResponseHeaders): boolean {
  if (status === 407) return true;
  if (![403, 502, 503, 504].includes(status)) return false;
  return (
    headers["x-squid-error"] !== undefined ||
    (isHtml(contentType(headers)) &&
      headers["docker-distribution-api-version"] === undefined)
  );
}

function hostOf(proxy: URL): string {
  return proxy.port === ""
    ? `${proxy.hostname}:${proxy.protocol === "https:" ? 443 : 80}`
    : proxy.host;
}
