/**
 * The places of each registry: found once, in the order in which they are
 * asked, and passed over when they have proved to be of no use.
 */
import type { LookupFunction } from "node:net";
import {
  type ErrorDetails,
  isTpullError,
  TpullError,
} from "../../store/errors.js";
import { isLoopbackHost } from "./addresses.js";
import type {
  Capability,
  ConnectionProfile,
  Endpoint,
  HostConfig,
  HostsSource,
} from "./endpoint.js";
import { redactUrl } from "./redact.js";
import { speaksTls } from "./scheme.js";
import { abortable } from "./signals.js";

/** Hosts of references whose API lives elsewhere. */
const API_HOSTS: ReadonlyMap<string, string> = new Map([
  ["docker.io", "registry-1.docker.io"],
]);
/** A mirror that has lacked so many things in a row, and had none, is not asked for more. */
const MISSES_IN_A_ROW = 3;
/** Shared, so that registries without configuration share their pools. */
const VERIFIED: ConnectionProfile = { verify: true };
const UNVERIFIED: ConnectionProfile = { verify: false };
const ALL: readonly Capability[] = ["pull", "resolve"];
/** Failures that say that the server answers well and has not got it. */
export const LACKING: ReadonlySet<string> = new Set([
  "MANIFEST_UNKNOWN",
  "NAME_UNKNOWN",
  "BLOB_UNKNOWN",
]);

/** A mirror that was not asked any more, and why. */
export interface PassedOver {
  /** Registry whose mirror it is. */
  readonly registry: string;
  /** host[:port] of the mirror. */
  readonly host: string;
  /** Code of the failure. */
  readonly code: string;
  readonly reason: string;
}

export interface PlacesOptions {
  /** A base URL instead of the registry's own, e.g. of a test server; its scheme is taken as it is. */
  readonly override: ((registry: string) => string | undefined) | undefined;
  readonly hosts: HostsSource | undefined;
  /** Limit of the question whether a port speaks TLS. Milliseconds. */
  readonly probeTimeoutMs: number;
  /** Resolves host names instead of the system's resolver. */
  readonly lookup?: LookupFunction | undefined;
  /** Told once for each mirror that is passed over. */
  readonly onPassedOver: (one: PassedOver) => void;
}

/** What is wanted from a registry's places. */
export interface Want {
  readonly registry: string;
  readonly capability: Capability;
  /** Names the content, to remember who has not got it. */
  readonly item: string;
}

export class Places {
  readonly #options: PlacesOptions;
  readonly #known = new Map<string, Promise<readonly HostConfig[]>>();
  readonly #endpoints = new Map<HostConfig, Promise<Endpoint>>();
  /** By host; these are not asked any more. */
  readonly #passedOver = new Map<string, PassedOver>();
  /** Hosts that lack an item. */
  readonly #lacking = new Set<string>();
  readonly #misses = new Map<string, number>();
  /** Hosts that sent wrong bytes of an item. */
  readonly #wrong = new Set<string>();

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  /**
   * The places that may be asked, best first; at least one. A place that
   * cannot be made out (its port answers nothing yet) is among them.
   * @throws TpullError `REFERENCE_INVALID`, `NO_HOST`, `ABORTED`, and what the
   *   source of the hosts throws
   */
  async candidates(want: Want, signal: AbortSignal): Promise<HostConfig[]> {
    const { registry, capability, item } = want;
    const all = await abortable(this.#hosts(registry), signal);
    const able = all.filter(({ capabilities }) =>
      capabilities.includes(capability),
    );
    if (able.length === 0) {
      throw new TpullError(
        "NO_HOST",
        `no host configured for ${registry} may ${capability === "resolve" ? "say what a tag stands for" : "send content"}`,
        {
          hint: `Give one of them the capability "${capability}" in its hosts.toml.`,
          details: { host: registry },
        },
      );
    }
    return able.filter(
      (host, index) =>
        // The last resort is asked whatever happened before.
        index === able.length - 1 ||
        !(
          this.#passedOver.has(keyOf(registry, host)) ||
          this.#lacking.has(`${keyOf(registry, host)} ${item}`)
        ),
    );
  }

  /** The place as it is talked to; what was found out about it is remembered. */
  endpoint(
    registry: string,
    host: HostConfig,
    signal: AbortSignal,
  ): Promise<Endpoint> {
    let endpoint = this.#endpoints.get(host);
    if (endpoint === undefined) {
      endpoint = this.#find(registry, host);
      this.#endpoints.set(host, endpoint);
      endpoint.catch(() => this.#endpoints.delete(host));
    }
    return abortable(endpoint, signal);
  }

  /**
   * The registry itself, whom log-ins are for.
   * @throws TpullError as {@link candidates}; `NO_HOST` when only mirrors are configured
   */
  async origin(registry: string, signal: AbortSignal): Promise<Endpoint> {
    const hosts = await abortable(this.#hosts(registry), signal);
    const own = hosts.find(({ origin }) => origin);
    if (own === undefined) {
      throw new TpullError(
        "NO_HOST",
        `only mirrors are configured for ${registry}, and a log-in is for the registry itself`,
        { details: { host: registry } },
      );
    }
    return this.endpoint(registry, own, signal);
  }

  /** What the place is called in messages and counts. */
  static nameOf(registry: string, host: HostConfig): string {
    return host.origin ? registry : new URL(host.url).host;
  }

  /** The mirror had what it was asked for. */
  served(registry: string, host: HostConfig): void {
    this.#misses.delete(keyOf(registry, host));
  }

  /**
   * Leaves a mirror out from now on: where it only lacks the content, for this
   * content; in any other case for good.
   */
  passOver(want: Want, host: HostConfig, error: unknown): void {
    const { registry, item } = want;
    const key = keyOf(registry, host);
    const code = isTpullError(error) ? error.code : "INTERNAL";
    if (LACKING.has(code)) {
      this.#lacking.add(`${key} ${item}`);
      const misses = (this.#misses.get(key) ?? 0) + 1;
      this.#misses.set(key, misses);
      if (misses < MISSES_IN_A_ROW) return;
    }
    if (this.#passedOver.has(key)) return;
    const passed: PassedOver = {
      registry,
      host: Places.nameOf(registry, host),
      code,
      reason: LACKING.has(code)
        ? `it has lacked ${MISSES_IN_A_ROW} things in a row`
        : error instanceof Error
          ? error.message
          : String(error),
    };
    this.#passedOver.set(key, passed);
    this.#options.onPassedOver(passed);
  }

  /**
   * How to connect to a host that a registry sent us to (a token server, the
   * target of a redirect): as its own configuration says, if it has one. On
   * this machine nothing is configured that a foreign host may make use of.
   */
  async profileFor(url: URL): Promise<ConnectionProfile | undefined> {
    if (this.#options.hosts === undefined || isLoopbackHost(url.hostname)) {
      return undefined;
    }
    const hosts = await this.#hosts(url.host).catch(() => []);
    return hosts.find((host) => new URL(host.url).host === url.host)
      ?.connection;
  }

  /** The mirrors of a registry that were left out. */
  passedOver(registry: string): PassedOver[] {
    return [...this.#passedOver.values()].filter(
      (one) => one.registry === registry,
    );
  }

  /**
   * Leaves out the mirror that sent wrong bytes of an item.
   * @param name under which it was reported
   * @returns whether another place may do better: not a second time for the
   *   same mirror, and not where the mirror itself is the last resort
   */
  async distrust(want: Want, name: string, error: unknown): Promise<boolean> {
    const { registry, capability, item } = want;
    const able = (await this.#hosts(registry)).filter(({ capabilities }) =>
      capabilities.includes(capability),
    );
    let found = false;
    for (const host of able.slice(0, -1)) {
      if (host.origin || Places.nameOf(registry, host) !== name) continue;
      const key = `${keyOf(registry, host)} ${item}`;
      if (this.#wrong.has(key)) continue;
      this.#wrong.add(key);
      this.passOver(want, host, error);
      found = true;
    }
    return found;
  }

  #hosts(registry: string): Promise<readonly HostConfig[]> {
    let hosts = this.#known.get(registry);
    if (hosts === undefined) {
      hosts = this.#look(registry);
      this.#known.set(registry, hosts);
    }
    return hosts;
  }

  async #look(registry: string): Promise<readonly HostConfig[]> {
    const override = this.#options.override?.(registry);
    if (override !== undefined) {
      const verify = !isLoopbackHost(baseUrl(override, registry).hostname);
      return [itself(override, verify, false)];
    }
    const configured = await this.#options.hosts?.(registry);
    if (configured !== undefined && configured.length > 0) return configured;
    const url = `https://${API_HOSTS.get(registry) ?? registry}`;
    const local = isLoopbackHost(baseUrl(url, registry).hostname);
    return [itself(url, !local, local)];
  }

  async #find(registry: string, host: HostConfig): Promise<Endpoint> {
    const hosts = await this.#hosts(registry);
    const base = baseUrl(host.url, registry);
    const endpoint = {
      registry,
      host: Places.nameOf(registry, host),
      origin: host.origin,
      base,
      overridePath: host.overridePath,
      loopback: isLoopbackHost(base.hostname),
      capabilities: new Set(host.capabilities),
      headers: host.headers,
      connection: host.connection,
      hasNext: hosts.at(-1) !== host,
    };
    if (!host.plainHttpFallback || base.protocol !== "https:") return endpoint;
    const { probeTimeoutMs, lookup } = this.#options;
    const tls = await speaksTls(base, probeTimeoutMs, lookup);
    // A server that does not listen yet has not shown what it speaks.
    if (tls === undefined) this.#endpoints.delete(host);
    if (tls === true) return endpoint;
    return { ...endpoint, base: plain(host.url) };
  }
}

function itself(url: string, verify: boolean, fallback: boolean): HostConfig {
  return {
    url,
    origin: true,
    capabilities: ALL,
    overridePath: false,
    headers: {},
    connection: verify ? VERIFIED : UNVERIFIED,
    plainHttpFallback: fallback,
  };
}

function keyOf(registry: string, { url }: HostConfig): string {
  return `${registry} ${url}`;
}

/** The same place in plain HTTP. The port goes with the scheme: 443 or 80 where none is named. */
function plain(url: string): URL {
  return new URL(url.replace(/^https:/i, "http:"));
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
    const details: ErrorDetails =
      url === undefined ? {} : { actual: redactUrl(url) };
    throw new TpullError(
      "REFERENCE_INVALID",
      `${JSON.stringify(registry)} is not a registry host`,
      { details },
    );
  }
  return url;
}
