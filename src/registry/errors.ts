/**
 * What a registry's refusal says to people: what was asked of whom, what came
 * back in the registry's own words, whether credentials were sent, and what to
 * do next. The codes are stable.
 */
import {
  isTpullError,
  TpullError,
  type ErrorDetails,
} from "../../store/errors.js";
import {
  firstLine,
  isHtml,
  registryErrors,
  type RegistryError,
} from "./error-body.js";
import { contentType, headerValue, type ResponseHeaders } from "./headers.js";
import { clientCertificateError, plainToTlsError } from "./network-errors.js";
import { redactUrl, scrub, serverWords } from "./redact.js";
import { parseRateLimit } from "./rate-limit.js";
import { retryAfterSeconds } from "./retry.js";

/** Error bodies are read this far. */
export const MAX_ERROR_BODY_BYTES: number = 64 * 1024;

/** Statuses that may not come back on the next try. */
const RETRYABLE_STATUS = new Set([408, 429, 499, 500, 502, 503, 504, 522]);

/** Network Authentication Required (RFC 6585): the answer of a network, not of any server. */
const SIGN_IN_FIRST = 511;

/** Codes of the distribution spec under names of our own. */
const REGISTRY_CODES: ReadonlyMap<string, string> = new Map([
  ["MANIFEST_UNKNOWN", "MANIFEST_UNKNOWN"],
  ["NAME_UNKNOWN", "NAME_UNKNOWN"],
  ["NAME_INVALID", "NAME_UNKNOWN"],
  ["BLOB_UNKNOWN", "BLOB_UNKNOWN"],
  ["UNAUTHORIZED", "UNAUTHORIZED"],
  ["DENIED", "DENIED"],
  ["TOOMANYREQUESTS", "TOO_MANY_REQUESTS"],
]);

/** What was asked for, in words. */
export interface Subject {
  readonly kind: "manifest" | "blob" | "tags" | "token" | "login";
  /** host/repository, e.g. `docker.io/library/nginx`; the host alone for a log-in. */
  readonly name: string;
  /** Tag or digest. */
  readonly item: string;
}

/** Under whose name a request was sent. */
export interface Identity {
  /** Whether anything of the user's own was sent; an anonymous token is nothing. */
  readonly credentials: boolean;
  /** User name, where the credentials have one. */
  readonly user?: string;
  /** Why there is nothing to send, where something went wrong. */
  readonly problem?: string;
}

export const ANONYMOUS: Identity = { credentials: false };

export interface Refusal {
  readonly method: string;
  /** Who answered. */
  readonly url: URL;
  /** Whether that is another host than the one that was asked. */
  readonly redirected: boolean;
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** At most {@link MAX_ERROR_BODY_BYTES} of it. */
  readonly body: Uint8Array;
  readonly subject: Subject;
  readonly identity: Identity;
  /** Strings that must not be repeated, see `secretsOf`. */
  readonly secrets: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * The error for a response that is not what was asked for. Codes:
 * `UNAUTHORIZED`, `DENIED`, `NAME_UNKNOWN`, `MANIFEST_UNKNOWN`, `BLOB_UNKNOWN`,
 * `TOO_MANY_REQUESTS`, `REGISTRY_ERROR` (any other status), `NOT_A_REGISTRY`
 * (a web page), `TLS_ERROR` (plain HTTP sent to a TLS port, a client certificate
 * missing).
 */
export function refusalError(refusal: Refusal): TpullError {
  const { status, url } = refusal;
  const type = scrub(contentType(refusal.headers), refusal.secrets);
  const text = scrub(new TextDecoder().decode(refusal.body), refusal.secrets);
  // Again after it is read: JSON has many ways to write a character.
  const errors = registryErrors(text).map((entry) =>
    scrubbed(entry, refusal.secrets),
  );
  const html = errors.length === 0 && isHtml(type);
  const details = detailsOf(refusal, errors);

  const speaksTls = /HTTP request.{0,40}HTTPS (server|port)/i.test(text);
  if (url.protocol === "http:" && speaksTls) {
    return plainToTlsError(refusal, details);
  }
  // nginx lets the handshake pass and says it afterwards, in a page of its own.
  const wantsCertificate =
    /No required SSL certificate was sent|The SSL certificate error/i.test(
      text,
    );
  if (url.protocol === "https:" && status === 400 && wantsCertificate) {
    return clientCertificateError(refusal, firstLine(type, text), details);
  }
  const said =
    errors.length > 0
      ? errors.map(shownError).join("; ")
      : (html ? `a web page (${type}): ` : "") + firstLine(type, text);
  const answer = `${refusal.method} ${redactUrl(url)}: ${status}${said === "" ? "" : ` ${said}`}`;
  const code = codeOf(refusal, errors, html);
  const { summary, hint } = explain(code, refusal);
  return new TpullError(
    code,
    summary === undefined ? answer : `${summary} (${answer})`,
    { hint, retryable: RETRYABLE_STATUS.has(status), details },
  );
}

function scrubbed(
  { code, message, detail }: RegistryError,
  secrets: readonly string[],
): RegistryError {
  return {
    code: scrub(code, secrets),
    message: scrub(message, secrets),
    ...(detail === undefined ? {} : { detail: scrub(detail, secrets) }),
  };
}

function shownError({ code, message }: RegistryError): string {
  return [code, message].filter((part) => part !== "").join(": ");
}

function codeOf(
  { status, subject, redirected }: Refusal,
  errors: readonly RegistryError[],
  html: boolean,
): string {
  if (status === 429) return "TOO_MANY_REQUESTS";
  if (status === SIGN_IN_FIRST) return "NOT_A_REGISTRY";
  // A gateway in trouble shows a page, too; that host is right all the same.
  if (status >= 500 || RETRYABLE_STATUS.has(status)) return "REGISTRY_ERROR";
  // Storage refuses in pages; but a page in place of the content is a portal's.
  if (html && (!redirected || status < 400)) return "NOT_A_REGISTRY";
  for (const { code } of errors) {
    const known = REGISTRY_CODES.get(code);
    if (known !== undefined) return known;
  }
  if (status === 401) return "UNAUTHORIZED";
  if (status === 403) return "DENIED";
  if (status === 404) {
    if (subject.kind === "manifest") return "MANIFEST_UNKNOWN";
    if (subject.kind === "blob") return "BLOB_UNKNOWN";
    return "NAME_UNKNOWN";
  }
  return "REGISTRY_ERROR";
}

interface Explanation {
  /** Put in front of what was asked and answered. */
  summary?: string;
  hint?: string;
}

function explain(code: string, refusal: Refusal): Explanation {
  const { subject, identity, url } = refusal;
  const { name, item } = subject;
  if (code === "NOT_A_REGISTRY") {
    return {
      summary: refusal.redirected
        ? `${name}: the registry's host redirects to ${url.host}, which does not answer like a registry`
        : `${name}: ${url.host} does not answer like a registry`,
      hint: "Check the host in the reference. A proxy may stand in between, or the network may want a sign-in: open a web page in a browser on this network.",
    };
  }
  if (refusal.redirected && !RETRYABLE_STATUS.has(refusal.status)) {
    return {
      summary: `${name}: ${url.host}, to where the registry redirects, does not give out ${item}`,
      hint: "The registry's link may have expired, or a firewall may block that host.",
    };
  }
  switch (code) {
    case "UNAUTHORIZED":
    case "DENIED":
      return explainDenial(refusal);
    case "NAME_UNKNOWN":
      return {
        summary: `${name}: the registry has no such repository. ${sentence(identity)}`,
        hint: "Check the spelling; some registries hide private repositories this way.",
      };
    case "MANIFEST_UNKNOWN":
      return {
        summary: item.startsWith("sha256:")
          ? `${name} has no manifest ${item}`
          : `${name} has no tag ${item}`,
      };
    case "BLOB_UNKNOWN":
      return {
        summary: `${name} has no blob ${item}, though a manifest names it`,
        hint: "The image is incomplete at the registry; it has to be pushed again.",
      };
    case "TOO_MANY_REQUESTS": {
      const wait = waitSeconds(refusal);
      return {
        summary: `${name}: too many requests for ${url.host}. ${sentence(identity)}`,
        hint: `Try again ${wait === undefined ? "later" : `in ${duration(wait)}`}; ${limitOf(refusal)}accounts often have a higher limit.`,
      };
    }
    default:
      return RETRYABLE_STATUS.has(refusal.status)
        ? { hint: `The trouble lies with ${url.host}; try again later.` }
        : {};
  }
}

function explainDenial({
  subject,
  identity,
  url,
  status,
  headers,
}: Refusal): Explanation {
  const { name } = subject;
  if (subject.kind === "login") {
    return {
      summary: `${name} refuses the log-in. ${sentence(identity)}`,
      hint: "Check the user name and the password or token.",
    };
  }
  if (subject.kind === "token") {
    return {
      summary: `${name}: the token server ${url.host} refuses. ${sentence(identity)}`,
      hint: identity.credentials
        ? "Check the user name and the password or token."
        : `The repository may be private, or may not exist. ${logInWith(name)}`,
    };
  }
  const scheme = headerValue(headers, "www-authenticate") ?? "";
  // With tokens it is the token server that judges the log-in.
  if (identity.credentials && status === 401 && /^\s*basic\b/i.test(scheme)) {
    return {
      summary: `${name}: the registry does not take the log-in. ${sentence(identity)}`,
      hint: `The password or token may be old: ${logInCommand(name)}`,
    };
  }
  if (identity.credentials) {
    return {
      summary: `${name}: not found, or no right to pull. ${sentence(identity)}`,
      hint: "Check the spelling, and what the account may do at the registry.",
    };
  }
  return {
    summary: `${name}: not found, or private. ${sentence(identity)}`,
    hint:
      identity.problem === undefined
        ? `Check the spelling. ${logInWith(name)}`
        : "Check the spelling; for a private repository, set that right first.",
  };
}

function logInWith(name: string): string {
  return `For a private repository log in first: ${logInCommand(name)}`;
}

function logInCommand(name: string): string {
  const host = name.split("/")[0] ?? "";
  return host === "docker.io" ? "tpull login" : `tpull login ${host}`;
}

/**
 * The error with what was being fetched in front, unless it says so itself.
 * @param name host/repository, with which messages that say so begin
 * @param what the name and more, e.g. the tag
 */
export function about(
  error: unknown,
  name: string,
  what: string,
  details: ErrorDetails = {},
): unknown {
  if (!isTpullError(error) || error.code === "ABORTED") return error;
  const named = error.message.startsWith(name);
  return error.with(details, named ? "" : `${what}: `);
}

function sentence({ credentials, user, problem }: Identity): string {
  if (!credentials) {
    return problem === undefined
      ? "Sent no credentials."
      : `Sent no credentials: ${serverWords(problem, 300)}.`;
  }
  if (user === undefined) return "Sent credentials.";
  return `Sent the credentials of user ${serverWords(user, 80)}.`;
}

/** What the limit is, where the registry says it. */
function limitOf({ headers }: Refusal): string {
  const limit = parseRateLimit(headers);
  if (limit === undefined) return "";
  const { windowSeconds } = limit;
  const window =
    windowSeconds === undefined ? "" : ` in ${duration(windowSeconds)}`;
  return `${limit.limit} pulls${window} are allowed, `;
}

/** Rounded up: nobody should come too early. */
function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.ceil(seconds / 60)} min`;
  return `${Math.ceil(seconds / 3600)} h`;
}

function waitSeconds({ headers, now }: Refusal): number | undefined {
  return retryAfterSeconds(headerValue(headers, "retry-after"), now);
}

function detailsOf(
  refusal: Refusal,
  errors: readonly RegistryError[],
): ErrorDetails {
  const { status, url } = refusal;
  const wait =
    status === 429 || status === 503 ? waitSeconds(refusal) : undefined;
  const remaining = headerValue(refusal.headers, "ratelimit-remaining");
  return {
    host: url.host,
    method: refusal.method,
    url: redactUrl(url),
    status,
    credentialsSent: refusal.identity.credentials,
    ...(errors.length === 0 ? {} : { errors }),
    ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
    ...(remaining === undefined
      ? {}
      : {
          rateLimitRemaining: serverWords(
            scrub(remaining, refusal.secrets),
            40,
          ),
        }),
  };
}
