/** Failures below HTTP, told apart by what the reader can do about them. */
import {
  abortedError,
  isTpullError,
  TpullError,
  type ErrorDetails,
} from "../../store/errors.js";
import { serverWords, redactUrl } from "./redact.js";

/** The request that failed, as the error tells it. */
export interface RequestInfo {
  readonly method: string;
  readonly url: URL;
  /** Whether this origin has answered anything before: then even a refused connection may pass. */
  readonly answered: boolean;
}

/** Codes of our own connector and of {@link exchange}; they look like Node's. */
export const CONNECT_TIMEOUT = "CONNECT_TIMEOUT";
export const HEADERS_TIMEOUT = "HEADERS_TIMEOUT";

interface Kind {
  code: string;
  what: string;
  hint?: string;
  /** `answered`: only when the host is known to be there. */
  retryable: boolean | "answered";
}

const RESET: Kind = {
  code: "NETWORK_RESET",
  what: "the connection was cut",
  retryable: true,
};
const TIMEOUT_HINT =
  "The host may be down, or a firewall or proxy may swallow the traffic.";
const DNS: Kind = {
  code: "NETWORK_DNS",
  what: "the host name does not resolve",
  hint: "Check the registry's name in the reference, and the DNS settings.",
  retryable: "answered",
};
const UNREACHABLE: Kind = {
  code: "NETWORK_UNREACHABLE",
  what: "there is no route to the host",
  hint: "Check the network connection, VPN and firewall.",
  retryable: "answered",
};

const KINDS: Readonly<Record<string, Kind>> = {
  ECONNRESET: RESET,
  ECONNABORTED: RESET,
  EPIPE: RESET,
  UND_ERR_SOCKET: RESET,
  UND_ERR_INFO: RESET,
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: RESET,
  ENOTFOUND: DNS,
  ENODATA: DNS,
  EAI_NODATA: DNS,
  EAI_NONAME: DNS,
  EAI_FAIL: DNS,
  EAI_AGAIN: {
    ...DNS,
    what: "the name server does not answer",
    hint: "Check the DNS settings and the network connection.",
    retryable: true,
  },
  EHOSTUNREACH: UNREACHABLE,
  EHOSTDOWN: UNREACHABLE,
  ENETUNREACH: UNREACHABLE,
  ENETDOWN: UNREACHABLE,
  EADDRNOTAVAIL: UNREACHABLE,
  ECONNREFUSED: {
    code: "NETWORK_REFUSED",
    what: "connection refused",
    hint: "Nothing listens there. Check the host and port, and that the registry runs.",
    retryable: "answered",
  },
  ETIMEDOUT: {
    code: "NETWORK_TIMEOUT",
    what: "the connection timed out",
    hint: TIMEOUT_HINT,
    retryable: true,
  },
  [CONNECT_TIMEOUT]: {
    code: "NETWORK_TIMEOUT",
    what: "no connection in time",
    hint: TIMEOUT_HINT,
    retryable: true,
  },
  [HEADERS_TIMEOUT]: {
    code: "NETWORK_TIMEOUT",
    what: "connected, but no answer in time",
    hint: TIMEOUT_HINT,
    retryable: true,
  },
  UND_ERR_HEADERS_OVERFLOW: {
    code: "NETWORK_PROTOCOL",
    what: "the answer's headers are too long",
    retryable: false,
  },
};

/** OpenSSL's words for an answer that is no TLS at all. */
const NOT_TLS =
  /wrong.version.number|packet.length.too.long|http.request|unknown.protocol|record.layer.failure/i;
const TLS_CODE =
  /^(ERR_SSL_|ERR_TLS_|EPROTO$|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_)/;

function tlsKind(code: string, url: URL, message: string): Kind {
  if (NOT_TLS.test(`${code} ${message}`)) {
    return {
      code: "TLS_ERROR",
      what: `TLS failed: ${url.host} answers with something that is not TLS`,
      hint: "It probably serves plain HTTP, which is used for loopback hosts only.",
      retryable: false,
    };
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return {
      code: "TLS_ERROR",
      what: `TLS failed: ${url.host} answers with a certificate for another name (${code})`,
      hint: "Check the registry's name; a proxy or a portal on the way may have answered in its place.",
      retryable: false,
    };
  }
  return {
    code: "TLS_ERROR",
    what: `TLS failed: ${serverWords(message, 160)} (${code})`,
    hint: code.startsWith("ERR_SSL_")
      ? "Client and server do not agree on TLS; check the server's TLS settings."
      : "If the registry's certificate is signed by your own authority, name its PEM file in NODE_EXTRA_CA_CERTS.",
    retryable: false,
  };
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
      hint: "Give the registry's address with https://.",
      details: { host: request.url.host, ...details },
    },
  );
}

function kindOf(cause: Error, code: string, url: URL): Kind | undefined {
  const known = KINDS[code];
  if (known !== undefined) return known;
  if (TLS_CODE.test(code)) return tlsKind(code, url, cause.message);
  if (/^E[A-Z]+$/.test(code)) {
    return { code: "NETWORK_FAILED", what: code, retryable: "answered" };
  }
  return undefined;
}

/**
 * Turns a failure of the socket, of TLS or of the HTTP parser into an error for
 * people. Codes: `NETWORK_RESET`, `NETWORK_REFUSED`, `NETWORK_DNS`,
 * `NETWORK_UNREACHABLE`, `NETWORK_TIMEOUT`, `NETWORK_PROTOCOL`, `TLS_ERROR`,
 * `NETWORK_FAILED`; `ABORTED` when the client was closed meanwhile. What it
 * does not know is a defect and is given back as it is.
 */
export function networkError(cause: unknown, request: RequestInfo): unknown {
  if (!(cause instanceof Error) || isTpullError(cause)) return cause;
  const parser = cause.name === "HTTPParserError";
  if (parser && isTlsAlert(cause)) return plainToTlsError(request);
  const code = parser ? cause.name : (cause as { code?: unknown }).code;
  if (typeof code !== "string") return cause;
  if (code === "UND_ERR_DESTROYED" || code === "UND_ERR_CLOSED") {
    return abortedError();
  }
  const kind = parser ? parserKind(cause) : kindOf(cause, code, request.url);
  if (kind === undefined) return cause;
  return new TpullError(
    kind.code,
    `${request.method} ${redactUrl(request.url)}: ${kind.what}`,
    {
      hint: kind.hint,
      cause,
      retryable:
        kind.retryable === true ||
        (kind.retryable === "answered" && request.answered),
      details: { host: request.url.host, reason: code },
    },
  );
}

/** The error for a body that stopped arriving. */
export function stalledError(
  request: Pick<RequestInfo, "method" | "url">,
  stallMs: number,
): TpullError {
  return new TpullError(
    "NETWORK_STALLED",
    `${request.method} ${redactUrl(request.url)}: the body stopped arriving for ${stallMs / 1000} s`,
    {
      hint: TIMEOUT_HINT,
      retryable: true,
      details: { host: request.url.host },
    },
  );
}
