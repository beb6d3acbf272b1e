/** The read-only registry on a socket of its own. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import {
  createServer as createTlsServer,
  type Server as TlsServer,
} from "node:https";
import { TpullError } from "../../store/index.js";
import type { Content } from "./content.js";
import { createRegistryHandler } from "./handler.js";
import type { RegistryHandlerOptions } from "./handler.js";
import { listenAt, type ListenAddress } from "./listen-address.js";

export interface RegistryServerOptions extends RegistryHandlerOptions {
  content: Content;
  /** Address to listen on; default `127.0.0.1`. */
  host?: string | undefined;
  /** Port to listen on; default 0, a free one. */
  port?: number;
  /** Where to listen, instead of host and port. */
  address?: ListenAddress | undefined;
  /** PEM texts; without them it speaks plain HTTP. */
  tls?: { readonly cert: string; readonly key: string } | undefined;
  /** A connection on which nothing moves for so long is closed; default a minute. */
  idleTimeoutMs?: number;
  /** Time for a request's headers, and for the TLS handshake; default 20 seconds. */
  requestTimeoutMs?: number;
  /** How long `close()` lets replies that are under way go on; default five seconds. */
  closeGraceMs?: number;
  /** More clients are turned away; default 8192. */
  maxConnections?: number;
}

export interface RegistryServer {
  /** e.g. `http://127.0.0.1:41234`; `unix:PATH` for a socket */
  readonly url: string;
  /** What stands before the first `/` of a reference, e.g. `127.0.0.1:41234`. */
  readonly host: string;
  /** Clients that are connected now. */
  connections(): number;
  /**
   * Takes no more connections, lets replies end that are under way, and cuts
   * those that last longer than the grace. Resolves when the last connection
   * is closed; may be called again.
   */
  close(): Promise<void>;
}

/** Kept a little longer than clients commonly keep theirs, so that they close first. */
const KEEP_ALIVE_TIMEOUT_MS = 30_000;
/** All headers of a request; `Authorization` is the longest there should be. */
const MAX_HEADER_BYTES = 16 * 1024;

/**
 * Serves `content` until `close()`.
 * @throws TpullError `LISTEN_FAILED`, `TLS_INVALID`
 */
export async function startRegistryServer(
  options: RegistryServerOptions,
): Promise<RegistryServer> {
  const { content, host = "127.0.0.1", port = 0, tls } = options;
  const { address = { host, port } } = options;
  const { idleTimeoutMs = 60_000, closeGraceMs = 5_000 } = options;
  const { requestTimeoutMs = 20_000, maxConnections = 8192 } = options;
  let answering = 0;
  let idle = (): void => {};
  const handler = createRegistryHandler(content, {
    ...options,
    onBegin: () => {
      answering += 1;
      options.onBegin?.();
    },
    onEnd: (exchange) => {
      answering -= 1;
      options.onEnd?.(exchange);
      if (answering === 0) idle();
    },
  });
  const close = async (): Promise<void> => {
    await closeGracefully(server, closeGraceMs);
    // A reply that was cut learns of it a moment after the server is closed.
    if (answering > 0) await new Promise<void>((resolve) => (idle = resolve));
  };
  const settings = {
    headersTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.min(requestTimeoutMs / 4, 5_000),
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    noDelay: true,
  };
  const server =
    tls === undefined
      ? createServer(settings, handler)
      : tlsServer({ ...settings, ...tls, handshakeTimeout: requestTimeoutMs });
  if (tls !== undefined) server.on("request", handler);
  server.maxConnections = maxConnections;
  let connected = 0;
  server.on("connection", (socket) => {
    // Asked for once, it is known also when the client has gone away.
    void socket.remoteAddress;
    connected += 1;
    socket.once("close", () => (connected -= 1));
  });
  server.on("secureConnection", (socket) => void socket.remoteAddress);
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
  const bound = await listenAt(server, address);
  const scheme = tls === undefined ? "http" : "https";
  let closed: Promise<void> | undefined;
  return {
    url: "path" in address ? `unix:${bound}` : `${scheme}://${bound}`,
    host: bound,
    connections: () => connected,
    close: () => (closed ??= close()),
  };
}

function tlsServer(
  options: Parameters<typeof createTlsServer>[0] & object,
): TlsServer {
  try {
    return createTlsServer({ ...options, minVersion: "TLSv1.2" });
  } catch (cause) {
    throw new TpullError(
      "TLS_INVALID",
      `certificate and key cannot be used: ${(cause as Error).message}`,
      {
        hint: "Both are PEM files; the key is the certificate's, and has no passphrase.",
        cause,
      },
    );
  }
}

async function closeGracefully(
  server: Server | TlsServer,
  graceMs: number,
): Promise<void> {
  const closed = once(server, "close");
  server.close();
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed.finally(() => clearTimeout(cut));
}
