/** Failures below HTTP as errors for people. */
import {
  abortedError,
  isTpullError,
  TpullError,
  type ErrorDetails,
} from "../../store/errors.js";
import { RESET, socketKind, type Kind } from "./failure-kinds.js";
import { ProxyFailure, proxyError } from "./proxy-errors.js";
import { redactUrl } from "./redact.js";
import { clientCertificateHint, tlsKind } from "./tls-errors.js";

/** The request that failed, as the error tells it. */
export interface RequestInfo {
  readonly method: string;
  readonly url: URL;
  /** Whether this origin has answered anything before: then even a refused connection may pass. */
  readonly answered: boolean;
  /** Milliseconds since the epoch, by this machine's clock. */
  readonly now: number;
}

const NOT_HTTP: Kind = {
  code: "NETWORK_PROTOCOL",
  what: "the answer is not HTTP",
  hint: "Something other than a registry listens there.",
  retryable: "answered",
};

/** Undici's parser errors are known by their name; they have no code to rely on. */
function parserKind(cause: Error): Kind {
  return /\bEOF\b/.test(cause.message) ? RESET : NOT_HTTP;
}

/** Whether the parser met a TLS record of type alert: what a TLS server says to a plain request. */
function isTlsAlert(cause: Error): boolean {
  const { data } = cause as { data?: unknown };
  return typeof data === "string" && data.startsWith("\u0015\u0003");
}

/** The error for a server that speaks TLS where plain HTTP was spoken to it. */
export function plainToTlsError(
  request: Pick<RequestInfo, "method" | "url">,
  details: ErrorDetails = {},
): TpullError {
  return new TpullError(
    "TLS_ERROR",
    `${request.method} ${redactUrl(request.url)}: ${request.url.host} speaks TLS, but was asked in plain HTTP`,
    {
      hint: "Give the registry's address with https://, and take it off the list of those that speak plain HTTP.",
      details: { host: request.url.host, ...details },
    },
  );
}

/**
 * The error for a server that says over HTTP what TLS has alerts for: it wants
 * a client certificate, or another one.
 * @param said its words
 */
export function clientCertificateError(
  { method, url }: Pick<RequestInfo, "method" | "url">,
  said: string,
  details: ErrorDetails,
): TpullError {
  return new TpullError(
    "TLS_ERROR",
    `${method} ${redactUrl(url)}: ${url.host} asks for a client certificate and got none that it accepts (${said})`,
    {
      hint: clientCertificateHint(url.host),
      details: { ...details, host: url.host },
    },
  );
}

function kindOf(cause: Error, host: string, now: number): Kind | undefined {
  if (cause.name === "HTTPParserError") return parserKind(cause);
  const { code } = cause as { code?: unknown };
  if (typeof code !== "string") return undefined;
  // Node's own parser meets proxies only.
  if (code.startsWith("HPE_")) return NOT_HTTP;
  return tlsKind(cause, code, host, now) ?? socketKind(cause, code);
}

/**
 * Turns a failure of the socket, of TLS, of a proxy or of the HTTP parser into
 * an error for people. Codes: `NETWORK_RESET`, `NETWORK_REFUSED`, `NETWORK_DNS`,
 * `NETWORK_UNREACHABLE`, `NETWORK_TIMEOUT`, `NETWORK_PROTOCOL`, `TLS_ERROR`,
 * `NETWORK_FAILED`, `PROXY_ERROR`, `PROXY_DENIED`; `ABORTED` when the client was
 * closed meanwhile. What it does not know is a defect and is given back as it
 * is.
 */
export function networkError(cause: unknown, request: RequestInfo): unknown {
  if (!(cause instanceof Error) || isTpullError(cause)) return cause;
  const { method, url, answered, now } = request;
  if (cause instanceof ProxyFailure) {
    const kind = (inner: Error): Kind | undefined =>
      kindOf(inner, cause.host, now);
    return proxyError(cause, request, kind, answered);
  }
  const parser = cause.name === "HTTPParserError";
  if (parser && isTlsAlert(cause)) return plainToTlsError(request);
  const { code } = cause as { code?: unknown };
  if (code === "UND_ERR_DESTROYED" || code === "UND_ERR_CLOSED") {
    return abortedError();
  }
  const kind = kindOf(cause, url.host, now);
  if (kind === undefined) return cause;
  return new TpullError(
    kind.code,
    `${method} ${redactUrl(url)}: ${kind.what}`,
    {
      hint: kind.hint,
      cause,
      retryable:
        kind.retryable === true || (kind.retryable === "answered" && answered),
      details: { host: url.host, reason: parser ? cause.name : code },
    },
  );
}

/**
 * The error for a body that stopped arriving, or crawls.
 * @param bytes that came in the last `stallMs`
 */
export function stalledError(
  request: Pick<RequestInfo, "method" | "url">,
  stallMs: number,
  bytes: number,
): TpullError {
  const asked = `${request.method} ${redactUrl(request.url)}`;
  const seconds = `${stallMs / 1000} s`;
  return new TpullError(
    "NETWORK_STALLED",
    bytes === 0
      ? `${asked}: the body stopped arriving for ${seconds}`
      : `${asked}: the body crawls, ${bytes} bytes in ${seconds}`,
    {
      hint: "The host may be down, or a firewall or proxy may swallow the traffic.",
      retryable: true,
      details: { host: request.url.host },
    },
  );
}
