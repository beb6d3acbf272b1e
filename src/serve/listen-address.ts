/** Where a server listens: `host:port`, `:port` for all addresses, or `unix:PATH`. */
import { isIP, type AddressInfo, type Server } from "node:net";
import { TpullError } from "../../store/errors.js";

export type ListenAddress =
  | { readonly host: string | undefined; readonly port: number }
  | { readonly path: string };

/**
 * Reads an address; undefined for what is none. IPv6 stands in brackets; port 0
 * is a free one.
 */
export function parseListenAddress(text: string): ListenAddress | undefined {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length).replace(/^\/\/(?=\/)/, "");
    return path === "" ? undefined : { path };
  }
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]*)):(\d{1,5})$/.exec(
    text,
  );
  const port = Number(match?.[3]);
  if (match === null || port > 65535) return undefined;
  const [, inBrackets, name] = match;
  if (inBrackets !== undefined) {
    return isIP(inBrackets) === 6 ? { host: inBrackets, port } : undefined;
  }
  return { host: name === "" ? undefined : name, port };
}

/** Connections that wait to be taken: a whole fleet may come at one moment. The kernel has a limit of its own. */
const BACKLOG = 4096;

/**
 * Listens, and says where.
 * @returns `host:port` as it stands in a URL; the path of a socket
 * @throws TpullError `LISTEN_FAILED`
 */
export async function listenAt(
  server: Server,
  address: ListenAddress,
): Promise<string> {
  const place =
    "path" in address
      ? address.path
      : `${address.host ?? "all addresses"} port ${address.port}`;
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ ...address, backlog: BACKLOG }, () => {
        server.off("error", reject);
        resolve();
      });
    });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const hint =
      code !== "EADDRINUSE"
        ? undefined
        : "path" in address
          ? "Another program has this socket; if none does any more, remove the file."
          : "Another program has this port; choose another, or 0 for a free one.";
    throw new TpullError(
      "LISTEN_FAILED",
      `cannot listen on ${place}: ${message}`,
      { cause, ...(hint === undefined ? {} : { hint }) },
    );
  }
  const bound = server.address() as AddressInfo | string;
  if (typeof bound === "string") return bound;
  return bound.family === "IPv6"
    ? `[${bound.address}]:${bound.port}`
    : `${bound.address}:${bound.port}`;
}

/** Whether only this machine can reach it. */
export function isLoopback(address: ListenAddress): boolean {
  if ("path" in address) return true;
  const { host } = address;
  return (
    host === "localhost" ||
    host === "::1" ||
    (host !== undefined && isIP(host) === 4 && host.startsWith("127."))
  );
}
