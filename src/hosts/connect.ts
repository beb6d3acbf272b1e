/**
 * How a place is connected to: which protocol, which certificates. Docker's
 * and containerd's rules, of which the first that applies counts:
 * 1. A host on the plain list is spoken to in plain HTTP.
 * 2. A host on the insecure list may show any certificate, and speak plain HTTP.
 * 3. What the place's own configuration says.
 * 4. A host on this machine may show any certificate; the registry itself
 *    there may speak plain HTTP.
 * 5. HTTPS, with the system's authorities and those of the host's folder.
 */
import { isLoopbackHost } from "../registry/addresses.js";
import type { ConnectionProfile, HostConfig } from "../registry/endpoint.js";
import { baseOf, isRegistry, registryUrl } from "./place-url.js";
import type { Certificates, Place } from "./types.js";

export interface ConnectRules {
  isPlain(host: string): Promise<boolean>;
  isInsecure(host: string): Promise<boolean>;
  /** From the folder of the place's host. */
  certificates(host: string): Promise<Certificates>;
  /** The same object for the same profile. */
  shared(profile: ConnectionProfile): ConnectionProfile;
}

/** @throws TpullError `HOSTS_CONFIG_INVALID` for the host's own certificates */
export async function connect(
  place: Place,
  registry: string,
  rules: ConnectRules,
): Promise<HostConfig> {
  const url = place.url ?? registryUrl(registry);
  const origin = isRegistry(url, registry);
  const host = origin ? registry : url.host;
  const timeout =
    place.connectTimeoutMs === undefined
      ? {}
      : { connectTimeoutMs: place.connectTimeoutMs };
  const common = {
    origin,
    capabilities: place.capabilities,
    overridePath: url.overridePath,
    headers: place.headers,
  };

  const own = place.ca !== undefined || place.client !== undefined;
  const saysTls = own || place.skipVerify !== undefined;
  // A port other than HTTP's does not tell what is spoken there; whoever
  // configures TLS for it means HTTPS where it is to be had.
  const plain =
    (await rules.isPlain(host)) ||
    (url.protocol === "http:" && !(saysTls && url.host !== url.hostname));
  if (plain) {
    const spoken =
      place.url === undefined ? registryUrl(registry, "http:") : url;
    return {
      ...common,
      url: baseOf(spoken, "http:"),
      connection: rules.shared({ verify: true, ...timeout }),
      plainHttpFallback: false,
    };
  }

  const insecure = await rules.isInsecure(host);
  const loopback = isLoopbackHost(url.hostname);
  const verify =
    !insecure && !(place.skipVerify ?? (loopback && place.ca === undefined));
  const { ca, client } = own ? place : await rules.certificates(host);
  return {
    ...common,
    url: baseOf(url, "https:"),
    connection: rules.shared({
      verify,
      ...(ca !== undefined && verify ? { ca } : {}),
      ...(client === undefined ? {} : { client }),
      ...timeout,
    }),
    plainHttpFallback:
      insecure ||
      url.protocol === "http:" ||
      (loopback && place.url === undefined),
  };
}
