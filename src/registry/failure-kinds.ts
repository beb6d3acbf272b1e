/** Failures of sockets and of HTTP, told apart by what the reader can do about them. */
import { isIP } from "node:net";
import { CONNECT_TIMEOUT, type ConnectFailure } from "./connect-failure.js";

/** Code of {@link exchange}; it looks like Node's. */
export const HEADERS_TIMEOUT = "HEADERS_TIMEOUT";

/** What a failure means for people. */
export interface Kind {
  readonly code: string;
  readonly what: string;
  readonly hint?: string;
  /** `answered`: only when the host is known to be there. */
  readonly retryable: boolean | "answered";
}

const TIMEOUT_HINT =
  "The host may be down, or a firewall or proxy may swallow the traffic.";
export const RESET: Kind = {
  code: "NETWORK_RESET",
  what: "the connection was cut",
  retryable: true,
};
const DNS: Kind = {
  code: "NETWORK_DNS",
  what: "the host name does not resolve",
  hint: "Check the spelling of the host's name, and the DNS settings.",
  retryable: "answered",
};
const DNS_SILENT: Kind = {
  ...DNS,
  what: "the name server does not answer",
  hint: "Check the DNS settings and the network connection.",
  retryable: true,
};
const UNREACHABLE: Kind = {
  code: "NETWORK_UNREACHABLE",
  what: "there is no route to the host",
  hint: "Check the network connection, VPN and firewall.",
  retryable: "answered",
};
const TIMEOUT: Kind = {
  code: "NETWORK_TIMEOUT",
  what: "no connection in time",
  hint: TIMEOUT_HINT,
  retryable: true,
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
  EAI_AGAIN: DNS_SILENT,
  EHOSTUNREACH: UNREACHABLE,
  EHOSTDOWN: UNREACHABLE,
  ENETUNREACH: UNREACHABLE,
  ENETDOWN: UNREACHABLE,
  EADDRNOTAVAIL: UNREACHABLE,
  ECONNREFUSED: {
    code: "NETWORK_REFUSED",
    what: "connection refused",
    hint: "Nothing listens there. Check the host and port, and that the server runs.",
    retryable: "answered",
  },
  ETIMEDOUT: TIMEOUT,
  [CONNECT_TIMEOUT]: TIMEOUT,
  [HEADERS_TIMEOUT]: {
    ...TIMEOUT,
    what: "connected, but no answer in time",
  },
  UND_ERR_HEADERS_OVERFLOW: {
    code: "NETWORK_PROTOCOL",
    what: "the answer's headers are too long",
    retryable: false,
  },
};

/**
 * Of a host with several addresses each may fail in its own way; the earliest
 * in this list is the one to go by: it has come furthest, or may pass.
 */
const TELLING = ["ETIMEDOUT", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"];

/** The kind of a failure that has one of Node's or undici's codes; `undefined` for others. */
export function socketKind(
  cause: Error & ConnectFailure,
  code: string,
): Kind | undefined {
  const telling = tellingCode(cause) ?? code;
  const kind = KINDS[telling];
  if (kind === undefined) {
    return /^E[A-Z]+$/.test(code)
      ? { code: "NETWORK_FAILED", what: code, retryable: "answered" }
      : undefined;
  }
  return staged(kind, telling, cause);
}

function tellingCode({ errors = [] }: ConnectFailure): string | undefined {
  const codes = errors.map((error) => (error as NodeJS.ErrnoException).code);
  return TELLING.find((code) => codes.includes(code));
}

/** The kind in the words of how far the attempt had come. */
function staged(kind: Kind, code: string, cause: ConnectFailure): Kind {
  const { stage, tried = [] } = cause;
  if (code === CONNECT_TIMEOUT && stage === "lookup") {
    return DNS_SILENT;
  }
  if (stage === "tls" && (kind === RESET || kind === TIMEOUT)) {
    return {
      ...kind,
      what:
        kind === RESET
          ? "the connection was cut during the TLS handshake"
          : "connected, but the TLS handshake did not end in time",
      hint: "The port may not speak TLS, or a firewall on the way may not let this host's name through.",
    };
  }
  if (stage === "tunnel" && (kind === RESET || kind === TIMEOUT)) {
    return {
      ...kind,
      what:
        kind === RESET
          ? "the connection was cut before CONNECT was answered"
          : "connected, but CONNECT was not answered in time",
    };
  }
  const noIPv6 =
    kind === UNREACHABLE &&
    tried.length > 0 &&
    tried.every((address) => address.startsWith("["));
  return {
    ...kind,
    what: kind.what + addresses(cause),
    ...(noIPv6
      ? {
          hint: "The host has IPv6 addresses only; check that this machine has IPv6.",
        }
      : {}),
  };
}

/** The addresses that were tried, each with its own failure where there are several. */
function addresses({ tried = [], errors = [] }: ConnectFailure): string {
  const each = errors.flatMap((error) => {
    const { address, port, code } = error as NodeJS.ErrnoException & {
      address?: string;
      port?: number;
    };
    if (address === undefined || code === undefined) return [];
    return [
      `${isIP(address) === 6 ? `[${address}]` : address}:${port} ${code}`,
    ];
  });
  const shown = each.length > 0 ? each : tried;
  return shown.length === 0 ? "" : ` (${shown.slice(0, 8).join(", ")})`;
}
