/** What the finder of places takes, and a place as its parts hand it on. */
import type { Capability, ClientCertificate } from "../registry/endpoint.js";
import type { PlaceUrl } from "./place-url.js";

/** Something in the configuration that is passed over, and that its owner should know. */
export interface HostsWarning {
  readonly code: "HOSTS_CONFIG_DOUBTFUL";
  readonly message: string;
}

export interface HostsOptions {
  /** Directories like `/etc/containerd/certs.d`, looked into before the system's own. Each has to exist. */
  readonly hostsDirs?: readonly string[] | undefined;
  /** `REGISTRY=URL`, asked before anything else, in this order. */
  readonly mirrors?: readonly string[] | undefined;
  /** `HOST[:PORT]` or a CIDR block: any certificate will do, and plain HTTP where no TLS is spoken. */
  readonly insecureRegistries?: readonly string[] | undefined;
  /** `HOST[:PORT]` that are spoken to in plain HTTP only. */
  readonly plainHttp?: readonly string[] | undefined;
  /** dockerd's configuration; `false` reads none. Default: the user's own where there is one, else `/etc/docker/daemon.json`. */
  readonly daemonJson?: string | false | undefined;
  /** Told each doubt once. */
  readonly onWarning?: ((warning: HostsWarning) => void) | undefined;
  /** Default `process.env`; only `XDG_CONFIG_HOME` counts. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Home directory. */
  readonly home?: string | undefined;
  /** Directory that stands for `/etc`. */
  readonly etc?: string | undefined;
  /** Addresses of a host name, for CIDR blocks. Default: the system's resolver. */
  readonly lookup?: Lookup | undefined;
}

/** Rejects where a name has no address. */
export type Lookup = (hostname: string) => Promise<readonly string[]>;

/** Certificates as PEM text. */
export interface Certificates {
  readonly ca?: readonly string[];
  readonly client?: readonly ClientCertificate[];
}

/** A place as configuration names it, before it is decided how to connect. */
export interface Place extends Certificates {
  /** The registry itself, when nothing says where it is. */
  readonly url: PlaceUrl | undefined;
  readonly capabilities: readonly Capability[];
  readonly headers: Readonly<Record<string, string>>;
  readonly connectTimeoutMs?: number;
  /** Said in so many words; `undefined` when not. */
  readonly skipVerify?: boolean | undefined;
}

/** What a place can do when nothing says less. */
export const ALL_CAPABILITIES: readonly Capability[] = ["pull", "resolve"];
