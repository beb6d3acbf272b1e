/**
 * Requests over HTTP with redirects followed by our own rules: undici follows
 * none and retries nothing, so what a redirect target is told is decided here.
 */
import { isTpullError, throwIfAborted } from "../../store/errors.js";
import { isLoopbackHost } from "./addresses.js";
import { isOutOfTime, withServersClock } from "./clock.js";
import type { ConnectionPools, Route } from "./connection-pools.js";
import type { NetworkOptions } from "./connector.js";
import type { ConnectionProfile } from "./endpoint.js";
import { exchange, type ExchangeResponse } from "./exchange.js";
import { headerValue } from "./headers.js";
import { networkError } from "./network-errors.js";
import { isProxysOwn, ProxyFailure } from "./proxy-errors.js";
import { hopHeaders, redirectLocation, redirectTarget } from "./redirects.js";
import { abortable } from "./signals.js";

export { MAX_REDIRECTS } from "./redirects.js";

/** A redirect's own body is read this far, to keep its connection for the next request. */
const REDIRECT_BODY_BYTES = 16 * 1024;
/** As much of a proxy's page as its title needs. */
const PROXY_PAGE_BYTES = 4096;
/** A server's clock is not worth a longer wait. */
const CLOCK_MS = 3000;
/** For the question what time it is there, and nothing else. */
const UNVERIFIED: ConnectionProfile = { verify: false };
const DEFAULT_FLOOR_BYTES_PER_SECOND = 1024;

export interface HttpOptions {
  readonly userAgent: string;
  /** Name look-up, proxy, TCP and TLS. Milliseconds. */
  readonly connectTimeoutMs: number;
  /** From the sent request to the response's headers. Milliseconds. */
  readonly headersTimeoutMs: number;
  /** A body that stays below the floor for this long is given up. Milliseconds. */
  readonly stallMs: number;
  /** Bytes per second, averaged over `stallMs`, that a body has to bring. Default 1024. */
  readonly floorBytesPerSecond?: number | undefined;
  readonly network: NetworkOptions;
  /**
   * How connections to URLs are made that come without a profile of their own:
   * redirect targets, token servers. Without it they are made as to any host,
   * with no client certificate and no authority of another host's.
   */
  readonly profileFor?: (
    url: URL,
  ) => ConnectionProfile | undefined | Promise<ConnectionProfile | undefined>;
  /** Milliseconds since the epoch, for messages. Default: the system's clock. */
  readonly now?: () => number;
}

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST";
  readonly url: URL;
  /** Sent on every hop: what is asked for, such as `Accept` and `Range`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sent to the URL's own scheme, host and port, never to where it redirects. */
  readonly hostHeaders?: Readonly<Record<string, string>> | undefined;
  /** Sent as `hostHeaders` are. */
  readonly authorization?: string | undefined;
  /** How to connect to the URL's own scheme, host and port. */
  readonly connection?: ConnectionProfile | undefined;
  readonly body?: string;
  /** At most so long until the response's headers; the client's limit where that is less. Milliseconds. */
  readonly answerWithinMs?: number | undefined;
  readonly signal: AbortSignal;
  /** Throws when a redirect must not lead there. */
  readonly checkRedirect?: (target: URL) => void | Promise<void>;
}

export interface HttpResponse extends ExchangeResponse {
  /** Who answered, after redirects. */
  readonly url: URL;
}

/** Connections, shared by all requests of one client. */
export class Http {
  readonly #options: HttpOptions;
  readonly #now: () => number;
  /** Origins that have answered something. */
  readonly #answered = new Set<string>();
  #pools: Promise<ConnectionPools> | undefined;

  constructor(options: HttpOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Sends a request and follows up to {@link MAX_REDIRECTS} redirects: never
   * from https to http, and without what is for the asked host only from the
   * first change of scheme, host or port on. A POST is not redirected: its body
   * is secret.
   * @throws TpullError `NETWORK_*`, `TLS_ERROR`, `PROXY_*`, `CA_INVALID`,
   *   `CLIENT_CERTIFICATE_INVALID`, `REDIRECT_REFUSED`, `ABORTED`
   */
  async request(request: HttpRequest): Promise<HttpResponse> {
    let { url } = request;
    let home = true;
    for (let hops = 0; ; hops++) {
      const response = await this.#exchange(request, url, home);
      const location = redirectLocation(response.status, response.headers);
      if (location === undefined || request.method === "POST") {
        return { ...response, url };
      }
      response.body.drain(REDIRECT_BODY_BYTES);
      const target = redirectTarget(request, url, location, hops);
      await request.checkRedirect?.(target);
      home &&= target.origin === url.origin;
      url = target;
    }
  }

  /** Drops all connections; requests under way end with `ABORTED`. */
  async close(): Promise<void> {
    await (await this.#pools)?.close();
  }

  async #exchange(
    request: HttpRequest,
    url: URL,
    home: boolean,
  ): Promise<ExchangeResponse> {
    const route = await this.#route(request, url);
    try {
      const response = await this.#send(request, url, route, {
        "user-agent": this.#options.userAgent,
        ...hopHeaders(request, home),
      });
      this.#answered.add(url.origin);
      if (route.forward && isProxysOwn(response.status, response.headers)) {
        throw await this.#proxysOwn(request, url, route, response);
      }
      return response;
    } catch (error) {
      if (!isTpullError(error) || !isOutOfTime(error)) throw error;
      const date = await this.#askDate(request, url);
      throw withServersClock(error, date, this.#now());
    }
  }

  async #route(request: HttpRequest, url: URL): Promise<Route> {
    const own = url.origin === request.url.origin && request.connection;
    const profile =
      own || (await abortable(this.#profileFor(url), request.signal));
    // Docker's rule: without other orders no certificate is asked of a registry
    // on this machine.
    const local =
      isLoopbackHost(url.hostname) && isLoopbackHost(request.url.hostname);
    return (await this.#loadPools()).route(url, profile, local);
  }

  async #profileFor(url: URL): Promise<ConnectionProfile | undefined> {
    return this.#options.profileFor?.(url);
  }

  #send(
    request: Pick<HttpRequest, "answerWithinMs" | "body" | "method" | "signal">,
    url: URL,
    { agent, proxy, forward }: Route,
    headers: Record<string, string>,
  ): Promise<ExchangeResponse> {
    const { stallMs, floorBytesPerSecond } = this.#options;
    const headersTimeoutMs = Math.min(
      this.#options.headersTimeoutMs,
      request.answerWithinMs ?? Number.POSITIVE_INFINITY,
    );
    const floor = floorBytesPerSecond ?? DEFAULT_FLOOR_BYTES_PER_SECOND;
    if (forward && proxy?.authorization !== undefined) {
      headers["proxy-authorization"] = proxy.authorization;
    }
    return exchange(agent, {
      method: request.method,
      url,
      forwarder: forward ? proxy?.url.origin : undefined,
      headers,
      body: request.body,
      signal: request.signal,
      headersTimeoutMs,
      stallMs,
      floorBytes: Math.max(1, Math.ceil((floor * stallMs) / 1000)),
      answered: this.#answered.has(url.origin),
      now: this.#now,
    });
  }

  async #proxysOwn(
    { method }: HttpRequest,
    url: URL,
    { proxy }: Route,
    { status, headers, body }: ExchangeResponse,
  ): Promise<unknown> {
    if (proxy === undefined) return undefined;
    const failure = new ProxyFailure(proxy.url, {
      answer: { status, headers, body: await body.peek(PROXY_PAGE_BYTES) },
      authorization: proxy.authorization,
    });
    const now = this.#now();
    return networkError(failure, { method, url, answered: true, now });
  }

  /** What time a server has whose certificate was refused; it is told nothing but the question. */
  async #askDate(
    { signal }: HttpRequest,
    url: URL,
  ): Promise<string | undefined> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(CLOCK_MS)]);
    const root = new URL("/", url);
    try {
      const pools = await this.#loadPools();
      const route = await pools.route(root, UNVERIFIED);
      const response = await this.#send(
        { method: "HEAD", signal: limit },
        root,
        route,
        { "user-agent": this.#options.userAgent },
      );
      response.body.cancel();
      return headerValue(response.headers, "date");
    } catch {
      throwIfAborted(signal);
      return undefined;
    }
  }

  // Loaded with the first request: commands that fetch nothing should not have
  // to wait for it.
  #loadPools(): Promise<ConnectionPools> {
    const { network, connectTimeoutMs } = this.#options;
    return (this.#pools ??= import("./connection-pools.js").then(
      (module) => new module.ConnectionPools({ network, connectTimeoutMs }),
    ));
  }
}
