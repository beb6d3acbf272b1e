/** Why TLS failed, in words: whom the certificate names, who signed it, when it is valid. */
import type { ConnectFailure, ShownCertificate } from "./connect-failure.js";
import type { Kind } from "./failure-kinds.js";
import { serverWords } from "./redact.js";

/** OpenSSL's words for an answer that is no TLS at all. */
const NOT_TLS =
  /wrong.version.number|packet.length.too.long|http.request|unknown.protocol|record.layer.failure/i;
const TLS_CODE =
  /^(ERR_SSL_|ERR_TLS_|EPROTO$|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_)/;
const UNKNOWN_ISSUER =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_)/;
/** Alerts about a certificate can only be about ours. */
const ABOUT_OUR_CERTIFICATE =
  /ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_REVOKED|CERTIFICATE_EXPIRED|CERTIFICATE_UNKNOWN|UNKNOWN_CA|ACCESS_DENIED)|NO_CERTIFICATE/;

/** Codes of certificates that the clock speaks against. */
export const OUT_OF_TIME: ReadonlySet<string> = new Set([
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
]);

/**
 * The kind of a TLS failure; `undefined` when the code is not one of TLS.
 * @param host host[:port] that was connected to
 * @param now milliseconds since the epoch, by this machine's clock
 */
export function tlsKind(
  cause: Error & ConnectFailure,
  code: string,
  host: string,
  now: number,
): Kind | undefined {
  if (!TLS_CODE.test(code)) return undefined;
  const { what, hint } = explain(cause, code, host, now);
  return {
    code: "TLS_ERROR",
    what: `TLS failed: ${what}`,
    hint,
    retryable: false,
  };
}

function explain(
  { message, certificate }: Error & ConnectFailure,
  code: string,
  host: string,
  now: number,
): { what: string; hint: string } {
  if (NOT_TLS.test(`${code} ${message}`)) {
    return {
      what: `${host} answers with something that is not TLS`,
      hint: `It probably serves plain HTTP, which is used unasked for loopback hosts only; --plain-http ${host} allows it.`,
    };
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return {
      what: `${host} answers with a certificate for another name${namesOf(certificate)} (${code})`,
      hint: "Check the registry's name; a proxy or a portal on the way may have answered in its place.",
    };
  }
  if (OUT_OF_TIME.has(code)) {
    const expired = code === "CERT_HAS_EXPIRED";
    const date = expired ? certificate?.validTo : certificate?.validFrom;
    const when = date === undefined ? "" : ` ${isoTime(Date.parse(date))}`;
    return {
      what: `the certificate of ${host} ${expired ? `expired${when}` : `is not valid before${when || " a later date"}`}, and it is ${isoTime(now)} by this machine's clock (${code})`,
      hint: "If that is not the time, set the clock; if it is, the server's certificate has to be replaced.",
    };
  }
  if (UNKNOWN_ISSUER.test(code)) {
    const what =
      code === "DEPTH_ZERO_SELF_SIGNED_CERT"
        ? `the certificate of ${host} is signed by itself, not by an authority that this machine trusts`
        : `the certificate of ${host} is signed by an authority that this machine does not trust${issuerOf(certificate)}`;
    return {
      what: `${what} (${code})`,
      hint: `If it is your own, trust it by --ca-file, /etc/docker/certs.d/${host}/ca.crt or NODE_EXTRA_CA_CERTS.`,
    };
  }
  if (ABOUT_OUR_CERTIFICATE.test(code)) {
    return {
      what: `${host} asks for a client certificate and got none that it accepts (${code})`,
      hint: clientCertificateHint(host),
    };
  }
  if (/ALERT_HANDSHAKE_FAILURE/.test(code)) {
    return {
      what: `${host} refuses the handshake (${code})`,
      hint: `It may ask for a client certificate. ${clientCertificateHint(host)}`,
    };
  }
  return {
    what: `${serverWords(message, 160)} (${code})`,
    hint: code.startsWith("ERR_SSL_")
      ? "Client and server do not agree on TLS; check the server's TLS settings."
      : "Check the server's certificate; a proxy or a portal on the way may have answered in its place.",
  };
}

/** Where a client certificate is looked for. */
export function clientCertificateHint(host: string): string {
  return `Put one into /etc/docker/certs.d/${host}/ as client.cert and client.key.`;
}

function isoTime(time: number): string {
  return Number.isNaN(time)
    ? "at a time that cannot be read"
    : `${new Date(time).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

function namesOf(certificate: ShownCertificate | undefined): string {
  const names = (certificate?.names ?? "")
    .split(/,\s*/)
    .map((name) => name.replace(/^(DNS|IP Address):/, ""))
    .filter((name) => name !== "");
  if (names.length === 0) return "";
  const more = names.length > 4 ? ` and ${names.length - 4} more` : "";
  return `: ${serverWords(names.slice(0, 4).join(", "), 160)}${more}`;
}

function issuerOf(certificate: ShownCertificate | undefined): string {
  if (certificate === undefined) return "";
  const issuer = certificate.issuer
    .map(([part, value]) => `${part}=${String(value)}`)
    .join(", ");
  return `: ${serverWords(issuer, 120)}`;
}
