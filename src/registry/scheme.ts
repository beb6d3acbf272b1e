/** URLs of a registry's API, and whether a port speaks TLS. */
import { isIP, type LookupFunction } from "node:net";
import { connect } from "node:tls";
import type { Endpoint } from "./endpoint.js";

/**
 * The URL of something in a repository.
 * @param path `<repository>/<what>`, with a query perhaps
 */
export function apiUrl(endpoint: Endpoint, path: string): URL {
  const prefix = endpoint.base.pathname.replace(/(?<!\/)\/+$/, "");
  const root = endpoint.overridePath ? prefix : `${prefix}/v2`;
  const url = new URL(`${root}/${path}`, endpoint.base);
  // A mirror of several registries tells them apart by this (containerd's rule).
  if (!endpoint.origin) url.searchParams.set("ns", endpoint.registry);
  return url;
}

/**
 * Whether TLS is spoken there; `undefined` when nobody answers. Certificates
 * do not matter: neither the server's, nor one that it wants to see.
 * @param lookup instead of the system's resolver
 */
export function speaksTls(
  base: URL,
  timeoutMs: number,
  lookup?: LookupFunction,
): Promise<boolean | undefined> {
  const host = base.hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port: Number(base.port) || 443,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(lookup === undefined ? {} : { lookup }),
      rejectUnauthorized: false,
      ALPNProtocols: ["http/1.1"],
    });
    const finish = (answer: boolean | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => finish(undefined), timeoutMs);
    let answered = false;
    socket.once("connect", () => (answered = true));
    socket.once("secureConnect", () => finish(true));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // An alert is TLS, too.
      if (/^ERR_SSL_.*ALERT/.test(error.code ?? "")) finish(true);
      else finish(answered ? false : undefined);
    });
    socket.once("close", () => finish(false));
  });
}
