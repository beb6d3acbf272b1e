/** Where a registry's API is: host mapping, and HTTPS or plain HTTP. */
import { isIP } from "node:net";
import { connect } from "node:tls";
import { TpullError } from "../../store/errors.js";
import { isLoopbackHost } from "./addresses.js";
import { redactUrl } from "./redact.js";
import { abortable } from "./signals.js";

/** Hosts of references whose API lives elsewhere. */
const API_HOSTS: ReadonlyMap<string, string> = new Map([
  ["docker.io", "registry-1.docker.io"],
]);

/** A registry as it is talked to. */
export interface Endpoint {
  /** The registry as references name it: credentials and pauses go by this. */
  readonly registry: string;
  /** Everything before `/v2/`. */
  readonly base: URL;
  /** On this machine: no certificate is asked for. */
  readonly loopback: boolean;
}

/** The URL below `/v2/`. */
export function apiUrl(endpoint: Endpoint, path: string): URL {
  const prefix = endpoint.base.pathname.replace(/\/+$/, "");
  return new URL(`${prefix}/v2/${path}`, endpoint.base);
}

export interface EndpointsOptions {
  /** A base URL instead of the registry's own, e.g. of a test server; its scheme is taken as it is. */
  readonly override: ((registry: string) => string | undefined) | undefined;
  /** Limit of the question whether a loopback port speaks TLS. Milliseconds. */
  readonly probeTimeoutMs: number;
}

/**
 * Remembers the endpoint of each registry. All of them are HTTPS, except that
 * a loopback host without TLS is talked to in plain HTTP, as docker does.
 */
export class Endpoints {
  readonly #options: EndpointsOptions;
  readonly #known = new Map<string, Promise<Endpoint>>();

  constructor(options: EndpointsOptions) {
    this.#options = options;
  }

  /**
   * @param registry host of a reference, with its port if it has one
   * @throws TpullError `REFERENCE_INVALID`, `ABORTED`
   */
  resolve(registry: string, signal: AbortSignal): Promise<Endpoint> {
    let endpoint = this.#known.get(registry);
    if (endpoint === undefined) {
      endpoint = this.#find(registry);
      this.#known.set(registry, endpoint);
    }
    return abortable(endpoint, signal);
  }

  async #find(registry: string): Promise<Endpoint> {
    const override = this.#options.override?.(registry);
    const base = baseUrl(
      override ?? `https://${API_HOSTS.get(registry) ?? registry}`,
      registry,
    );
    const loopback = isLoopbackHost(base.hostname);
    if (override !== undefined || !loopback) {
      return { registry, base, loopback };
    }
    const tls = await speaksTls(base, this.#options.probeTimeoutMs);
    // A server that does not listen yet has not shown what it speaks.
    if (tls === undefined) this.#known.delete(registry);
    if (tls === true) return { registry, base, loopback };
    // The port goes with the scheme: 443 or 80 where none is named.
    return { registry, base: new URL(`http://${registry}`), loopback };
  }
}

function baseUrl(text: string, registry: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    url === undefined ||
    !/^https?:$/.test(url.protocol) ||
    url.username !== "" ||
    url.password !== "" ||
    url.search !== ""
  ) {
    throw new TpullError(
      "REFERENCE_INVALID",
      `${JSON.stringify(registry)} is not a registry host`,
      {
        details: url === undefined ? {} : { actual: redactUrl(url) },
      },
    );
  }
  return url;
}

/** Whether a TLS handshake succeeds there; `undefined` when nothing answers. */
function speaksTls(base: URL, timeoutMs: number): Promise<boolean | undefined> {
  const host = base.hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port: Number(base.port) || 443,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      rejectUnauthorized: false,
      ALPNProtocols: ["http/1.1"],
    });
    const finish = (answer: boolean | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => finish(undefined), timeoutMs);
    socket.once("secureConnect", () => finish(true));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      finish(error.code === "ECONNREFUSED" ? undefined : false);
    });
    socket.once("close", () => finish(false));
  });
}
