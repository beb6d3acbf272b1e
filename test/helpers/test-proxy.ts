/**
 * A proxy in this process: CONNECT and whole-URL requests, with a password and
 * refusals if a test wants them, and a record of everything it was asked.
 * Whatever host it is asked for, it goes to this machine.
 */
import {
  createServer,
  request as askHttp,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { createServer as createSecureServer } from "node:https";
import { connect, type AddressInfo, type Socket } from "node:net";
import type { TestCert } from "./certificates.js";

export interface TestProxyOptions {
  /** Talk TLS with clients. */
  readonly tls?: TestCert;
  /** `user:password` that clients must send. */
  readonly password?: string;
  /** What 407 offers; default Basic. */
  readonly scheme?: string;
}

export interface ProxyRequest {
  readonly method: string;
  /** host:port of CONNECT, otherwise the whole URL. */
  readonly target: string;
  readonly headers: IncomingMessage["headers"];
}

export interface ProxyRefusal {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

export class TestProxy {
  /** `http://127.0.0.1:PORT` or with https. */
  readonly url: string;
  readonly host: string;
  readonly requests: ProxyRequest[] = [];
  /** Answers of the next requests instead of the right one; `silence` is none at all. */
  readonly refusals: (ProxyRefusal | "cut" | "silence")[] = [];
  readonly #server: ReturnType<typeof createServer>;
  readonly #sockets = new Set<Socket>();
  readonly #options: TestProxyOptions;

  private constructor(
    server: ReturnType<typeof createServer>,
    options: TestProxyOptions,
  ) {
    const { port } = server.address() as AddressInfo;
    this.#server = server;
    this.#options = options;
    this.host = `127.0.0.1:${port}`;
    this.url = `${options.tls === undefined ? "http" : "https"}://${this.host}`;
    server.on("connection", (socket: Socket) => this.#keep(socket));
    server.on("secureConnection", (socket: Socket) => this.#keep(socket));
    server.on("connect", (request, socket: Socket) =>
      this.#connect(request, socket),
    );
    server.on("request", (request, response) =>
      this.#forward(request, response),
    );
  }

  static async start(options: TestProxyOptions = {}): Promise<TestProxy> {
    const server =
      options.tls === undefined
        ? createServer()
        : createSecureServer(options.tls);
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    return new TestProxy(server, options);
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  #connect(request: IncomingMessage, socket: Socket): void {
    const refusal = this.#refusal(request);
    if (refusal === "silence") return;
    if (refusal === "cut") {
      socket.destroy();
      return;
    }
    if (refusal !== undefined) {
      const { status, headers = {}, body = "" } = refusal;
      const all = { ...headers, "content-length": String(body.length) };
      const lines = Object.entries(all).map((pair) => pair.join(": "));
      socket.end(
        [`HTTP/1.1 ${status} Refused`, ...lines, "", body].join("\r\n"),
      );
      return;
    }
    const port = Number(/:(\d+)$/.exec(request.url ?? "")?.[1]);
    const onward = connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      socket.pipe(onward).pipe(socket);
    });
    this.#keep(onward);
    onward.once("close", () => socket.destroy());
    onward.once("error", () => socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
    socket.once("close", () => onward.destroy());
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    const refusal = this.#refusal(request);
    if (refusal === "silence") return;
    if (refusal === "cut") {
      request.socket.destroy();
      return;
    }
    if (refusal !== undefined) {
      response.writeHead(refusal.status, refusal.headers);
      response.end(refusal.body);
      return;
    }
    const { port, pathname, search } = new URL(request.url ?? "");
    const { method, headers } = request;
    const onward = askHttp(
      { host: "127.0.0.1", port, method, path: pathname + search, headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, {
          ...answer.headers,
          via: "1.1 proxy.test",
        });
        answer.pipe(response);
      },
    );
    onward.once("error", () => response.writeHead(502).end());
    request.pipe(onward);
  }

  /** Records the request and says what it is refused with. */
  #refusal(
    request: IncomingMessage,
  ): ProxyRefusal | "cut" | "silence" | undefined {
    const { method = "", url = "", headers } = request;
    this.requests.push({ method, target: url, headers: { ...headers } });
    const { password, scheme = 'Basic realm="proxy"' } = this.#options;
    const sent = headers["proxy-authorization"];
    delete headers["proxy-authorization"];
    if (password !== undefined) {
      const wanted = `Basic ${Buffer.from(password).toString("base64")}`;
      if (sent !== wanted) {
        return { status: 407, headers: { "proxy-authenticate": scheme } };
      }
    }
    return this.refusals.shift();
  }
}
