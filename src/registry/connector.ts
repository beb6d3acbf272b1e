/**
 * How undici's connections are made. Its own connector keeps an attempt alive
 * when its dispatcher is destroyed, and times it with a clock of half a second;
 * this one knows all its sockets, so that they can be closed.
 */
import type { LookupFunction, Socket } from "node:net";
import type { SecureContext } from "node:tls";
import type { buildConnector } from "undici";
import { ConnectionAttempt } from "./connection-attempt.js";
import type { Proxy, ProxySettings } from "./proxy-settings.js";

/** Trust, addresses and proxies, for all hosts. */
export interface NetworkOptions {
  /** PEM certificates trusted beside Node's and the system's. */
  readonly ca?: string | readonly string[];
  /** Resolves host names instead of the system's resolver. */
  readonly lookup?: LookupFunction;
  /** Default: those of the environment. An empty object stands for none. */
  readonly proxy?: ProxySettings | undefined;
}

/** How TLS is spoken. */
export interface TlsOptions {
  /** `false` accepts any certificate. */
  readonly verify: boolean;
  /** Asked for each connection; the same one each time. */
  readonly trust: () => Promise<SecureContext>;
}

export interface ConnectorOptions {
  readonly lookup: LookupFunction | undefined;
  /** From the name look-up to the end of the TLS handshake. Milliseconds. */
  readonly timeoutMs: number;
  /** Every socket is in here from its first moment to its close. */
  readonly sockets: Set<Socket>;
  readonly tls: TlsOptions;
  /** To tunnel through, and how TLS is spoken with it. */
  readonly tunnel?: { readonly proxy: Proxy; readonly tls: TlsOptions };
  /** The proxy that is the target itself: its failures are told as a proxy's. */
  readonly target?: Proxy;
}

/** Makes the function that opens undici's connections. */
export function createConnector(
  options: ConnectorOptions,
): buildConnector.connector {
  const sessions = new Map<string, Buffer>();
  return (target, callback) => {
    void hand(new ConnectionAttempt(options, sessions).open(target), callback);
  };
}

async function hand(
  opening: Promise<Socket>,
  callback: buildConnector.Callback,
): Promise<void> {
  let socket: Socket;
  try {
    socket = await opening;
  } catch (error) {
    callback(error as Error, null);
    return;
  }
  callback(null, socket);
}
