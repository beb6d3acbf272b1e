/** One connection in the making: through a proxy or not, with TLS or without, and how far it came if it fails. */
import { isIP, Socket } from "node:net";
import {
  connect as connectTls,
  type SecureContext,
  type TLSSocket,
} from "node:tls";
import type { buildConnector } from "undici";
import { isTpullError } from "../../store/errors.js";
import {
  CONNECT_TIMEOUT,
  type ConnectFailure,
  type ConnectStage,
  type ShownCertificate,
} from "./connect-failure.js";
import type { ConnectorOptions, TlsOptions } from "./connector.js";
import { ProxyFailure } from "./proxy-errors.js";
import type { Proxy } from "./proxy-settings.js";

/** One server as sockets know it: an IPv6 address has no brackets. */
interface Peer {
  readonly host: string;
  readonly port: number;
}

const SOCKET_CHUNK_BYTES = 64 * 1024;
const KEEP_ALIVE_PROBE_MS = 60_000;
/**
 * How long one of a host's addresses is waited for before the next is tried.
 * Node gives the first up then, so it must outlast the slowest usable link.
 */
const ADDRESS_MS = 500;

export class ConnectionAttempt {
  readonly #options: ConnectorOptions;
  readonly #sessions: Map<string, Buffer>;
  readonly #mine: Socket[] = [];
  readonly #tried: string[] = [];
  #stage: ConnectStage = "lookup";
  /** The proxy that is being talked to. */
  #proxy: Proxy | undefined;
  #certificate: ShownCertificate | undefined;
  /** Rejects when the time is over, or the newest socket closed. */
  readonly #failed: Promise<never>;
  #fail: (error: Error) => void = () => undefined;

  constructor(options: ConnectorOptions, sessions: Map<string, Buffer>) {
    this.#options = options;
    this.#sessions = sessions;
    this.#failed = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
    this.#failed.catch(() => undefined);
  }

  /**
   * Connects. On failure all its sockets are closed.
   * @throws Node's errors as a {@link ConnectFailure}, `ProxyFailure` for what
   *   went wrong at the proxy, and what making trust throws
   */
  async open(target: buildConnector.Options): Promise<Socket> {
    const work = this.#connect(target);
    const timer = setTimeout(
      () => this.#fail(codedError(CONNECT_TIMEOUT)),
      this.#options.timeoutMs,
    );
    try {
      const socket = await Promise.race([work, this.#failed]);
      // Undici would wait for the end of a socket that has ended before it came.
      this.#check(socket);
      return socket;
    } catch (error) {
      work.catch(() => undefined);
      for (const socket of this.#mine) socket.destroy();
      throw this.#explained(error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #connect(target: buildConnector.Options): Promise<Socket> {
    const { tunnel, tls } = this.#options;
    const secure = target.protocol === "https:";
    const peer = {
      host: target.hostname,
      port: Number(target.port) || (secure ? 443 : 80),
    };
    this.#proxy = tunnel?.proxy ?? this.#options.target;
    // Trust is made while the network is waited for.
    const trust = secure ? tls.trust() : undefined;
    trust?.catch(() => undefined);
    let socket: Socket;
    if (tunnel === undefined) {
      socket = await this.#tcp(peer);
    } else {
      const { url } = tunnel.proxy;
      const proxy = peerOf(url);
      socket = await this.#tcp(proxy);
      if (url.protocol === "https:") {
        socket = await this.#tls(socket, proxy, tunnel.tls, tunnel.tls.trust());
      }
      this.#stage = "tunnel";
      const { openTunnel } = await import("./tunnel.js");
      this.#check(socket);
      await openTunnel(socket, tunnel.proxy, peer);
      this.#proxy = undefined;
    }
    return trust === undefined
      ? socket
      : await this.#tls(socket, peer, tls, trust);
  }

  async #tcp({ host, port }: Peer): Promise<Socket> {
    const { lookup } = this.#options;
    const options = {
      host,
      port,
      allowHalfOpen: false,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
      highWaterMark: SOCKET_CHUNK_BYTES,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: ADDRESS_MS,
      ...(lookup === undefined ? {} : { lookup }),
    };
    const socket = this.#keep(new Socket(options));
    this.#stage = isIP(host) === 0 ? "lookup" : "connect";
    socket.on("connectionAttempt", (address: string, to: number) => {
      this.#stage = "connect";
      this.#tried.push(
        address.includes(":") ? `[${address}]:${to}` : `${address}:${to}`,
      );
    });
    // Only now: a look-up that answers at once is heard, too.
    socket.connect(options);
    await happened(socket, "connect");
    return socket;
  }

  async #tls(
    below: Socket,
    { host, port }: Peer,
    { verify }: TlsOptions,
    trust: Promise<SecureContext>,
  ): Promise<TLSSocket> {
    this.#stage = "tls";
    const secureContext = await trust;
    this.#check(below);
    // A proxy is trusted by other rules than a registry of the same name.
    const key = `${this.#proxy === undefined ? "" : "proxy "}${host}:${port}`;
    const session = this.#sessions.get(key);
    const options = {
      socket: below,
      host,
      highWaterMark: SOCKET_CHUNK_BYTES,
      secureContext,
      ...(isIP(host) === 0 ? { servername: host.replace(/\.$/, "") } : {}),
      ...(session === undefined ? {} : { session }),
      rejectUnauthorized: verify,
      ALPNProtocols: ["http/1.1"],
    };
    const socket = this.#keep(connectTls(options));
    // Read before Node judges it: a refused one is gone with its socket.
    socket.prependOnceListener("secure", () => {
      const { issuer, subjectaltname, valid_from, valid_to } =
        socket.getPeerCertificate();
      this.#certificate = {
        issuer: Object.entries(issuer ?? {}),
        names: subjectaltname ?? "",
        validFrom: valid_from,
        validTo: valid_to,
      };
    });
    socket.on("session", (next) => this.#sessions.set(key, next));
    await happened(socket, "secureConnect");
    return socket;
  }

  #keep<T extends Socket>(socket: T): T {
    const { sockets } = this.#options;
    sockets.add(socket);
    this.#mine.push(socket);
    // Between two stages nobody else listens. A TLS alert leaves its socket
    // open, and the end that follows would hide what it said.
    socket.on("error", () => void socket.destroy());
    socket.once("close", () => {
      sockets.delete(socket);
      if (socket === this.#mine.at(-1)) this.#fail(lossOf(socket));
    });
    return socket;
  }

  /** Throws when the socket was lost while something else was waited for. */
  #check(socket: Socket): void {
    if (socket.destroyed) throw lossOf(socket);
  }

  #explained(error: unknown): unknown {
    if (!(error instanceof Error) || isTpullError(error)) return error;
    if (error instanceof ProxyFailure) return error;
    const facts: ConnectFailure = {
      stage: this.#stage,
      tried: this.#tried,
      certificate: this.#certificate,
    };
    const told = Object.assign(error, facts);
    return this.#proxy === undefined
      ? told
      : new ProxyFailure(this.#proxy.url, { cause: told });
  }
}

/** The server of a URL. */
function peerOf(url: URL): Peer {
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port) || (url.protocol === "https:" ? 443 : 80),
  };
}

/** Waits for an event; that it may never come is seen to by the attempt as a whole. */
function happened(socket: Socket, event: string): Promise<void> {
  return new Promise((resolve) => {
    socket.once(event, () => resolve());
  });
}

function lossOf(socket: Socket): Error {
  return socket.errored ?? codedError("ECONNRESET");
}

function codedError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
