/**
 * Stands before a registry and counts what is asked of it: every request, and
 * every byte of body that it sends.
 */
import { once } from "node:events";
import {
  createServer,
  request,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";

export interface CountedRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  status: number;
  /** Of the answer's body, as far as it was sent. */
  bytes: number;
}

export interface CountingProxyOptions {
  /** `HOST:PORT` to which every GET of a blob is sent on, as large registries do. */
  readonly blobsAt?: string;
}

export class CountingProxy {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly requests: CountedRequest[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    const { port } = server.address() as AddressInfo;
    this.host = `127.0.0.1:${port}`;
    this.#server = server;
  }

  /** @param upstream `HOST:PORT` of the real registry */
  static async start(
    upstream: string,
    options: CountingProxyOptions = {},
  ): Promise<CountingProxy> {
    const server = createServer((incoming, outgoing) => {
      const counted = {
        method: incoming.method ?? "",
        url: incoming.url ?? "",
        status: 0,
        bytes: 0,
      };
      proxy.requests.push(counted);
      if (options.blobsAt !== undefined && isBlob(counted)) {
        counted.status = 307;
        const location = `http://${options.blobsAt}${counted.url}?signature=1`;
        outgoing.writeHead(307, { location }).end();
        return;
      }
      forward(upstream, incoming, outgoing, counted).catch(() =>
        outgoing.destroy(),
      );
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = new CountingProxy(server);
    return proxy;
  }

  /** Bytes of blobs sent so far. */
  blobBytes(): number {
    return this.requests
      .filter(isBlob)
      .reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}

function isBlob({ method, url }: CountedRequest): boolean {
  return method === "GET" && url.includes("/blobs/sha256:");
}

async function forward(
  upstream: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  counted: CountedRequest,
): Promise<void> {
  const [host, port] = upstream.split(":");
  const { method, url, headers } = incoming;
  const asked = request({ host, port, method, path: url, headers });
  outgoing.once("close", () => asked.destroy());
  asked.end();
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  counted.status = answer.statusCode ?? 502;
  outgoing.writeHead(counted.status, answer.headers);
  answer.on("data", (chunk: Buffer) => (counted.bytes += chunk.length));
  await pipeline(answer, outgoing);
}
