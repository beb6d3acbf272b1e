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
  static async start(upstream: string): Promise<CountingProxy> {
    const server = createServer((incoming, outgoing) => {
      const counted = {
        method: incoming.method ?? "",
        url: incoming.url ?? "",
        status: 0,
        bytes: 0,
      };
      proxy.requests.push(counted);
      forward(upstream, incoming, outgoing, counted).catch(() =>
        outgoing.destroy(),
      );
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = new CountingProxy(server);
    return proxy;
  }

  /** Bytes sent since the last call, and the requests for them. */
  take(): { bytes: number; requests: CountedRequest[] } {
    const requests = this.requests.splice(0);
    return {
      requests,
      bytes: requests.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
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
