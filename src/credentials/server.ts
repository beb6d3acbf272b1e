/**
 * Names of servers in credential files. Docker's own login writes one key for
 * Docker Hub and the bare host for any other registry; older versions and
 * other programs write URLs; podman writes `host/path` for a part of a host.
 */

/** The registry that references without a host mean. */
export const HUB = "docker.io";
/** What docker calls Docker Hub in its configuration and to its helpers. */
const HUB_KEY = "https://index.docker.io/v1/";
const HUB_HOSTS: ReadonlySet<string> = new Set([
  HUB,
  "index.docker.io",
  "registry-1.docker.io",
]);

/** What an entry of a credential file is for. */
export interface Place {
  /** host[:port] in lower case; `docker.io` for every name of Docker Hub. */
  readonly host: string;
  /** Leading parts of the repositories it is for; empty for the whole host. */
  readonly path: string;
}

/** The key under which docker keeps a host's credential. */
export function serverKey(host: string): string {
  return host === HUB ? HUB_KEY : host;
}

/** One name for a host, whichever way it is written. */
export function canonicalHost(host: string): string {
  const lower = host.toLowerCase();
  return HUB_HOSTS.has(lower) ? HUB : lower;
}

/**
 * Reads a key of `auths` or `credHelpers`.
 * @returns `undefined` for a URL with a path of its own: docker keeps other
 *   things than passwords under such keys
 */
export function readKey(key: string): Place | undefined {
  const [, scheme, host = "", rest = ""] =
    /^(https?:\/\/)?([^/]*)(.*)$/is.exec(key.trim()) ?? [];
  if (host === "") return undefined;
  const isRoot =
    scheme === undefined
      ? /^(?:\/+|\/v[12]\/+)?$/.test(rest)
      : /^(?:\/+|\/v[12]\/*)?$/.test(rest);
  if (isRoot) return { host: canonicalHost(host), path: "" };
  if (scheme !== undefined) return undefined;
  const path = rest.replace(/^\/+|\/+$/g, "");
  return { host: canonicalHost(host), path };
}

/** Whether a place's credential is for a repository; without one only a whole host fits. */
export function covers(
  place: Place,
  host: string,
  repository: string | undefined,
): boolean {
  if (place.host !== canonicalHost(host)) return false;
  if (place.path === "") return true;
  return (
    repository !== undefined && `${repository}/`.startsWith(`${place.path}/`)
  );
}
