/**
 * Connections by what they may be used for: one pool for each way of trusting
 * and being known, so that a connection made under one host's rules never
 * serves a request under another's.
 */
import type { Socket } from "node:net";
import type { SecureContext } from "node:tls";
import type { Agent } from "undici";
import { abortedError } from "../../store/errors.js";
import {
  createConnector,
  type ConnectorOptions,
  type NetworkOptions,
  type TlsOptions,
} from "./connector.js";
import type { ConnectionProfile } from "./endpoint.js";
import {
  ProxyRules,
  proxyFromEnvironment,
  type Proxy,
} from "./proxy-settings.js";
import { loadAgent } from "./undici-agent.js";

/** How a URL is asked. */
export interface Route {
  readonly agent: Agent;
  /** The proxy in between. */
  readonly proxy: Proxy | undefined;
  /** Whether the proxy is to be asked with the whole URL, because there is no TLS to tunnel. */
  readonly forward: boolean;
}

export interface PoolsOptions {
  readonly network: NetworkOptions;
  /** Milliseconds. */
  readonly connectTimeoutMs: number;
}

/** For hosts of which nothing special is known. */
const DEFAULT_PROFILE: ConnectionProfile = { verify: true };
/** For this machine, if nothing else is known of it. */
const LOCAL_PROFILE: ConnectionProfile = { verify: false };

interface Pool {
  readonly agent: Promise<Agent>;
  readonly profile: ConnectionProfile;
  readonly proxy: Proxy | undefined;
  readonly forward: boolean;
}

export class ConnectionPools {
  readonly #options: PoolsOptions;
  readonly #sockets = new Set<Socket>();
  readonly #pools: Pool[] = [];
  readonly #rules: ProxyRules;
  #system: Promise<readonly string[]> | undefined;
  #proxyTls: TlsOptions | undefined;
  #closed = false;

  constructor(options: PoolsOptions) {
    this.#options = options;
    const { proxy } = options.network;
    this.#rules = new ProxyRules(proxy ?? proxyFromEnvironment(process.env));
    // Something will be asked: undici loads while hosts are looked up and probed.
    void loadAgent().catch(() => undefined);
  }

  /**
   * The pool for a URL.
   * @param profile of the URL's host; connections are shared by requests with the same object
   * @param local whether the host is this machine, which is asked for no certificate unless its profile says so
   * @throws TpullError `PROXY_INVALID`; `ABORTED` after {@link close}
   */
  async route(
    url: URL,
    profile?: ConnectionProfile,
    local = false,
  ): Promise<Route> {
    if (this.#closed) throw abortedError();
    const proxy = this.#rules.for(url);
    const forward = proxy !== undefined && url.protocol === "http:";
    const pool = forward
      ? this.#pool(DEFAULT_PROFILE, proxy, true)
      : this.#pool(
          profile ?? (local ? LOCAL_PROFILE : DEFAULT_PROFILE),
          proxy,
          false,
        );
    return { agent: await pool.agent, proxy, forward };
  }

  /** Drops all connections, those being made, too. */
  async close(): Promise<void> {
    this.#closed = true;
    const agents = await Promise.all(this.#pools.map(({ agent }) => agent));
    const destroyed = Promise.all(agents.map((agent) => agent.destroy()));
    for (const socket of this.#sockets) socket.destroy();
    await destroyed;
  }

  #pool(
    profile: ConnectionProfile,
    proxy: Proxy | undefined,
    forward: boolean,
  ): Pool {
    const known = this.#pools.find(
      (pool) =>
        pool.profile === profile &&
        pool.proxy === proxy &&
        pool.forward === forward,
    );
    if (known !== undefined) return known;
    const agent = this.#createAgent({
      lookup: this.#options.network.lookup,
      timeoutMs: profile.connectTimeoutMs ?? this.#options.connectTimeoutMs,
      sockets: this.#sockets,
      tls: forward ? this.#tlsToProxies() : this.#tls(profile),
      ...(proxy === undefined
        ? {}
        : forward
          ? { target: proxy }
          : { tunnel: { proxy, tls: this.#tlsToProxies() } }),
    });
    const pool = { agent, profile, proxy, forward };
    this.#pools.push(pool);
    return pool;
  }

  async #createAgent(connector: ConnectorOptions): Promise<Agent> {
    const UndiciAgent = await loadAgent();
    return new UndiciAgent({
      connect: createConnector(connector),
      // As many as the callers have requests: they bound their own number, and
      // a bound here could leave a config waiting behind paused layers.
      connections: null,
      pipelining: 1,
      keepAliveTimeout: 15_000,
    });
  }

  #tls(profile: ConnectionProfile): TlsOptions {
    let trust: Promise<SecureContext> | undefined;
    return {
      verify: profile.verify,
      trust: () => (trust ??= this.#createTrust(profile)),
    };
  }

  #tlsToProxies(): TlsOptions {
    return (this.#proxyTls ??= this.#tls(DEFAULT_PROFILE));
  }

  // Loaded with the first TLS connection; the system's roots are read only
  // where a certificate is checked.
  async #createTrust(profile: ConnectionProfile): Promise<SecureContext> {
    const { createTrust, systemCertificates } = await import("./trust.js");
    const { ca = [] } = this.#options.network;
    return createTrust({
      verify: profile.verify,
      ca: [ca, profile.ca ?? []].flat(),
      client: profile.client ?? [],
      system: () => (this.#system ??= systemCertificates(process.env)),
    });
  }
}
