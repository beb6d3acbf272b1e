/**
 * A slow link on the loopback interface: passes connections on to a server, and
 * what comes back at so many bytes a second, all connections together.
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

const TICK_MS = 4;
/** Bytes of an answer that wait here before the server is made to wait. */
const HIGH_WATER = 256 * 1024;

interface Flow {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly waiting: Buffer[];
  bytes: number;
  ended: boolean;
}

export class ShapingProxy {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Bytes passed to clients so far, HTTP's own included. */
  passed = 0;
  /** Called after each change of {@link passed}. */
  onPassed: (passed: number) => void = () => undefined;
  readonly #server: Server;
  readonly #rate: number;
  readonly #flows: Set<Flow>;
  readonly #timer: NodeJS.Timeout;
  #last: number = performance.now();
  #allowance = 0;

  private constructor(server: Server, rate: number, flows: Set<Flow>) {
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#server = server;
    this.#rate = rate;
    this.#flows = flows;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /**
   * @param upstream `HOST:PORT` of the server
   * @param rate bytes a second
   */
  static async start(upstream: string, rate: number): Promise<ShapingProxy> {
    const flows = new Set<Flow>();
    const server = createServer((client) => join(client, upstream, flows));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new ShapingProxy(server, rate, flows);
  }

  /** Spends what the time that has passed allows, in turns. */
  #tick(): void {
    const now = performance.now();
    const earned = ((now - this.#last) * this.#rate) / 1000;
    this.#last = now;
    const most = (TICK_MS * 4 * this.#rate) / 1000;
    this.#allowance = Math.min(this.#allowance + earned, most);
    for (let any = true; any && this.#allowance > 0;) {
      any = false;
      const turn = Array.from(this.#flows);
      for (const flow of turn) {
        // A client that does not read is not sent to: its bytes would count.
        if (flow.bytes === 0 || flow.client.writableLength > 0) continue;
        any = true;
        this.#send(flow);
        // It is the last to have its turn again.
        this.#flows.delete(flow);
        this.#flows.add(flow);
        if (this.#allowance <= 0) break;
      }
    }
  }

  #send(flow: Flow): void {
    const chunk = flow.waiting.shift()!;
    const most = Math.max(1, Math.min(16 * 1024, Math.ceil(this.#allowance)));
    const now = chunk.subarray(0, most);
    if (now.length < chunk.length) flow.waiting.unshift(chunk.subarray(most));
    flow.bytes -= now.length;
    this.#allowance -= now.length;
    flow.client.write(now);
    if (flow.bytes < HIGH_WATER) flow.upstream.resume();
    if (flow.bytes === 0 && flow.ended) flow.client.end();
    this.passed += now.length;
    this.onPassed(this.passed);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    for (const { client, upstream } of this.#flows) {
      client.destroy();
      upstream.destroy();
    }
    this.#server.close();
    await once(this.#server, "close");
  }
}

function join(client: Socket, upstreamHost: string, flows: Set<Flow>): void {
  const [host, port] = upstreamHost.split(":");
  const upstream = connect(Number(port), host);
  const flow: Flow = { client, upstream, waiting: [], bytes: 0, ended: false };
  flows.add(flow);
  client.setNoDelay(true);
  client.pipe(upstream);
  upstream.on("data", (chunk: Buffer) => {
    flow.waiting.push(chunk);
    flow.bytes += chunk.length;
    if (flow.bytes >= HIGH_WATER) upstream.pause();
  });
  upstream.on("end", () => {
    flow.ended = true;
    if (flow.bytes === 0) client.end();
  });
  const over = (): void => {
    flows.delete(flow);
    client.destroy();
    upstream.destroy();
  };
  for (const socket of [client, upstream]) socket.on("error", over);
  client.on("close", over);
}
