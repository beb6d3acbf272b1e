/**
 * A network to a server on this machine: a TCP proxy with the delay of a long
 * way, a limit for each connection and one for all of them, that counts what
 * goes through.
 */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface LinkOptions {
  /** There and back. Milliseconds. */
  readonly roundTripMs?: number;
  /** To the client, of each connection. Bytes a second. */
  readonly connectionRate?: number;
  /** To the client, of all connections. Bytes a second. */
  readonly rate?: number;
}

/** Timers are no finer. */
const TICK_MS = 2;
/** What is behind the rate by more than this is left in the server's hands. */
const BACKLOG_MS = 20;

export class Link {
  /** `127.0.0.1:PORT`, to be used in the server's place. */
  readonly host: string;
  /** To the client, so far. */
  bytes = 0;
  /** Connections so far. */
  connections = 0;
  /** The most that were open at a time. */
  mostAtOnce = 0;
  /** May be changed while the link is in use. */
  connectionRate: number;
  readonly stop: () => Promise<void>;
  readonly #sockets = new Set<Socket>();
  readonly #options: LinkOptions;
  #open = 0;
  /** When all that was sent so far has passed the limit of all connections. */
  #freeAt = 0;

  private constructor(port: number, options: LinkOptions, stop: () => void) {
    this.host = `127.0.0.1:${port}`;
    this.#options = options;
    this.connectionRate = options.connectionRate ?? Number.POSITIVE_INFINITY;
    this.stop = async () => {
      for (const socket of this.#sockets) socket.destroy();
      stop();
    };
  }

  /** @param server `HOST:PORT` of the real one */
  static async to(server: string, options: LinkOptions = {}): Promise<Link> {
    const listener = createServer({ pauseOnConnect: true }, (client) =>
      link.#carry(client, server),
    );
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as AddressInfo;
    const link = new Link(port, options, () => listener.close());
    return link;
  }

  #carry(client: Socket, server: string): void {
    const [host, port] = server.split(":");
    const upstream = connect(Number(port), host);
    this.connections += 1;
    this.#open += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#open);
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.setNoDelay();
      socket.on("close", () => this.#sockets.delete(socket));
    }
    client.on("error", () => undefined);
    client.on("close", () => {
      this.#open -= 1;
      upstream.destroy();
    });
    // An orderly end comes after what was sent before it; a break comes at once.
    upstream.on("error", () => client.destroy());
    const half = (this.#options.roundTripMs ?? 0) / 2;
    // The handshake took a round trip that the system did not wait for.
    const begun = performance.now() + 2 * half;
    const up = (_: number, now: number) => Math.max(begun, now);
    relay(client, upstream, half, up);
    let sentAt = 0;
    const down = (bytes: number, now: number) => {
      sentAt = Math.max(now, sentAt) + (bytes / this.connectionRate) * 1000;
      const rate = this.#options.rate ?? Number.POSITIVE_INFINITY;
      this.#freeAt = Math.max(now, this.#freeAt) + (bytes / rate) * 1000;
      return Math.max(sentAt, this.#freeAt);
    };
    relay(upstream, client, half, down, (bytes) => (this.bytes += bytes));
  }
}

/** Passes on what comes, each piece so long after it is sent. */
function relay(
  from: Socket,
  to: Socket,
  delayMs: number,
  sentAt: (bytes: number, now: number) => number,
  count?: (bytes: number) => void,
): void {
  const queue: { chunk: Buffer; sent: number }[] = [];
  let ended = false;
  let timer: NodeJS.Timeout | undefined;
  const mayRead = (now: number): boolean =>
    !to.writableNeedDrain && (queue.at(-1)?.sent ?? 0) <= now + BACKLOG_MS;
  const wait = (now: number): void => {
    const [next] = queue;
    if (next === undefined) return;
    const due = next.sent + delayMs - now;
    timer ??= setTimeout(pass, Math.max(TICK_MS, due));
  };
  const pass = (): void => {
    timer = undefined;
    const now = performance.now();
    for (;;) {
      const [next] = queue;
      if (next === undefined || next.sent + delayMs > now) break;
      queue.shift();
      count?.(next.chunk.length);
      to.write(next.chunk);
    }
    if (mayRead(now)) from.resume();
    else if (to.writableNeedDrain) to.once("drain", () => from.resume());
    wait(now);
    if (ended && queue.length === 0) to.end();
  };
  from.on("data", (chunk: Buffer) => {
    const now = performance.now();
    queue.push({ chunk, sent: sentAt(chunk.length, now) });
    if (!mayRead(now)) from.pause();
    wait(now);
  });
  from.on("end", () => {
    ended = true;
    if (queue.length === 0) to.end();
  });
  to.on("close", () => clearTimeout(timer));
  from.resume();
}
