/** The read-only registry on a socket of its own. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { TpullError } from "../../store/index.js";
import type { Content } from "./content.js";
import { createRegistryHandler } from "./handler.js";
import type { RegistryHandlerOptions } from "./handler.js";

export interface RegistryServerOptions extends RegistryHandlerOptions {
  content: Content;
  /** Address to listen on; default `127.0.0.1`. */
  host?: string;
  /** Port to listen on; default 0, a free one. */
  port?: number;
  /** A connection on which nothing moves for so long is closed; default a minute. */
  idleTimeoutMs?: number;
  /** How long `close()` lets replies that are under way go on; default five seconds. */
  closeGraceMs?: number;
}

export interface RegistryServer {
  /** e.g. `http://127.0.0.1:41234` */
  readonly url: string;
  /** What stands before the first `/` of a reference, e.g. `127.0.0.1:41234`. */
  readonly host: string;
  /**
   * Takes no more connections, lets replies end that are under way, and cuts
   * those that last longer than the grace. Resolves when the last connection
   * is closed; may be called again.
   */
  close(): Promise<void>;
}

/** Requests have no body that we read, so a slow sender gets little time. */
const REQUEST_TIMEOUT_MS = 20_000;
/** Kept a little longer than clients commonly keep theirs, so that they close first. */
const KEEP_ALIVE_TIMEOUT_MS = 30_000;

/**
 * Serves `content` over plain HTTP until `close()`.
 * @throws TpullError `LISTEN_FAILED`
 */
export async function startRegistryServer(
  options: RegistryServerOptions,
): Promise<RegistryServer> {
  const { content, host = "127.0.0.1", port = 0 } = options;
  const { idleTimeoutMs = 60_000, closeGraceMs = 5_000 } = options;
  const handler = createRegistryHandler(content, options);
  const server = createServer(
    {
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    },
    handler,
  );
  // Node counts bytes that the client takes as movement, so this ends stalled
  // downloads and leaves slow ones alone.
  server.setTimeout(idleTimeoutMs);
  // Nobody who asks first is told to go on and send a body.
  server.on("checkContinue", (request, response) => {
    response.shouldKeepAlive = false;
    handler(request, response);
  });
  // A connection that was busy when the server closed would otherwise wait for
  // another request after its reply.
  server.on("request", (_request, response) => {
    response.once("close", () => {
      if (!server.listening) server.closeIdleConnections();
    });
  });
  await listen(server, host, port);
  const address = hostOf(server.address() as AddressInfo);
  let closed: Promise<void> | undefined;
  return {
    url: `http://${address}`,
    host: address,
    close: () => (closed ??= closeGracefully(server, closeGraceMs)),
  };
}

async function listen(
  server: Server,
  host: string,
  port: number,
): Promise<void> {
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new TpullError(
      "LISTEN_FAILED",
      `cannot listen on ${host} port ${port}: ${message}`,
      {
        cause,
        ...(code === "EADDRINUSE" && {
          hint: "Another program has this port; choose another, or 0 for a free one.",
        }),
      },
    );
  }
}

async function closeGracefully(server: Server, graceMs: number): Promise<void> {
  const closed = once(server, "close");
  server.close();
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed.finally(() => clearTimeout(cut));
}

function hostOf({ address, port, family }: AddressInfo): string {
  return family === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`;
}
