/**
 * Where a registry's content can be asked for: the registry itself and its
 * mirrors, each with what it is trusted to say and how it is connected to.
 */

/**
 * - `resolve`: say what a tag stands for.
 * - `pull`: send content whose digest is known.
 */
export type Capability = "pull" | "resolve";

/** How connections to one host are made. The same object means the same pool. */
export interface ConnectionProfile {
  /** `false` accepts any certificate. */
  readonly verify: boolean;
  /** PEM certificates trusted beside the system's and the client's. */
  readonly ca?: readonly string[];
  /** PEM pairs to show when the server asks for a certificate. */
  readonly client?: readonly ClientCertificate[];
  /** Name look-up, TCP and TLS; the client's default without. Milliseconds. */
  readonly connectTimeoutMs?: number;
}

export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

/** One place to ask, as configuration names it. */
export interface HostConfig {
  /** Base URL: `https://mirror.example:5000`, with a path where the API is below one. */
  readonly url: string;
  /** The registry that references name, not a mirror of it. */
  readonly origin: boolean;
  readonly capabilities: readonly Capability[];
  /** Whether the URL's path already is the API's root, so that no `/v2` is added. */
  readonly overridePath: boolean;
  /** Sent with every request to this host, and to no other. Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly connection: ConnectionProfile;
  /** Whether plain HTTP may be spoken where HTTPS is not, as docker does with insecure registries. */
  readonly plainHttpFallback: boolean;
}

/**
 * Finds the places to ask for a registry (named as references name it), in the
 * order in which they are to be asked. Asked at most once for each registry.
 * Without one a registry is asked itself.
 */
export type HostsSource = (registry: string) => Promise<readonly HostConfig[]>;

/** A place as it is talked to. */
export interface Endpoint {
  /** The registry whose content it has, as references name it. */
  readonly registry: string;
  /**
   * Who is contacted: credentials, tokens, pauses and what is known of the
   * server go by this. For the origin the registry itself, so that Docker Hub
   * is `docker.io`; for a mirror host[:port].
   */
  readonly host: string;
  readonly origin: boolean;
  /** Everything before `/v2/`; with `overridePath` everything before the repository. */
  readonly base: URL;
  readonly overridePath: boolean;
  /** On this machine: no certificate is asked for. */
  readonly loopback: boolean;
  readonly capabilities: ReadonlySet<Capability>;
  readonly headers: Readonly<Record<string, string>>;
  readonly connection: ConnectionProfile | undefined;
  /** Another place can be asked instead: this one is not waited for long. */
  readonly hasNext: boolean;
}
