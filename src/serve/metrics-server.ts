/** `/metrics` on a socket of its own, so that clients of the registry cannot read it. */
import { createServer } from "node:http";
import { listenAt, type ListenAddress } from "./listen-address.js";
import type { ServeMetrics } from "./metrics.js";

const TIMEOUT_MS = 10_000;
const MOST_CONNECTIONS = 64;

export interface MetricsServer {
  readonly url: string;
  close(): Promise<void>;
}

/** @throws TpullError `LISTEN_FAILED` */
export async function startMetricsServer(
  metrics: ServeMetrics,
  address: ListenAddress,
): Promise<MetricsServer> {
  const server = createServer(
    {
      headersTimeout: TIMEOUT_MS,
      requestTimeout: TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_MS / 2,
    },
    (request, response) => {
      const [path] = (request.url ?? "").split("?", 1);
      if (path !== "/metrics") {
        response.writeHead(404).end();
      } else if (request.method !== "GET" && request.method !== "HEAD") {
        response.writeHead(405, { Allow: "GET, HEAD" }).end();
      } else {
        response.setHeader("Content-Type", metrics.contentType);
        response.end(metrics.text());
      }
    },
  );
  server.maxConnections = MOST_CONNECTIONS;
  server.setTimeout(TIMEOUT_MS);
  const bound = await listenAt(server, address);
  return {
    url: "path" in address ? `unix:${bound}` : `http://${bound}/metrics`,
    async close() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
