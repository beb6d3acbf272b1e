/**
 * A registry that stops in the middle: passes everything on to a real one, but
 * lets each layer's bytes through only half way until its gate is opened.
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

/** Configs and manifests are smaller and are never held. */
const HELD_FROM_BYTES = 100_000;

export class GateProxy {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Settles when the first blob is held half way. */
  readonly held: Promise<void>;
  readonly #server: Server;
  readonly #open: () => void;

  private constructor(server: Server, held: Promise<void>, open: () => void) {
    const { port } = server.address() as AddressInfo;
    this.host = `127.0.0.1:${port}`;
    this.held = held;
    this.#server = server;
    this.#open = open;
  }

  /** @param upstream `HOST:PORT` of the real registry */
  static async start(upstream: string): Promise<GateProxy> {
    const held = deferred();
    const gate = deferred();
    const hold = async () => {
      held.settle();
      await gate.settled;
    };
    const server = createServer((incoming, outgoing) => {
      forward(upstream, incoming, outgoing, hold).catch(() =>
        outgoing.destroy(),
      );
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new GateProxy(server, held.settled, gate.settle);
  }

  /** Lets everything through from now on. */
  open(): void {
    this.#open();
  }

  async stop(): Promise<void> {
    this.open();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}

async function forward(
  upstream: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  hold: () => Promise<void>,
): Promise<void> {
  const [host, port] = upstream.split(":");
  const { method, url, headers } = incoming;
  const asked = request({ host, port, method, path: url, headers });
  asked.end();
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
  const length = Number(answer.headers["content-length"]);
  const isHeld = method === "GET" && length >= HELD_FROM_BYTES;
  let sent = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    outgoing.write(chunk);
    sent += chunk.length;
    if (isHeld && sent >= length / 2) await hold();
  }
  outgoing.end();
}

function deferred(): { settle: () => void; settled: Promise<void> } {
  let settle = () => {};
  const settled = new Promise<void>((resolve) => (settle = resolve));
  return { settle, settled };
}
