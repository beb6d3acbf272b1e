/**
 * How sockets are made. Undici's own connector keeps a connection attempt
 * alive when its dispatcher is destroyed, and times it with a clock of half a
 * second; this one knows all its sockets and can close them.
 */
import {
  connect as connectTcp,
  isIP,
  type LookupFunction,
  type Socket,
} from "node:net";
import { connect as connectTls, rootCertificates } from "node:tls";
import type { buildConnector } from "undici";
import { CONNECT_TIMEOUT } from "./network-errors.js";

/** Where trust and addresses come from, for all hosts. */
export interface NetworkOptions {
  /** PEM certificates trusted beside the ones Node trusts. */
  readonly ca?: string | readonly string[];
  /** Resolves host names instead of the system's resolver. */
  readonly lookup?: LookupFunction;
}

export interface ConnectorOptions extends NetworkOptions {
  /** From the name look-up to the end of the TLS handshake. Milliseconds. */
  readonly timeoutMs: number;
  /** `false` accepts any certificate. */
  readonly verify: boolean;
  /** Every socket is in here from its first moment to its close. */
  readonly sockets: Set<Socket>;
}

const SOCKET_CHUNK_BYTES = 64 * 1024;
const KEEP_ALIVE_PROBE_MS = 60_000;

/** Makes the function that opens undici's connections. */
export function createConnector(
  options: ConnectorOptions,
): buildConnector.connector {
  const sessions = new Map<string, Buffer>();
  const ca =
    options.ca === undefined
      ? {}
      : { ca: [...rootCertificates, options.ca].flat() };

  function open(target: buildConnector.Options): Socket {
    const secure = target.protocol === "https:";
    const common = {
      host: target.hostname,
      port: Number(target.port) || (secure ? 443 : 80),
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
      highWaterMark: SOCKET_CHUNK_BYTES,
      ...(options.lookup === undefined ? {} : { lookup: options.lookup }),
    };
    if (!secure) return connectTcp(common);
    const key = `${common.host}:${common.port}`;
    const session = sessions.get(key);
    const socket = connectTls({
      ...common,
      ...ca,
      ...(isIP(common.host) === 0 ? { servername: common.host } : {}),
      ...(session === undefined ? {} : { session }),
      rejectUnauthorized: options.verify,
      ALPNProtocols: ["http/1.1"],
    });
    socket.on("session", (next) => sessions.set(key, next));
    return socket;
  }

  return (target, callback) => {
    const socket = open(target);
    options.sockets.add(socket);
    const timer = setTimeout(() => {
      socket.destroy(codedError(CONNECT_TIMEOUT));
    }, options.timeoutMs);

    // The first of three ends of the attempt; undici listens for later errors itself.
    let waiting = true;
    const settled = (): boolean => {
      clearTimeout(timer);
      const first = waiting;
      waiting = false;
      return first;
    };
    const connected =
      target.protocol === "https:" ? "secureConnect" : "connect";
    socket.once(connected, () => {
      if (settled()) callback(null, socket);
    });
    socket.on("error", (error) => {
      if (settled()) callback(error, null);
    });
    socket.once("close", () => {
      options.sockets.delete(socket);
      if (settled()) callback(codedError("ECONNRESET"), null);
    });
  };
}

function codedError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
