/**
 * Requests over HTTP with redirects followed by our own rules: undici follows
 * none and retries nothing, so what a redirect target is told is decided here.
 */
import type { Socket } from "node:net";
import type { Agent } from "undici";
import { TpullError } from "../../store/errors.js";
import { isLoopbackHost } from "./addresses.js";
import type { NetworkOptions } from "./connector.js";
import type { ConnectionProfile } from "./endpoint.js";
import { exchange, type ExchangeResponse } from "./exchange.js";
import { headerValue } from "./headers.js";
import { redactUrl } from "./redact.js";

/** Redirects followed for one request. */
export const MAX_REDIRECTS = 10;
/** A redirect's own body is read this far, to keep its connection for the next request. */
const REDIRECT_BODY_BYTES = 16 * 1024;
const REDIRECT_STATUS = new Set([301, 302, 303, 307, 308]);

export interface HttpOptions {
  readonly userAgent: string;
  /** Name look-up, TCP and TLS. Milliseconds. */
  readonly connectTimeoutMs: number;
  /** From the sent request to the response's headers. Milliseconds. */
  readonly headersTimeoutMs: number;
  /** A body that brings less than 1 KiB in this time is given up. Milliseconds. */
  readonly stallMs: number;
  readonly network: NetworkOptions;
}

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent to the URL's own scheme, host and port only, beside `headers`. */
  readonly hostHeaders?: Readonly<Record<string, string>>;
  /** How the URL's own host is connected to; a redirect's target is not. */
  readonly connection?: ConnectionProfile | undefined;
  /** Sent to the URL's own scheme, host and port, never to where it redirects. */
  readonly authorization?: string | undefined;
  readonly body?: string;
  readonly signal: AbortSignal;
  /** Throws when a redirect must not lead there. */
  readonly checkRedirect?: (target: URL) => void;
}

export interface HttpResponse extends ExchangeResponse {
  /** Who answered, after redirects. */
  readonly url: URL;
}

/** Connections, shared by all requests of one client. */
export class Http {
  readonly #options: HttpOptions;
  readonly #sockets = new Set<Socket>();
  /** Origins that have answered something. */
  readonly #answered = new Set<string>();
  #verified: Promise<Agent> | undefined;
  #unverified: Promise<Agent> | undefined;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /**
   * Sends a request and follows up to {@link MAX_REDIRECTS} redirects: never
   * from https to http, and without `Authorization` from the first change of
   * scheme, host or port on. A POST is not redirected: its body is secret.
   * @throws TpullError `NETWORK_*`, `TLS_ERROR`, `REDIRECT_REFUSED`, `ABORTED`
   */
  async request(request: HttpRequest): Promise<HttpResponse> {
    let { url, authorization } = request;
    for (let hops = 0; ; hops++) {
      const response = await this.#exchange(request, url, authorization);
      const location = headerValue(response.headers, "location");
      if (
        !REDIRECT_STATUS.has(response.status) ||
        location === undefined ||
        request.method === "POST"
      ) {
        return { ...response, url };
      }
      response.body.drain(REDIRECT_BODY_BYTES);
      const target = redirectTarget(request, url, location, hops);
      request.checkRedirect?.(target);
      if (target.origin !== url.origin) authorization = undefined;
      url = target;
    }
  }

  /** Drops all connections; requests under way end with `ABORTED`. */
  async close(): Promise<void> {
    const agents = await Promise.all([this.#verified, this.#unverified]);
    const closed = Promise.all(agents.map((agent) => agent?.destroy()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #exchange(
    request: HttpRequest,
    url: URL,
    authorization: string | undefined,
  ): Promise<ExchangeResponse> {
    const { userAgent, headersTimeoutMs, stallMs } = this.#options;
    // Docker's rule: no certificate is asked of a registry on this machine.
    const local =
      isLoopbackHost(url.hostname) && isLoopbackHost(request.url.hostname);
    const response = await exchange(await this.#agent(!local), {
      method: request.method,
      url,
      headers: {
        "user-agent": userAgent,
        ...request.headers,
        ...(url.origin === request.url.origin ? request.hostHeaders : {}),
        ...(authorization === undefined ? {} : { authorization }),
      },
      body: request.body,
      signal: request.signal,
      headersTimeoutMs,
      stallMs,
      answered: this.#answered.has(url.origin),
    });
    this.#answered.add(url.origin);
    return response;
  }

  #agent(verify: boolean): Promise<Agent> {
    if (verify) return (this.#verified ??= this.#createAgent(true));
    return (this.#unverified ??= this.#createAgent(false));
  }

  // Loaded with the first request: commands that fetch nothing should not have
  // to wait for it.
  async #createAgent(verify: boolean): Promise<Agent> {
    const [UndiciAgent, { createConnector }] = await Promise.all([
      import("./undici-agent.js").then(({ loadAgent }) => loadAgent()),
      import("./connector.js"),
    ]);
    return new UndiciAgent({
      connect: createConnector({
        ...this.#options.network,
        timeoutMs: this.#options.connectTimeoutMs,
        verify,
        sockets: this.#sockets,
      }),
      // As many as the callers have requests: they bound their own number, and
      // a bound here could leave a config waiting behind paused layers.
      connections: null,
      pipelining: 1,
      keepAliveTimeout: 15_000,
    });
  }
}

function redirectTarget(
  request: HttpRequest,
  from: URL,
  location: string,
  hops: number,
): URL {
  const refused = (why: string): TpullError =>
    new TpullError(
      "REDIRECT_REFUSED",
      `${request.method} ${redactUrl(request.url)}: ${why}`,
      { details: { host: from.host } },
    );
  if (hops >= MAX_REDIRECTS) {
    throw refused(`redirected more than ${MAX_REDIRECTS} times`);
  }
  if (!URL.canParse(location, from.href)) {
    throw refused(`${from.host} redirects to something that is not a URL`);
  }
  const target = new URL(location, from);
  target.hash = "";
  if (target.protocol !== "https:" && target.protocol !== "http:") {
    throw refused(`${from.host} redirects to a ${target.protocol} URL`);
  }
  if (target.protocol === "http:" && request.url.protocol === "https:") {
    throw refused(
      `${from.host} redirects to plain HTTP (${redactUrl(target)})`,
    );
  }
  return target;
}
