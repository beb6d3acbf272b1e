/** Where a redirect may lead, and what its target is told. */
import { TpullError } from "../../store/errors.js";
import { headerValue, type ResponseHeaders } from "./headers.js";
import { redactUrl } from "./redact.js";

/** Redirects followed for one request. */
export const MAX_REDIRECTS = 10;
const REDIRECT_STATUS = new Set([301, 302, 303, 307, 308]);

/** Known to its owner only, whoever put it among the ordinary headers. */
const SECRET_HEADERS = ["authorization", "cookie"];
/** Of the connection or the proxy: no caller's business. */
const CONNECTION_HEADERS = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const NOT_FOR_OTHERS = new Set([...CONNECTION_HEADERS, ...SECRET_HEADERS]);

type Headers = Readonly<Record<string, string>>;

/** The location of a response that is a redirect; `undefined` for any other. */
export function redirectLocation(
  status: number,
  headers: ResponseHeaders,
): string | undefined {
  return REDIRECT_STATUS.has(status)
    ? headerValue(headers, "location")
    : undefined;
}

/** What a request may say beside its method and URL. */
export interface Sayings {
  /** For every hop. */
  readonly headers?: Headers | undefined;
  /** For the origin that was asked. */
  readonly hostHeaders?: Headers | undefined;
  /** For the origin that was asked. */
  readonly authorization?: string | undefined;
}

/**
 * The headers of one hop.
 * @param home whether no hop so far has left the origin that was asked
 */
export function hopHeaders(
  { headers = {}, hostHeaders = {}, authorization }: Sayings,
  home: boolean,
): Record<string, string> {
  const told: Record<string, string> = {};
  const add = (from: Headers, except: ReadonlySet<string>): void => {
    for (const [name, value] of Object.entries(from)) {
      const key = name.toLowerCase();
      if (!except.has(key)) told[key] = value;
    }
  };
  if (home) add(hostHeaders, CONNECTION_HEADERS);
  add(headers, home ? CONNECTION_HEADERS : NOT_FOR_OTHERS);
  if (home && authorization !== undefined)
    told["authorization"] = authorization;
  return told;
}

/**
 * The target of a redirect: never from https to plain http, and no more than
 * {@link MAX_REDIRECTS} of them.
 * @param from who redirects
 * @param hops redirects followed before this one
 * @throws TpullError `REDIRECT_REFUSED`
 */
export function redirectTarget(
  request: { readonly method: string; readonly url: URL },
  from: URL,
  location: string,
  hops: number,
): URL {
  const refused = (why: string): TpullError =>
    new TpullError(
      "REDIRECT_REFUSED",
      `${request.method} ${redactUrl(request.url)}: ${why}`,
      { details: { host: from.host } },
    );
  if (hops >= MAX_REDIRECTS) {
    throw refused(`redirected more than ${MAX_REDIRECTS} times`);
  }
  if (!URL.canParse(location, from.href)) {
    throw refused(`${from.host} redirects to something that is not a URL`);
  }
  const target = new URL(location, from);
  target.hash = "";
  if (target.protocol !== "https:" && target.protocol !== "http:") {
    throw refused(`${from.host} redirects to a ${target.protocol} URL`);
  }
  if (target.protocol === "http:" && request.url.protocol === "https:") {
    throw refused(
      `${from.host} redirects to plain HTTP (${redactUrl(target)})`,
    );
  }
  return target;
}
