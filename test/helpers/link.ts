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
/** A server has so much on its way without an acknowledgement, beside what the rate makes. */
const WINDOW_BYTES = 64 * 1024;

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
    relay(client, upstream, (_, now) => Math.max(begun, now) + half);
    let sentAt = 0;
    relay(upstream, client, (bytes, now) => {
      this.bytes += bytes;
      sentAt = Math.max(now, sentAt) + (bytes / this.connectionRate) * 1000;
      const rate = this.#options.rate ?? Number.POSITIVE_INFINITY;
      this.#freeAt = Math.max(now, this.#freeAt) + (bytes / rate) * 1000;
      return Math.max(sentAt, this.#freeAt) + half;
    });
  }
}

/** Passes on what comes, each piece when it is due. */
function relay(
  from: Socket,
  to: Socket,
  dueAt: (bytes: number, now: number) => number,
): void {
  const queue: { chunk: Buffer; due: number }[] = [];
  let queued = 0;
  let ended = false;
  let timer: NodeJS.Timeout | undefined;
  const pass = (): void => {
    timer = undefined;
    const now = performance.now();
    for (let next = queue[0]; next && next.due <= now; next = queue[0]) {
      queue.shift();
      queued -= next.chunk.length;
      to.write(next.chunk);
    }
    // The rate is the sender's: what is delayed by the way alone is no reason to stop it.
    const isBehind =
      queued > WINDOW_BYTES && (queue.at(-1)?.due ?? 0) > now + 200;
    if (!isBehind && !to.writableNeedDrain) from.resume();
    const [next] = queue;
    if (next !== undefined) {
      timer = setTimeout(pass, Math.max(TICK_MS, next.due - now));
    } else if (ended) to.end();
    else if (to.writableNeedDrain) to.once("drain", pass);
  };
  from.on("data", (chunk: Buffer) => {
    const now = performance.now();
    const due = dueAt(chunk.length, now);
    queue.push({ chunk, due });
    queued += chunk.length;
    if (to.writableNeedDrain || (queued > WINDOW_BYTES && due > now + 200)) {
      from.pause();
    }
    timer ??= setTimeout(pass, Math.max(TICK_MS, due - now));
  });
  from.on("end", () => {
    ended = true;
    timer ??= setTimeout(pass, 0);
  });
  to.on("close", () => clearTimeout(timer));
  from.resume();
}
