/**
 * The URL of a place: `https://mirror.example:5000/path`, or without a scheme
 * for HTTPS. containerd's rules for the path: the API is below it at `/v2`,
 * which may be written or left out, except where the path is said to be the
 * API's root already.
 */
import { quoted } from "../../store/reference/printable.js";
import type { Report } from "./report.js";

/** Docker Hub as references name it, and where its API is. */
export const HUB = "docker.io";
export const HUB_API = "registry-1.docker.io";
/** Names of the Hub that many files give as its address; none of them has the API. */
const HUB_NAMES: ReadonlySet<string> = new Set([HUB, "index.docker.io"]);

export interface PlaceUrl {
  readonly protocol: "http:" | "https:";
  /** Lower-case name or address, with the port unless it is the protocol's own. */
  readonly host: string;
  /** The same without the port; IPv6 in brackets. */
  readonly hostname: string;
  /** Empty, or with a slash in front and none behind. */
  readonly path: string;
  readonly overridePath: boolean;
}

export interface PlaceUrlRules {
  readonly overridePath: boolean;
  /** Whether user info, query and fragment are errors, and the scheme has to be there. */
  readonly strict: boolean;
}

/** Reads a URL; what cannot be used goes to the report, without showing secrets. */
export function parsePlaceUrl(
  text: string,
  rules: PlaceUrlRules,
  report: Report,
): PlaceUrl {
  const url = readUrl(text, rules.strict, report);
  for (const [found, name] of [
    [url.username !== "" || url.password !== "", "user name and password"],
    [url.search !== "", "query"],
    [url.hash !== "", "fragment"],
  ] as const) {
    if (!found) continue;
    if (rules.strict) throw report.fail(`the URL must have no ${name}`);
    report.warn(`the URL's ${name} is not used`);
  }
  const path = apiRoot(url.pathname, rules.overridePath);
  const isHub =
    path === "" && url.protocol === "https:" && HUB_NAMES.has(url.host);
  return {
    protocol: url.protocol as "http:" | "https:",
    host: isHub ? HUB_API : url.host,
    hostname: isHub ? HUB_API : url.hostname,
    path,
    overridePath: rules.overridePath,
  };
}

/** The registry itself: at its own name, the Hub at its API's. */
export function registryUrl(
  registry: string,
  protocol: "http:" | "https:" = "https:",
): PlaceUrl {
  const { host, hostname } = new URL(
    `${protocol}//${registry === HUB ? HUB_API : registry}`,
  );
  return { protocol, host, hostname, path: "", overridePath: false };
}

/** As a base URL, with another protocol if need be. */
export function baseOf(
  { host, path, protocol }: PlaceUrl,
  spoken: "http:" | "https:" = protocol,
): string {
  return `${spoken}//${host}${path}`;
}

/** Whether that is where the registry is, and not somewhere else that has its content. */
export function isRegistry(url: PlaceUrl, registry: string): boolean {
  return url.host === registryUrl(registry, url.protocol).host;
}

function readUrl(text: string, strict: boolean, report: Report): URL {
  const [, scheme] = /^([^/?#@]*):\/\//.exec(text) ?? [];
  if (scheme === undefined && strict) {
    throw report.fail(
      "the URL has to begin with https:// or http://",
      "Write it like https://mirror.example:5000.",
    );
  }
  const whole = scheme === undefined ? `https://${text}` : text;
  // A bare number would be taken for an address in decimal.
  const url =
    /^\d*$/.test(text) || !URL.canParse(whole) ? undefined : new URL(whole);
  if (url === undefined) {
    const secret = /[@?]/.test(text);
    throw report.fail(secret ? "not a URL" : `${quoted(text)} is not a URL`);
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw report.fail(
      `${quoted(url.protocol.slice(0, -1))} is not spoken, only https and http`,
    );
  }
  return url;
}

function apiRoot(pathname: string, overridePath: boolean): string {
  const path = pathname.replace(/(?<!\/)\/+$/, "");
  return overridePath ? path : path.replace(/\/v2$/, "");
}
