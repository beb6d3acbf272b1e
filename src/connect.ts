/**
 * From the options of a run to the client that talks to registries: where to
 * ask, whom to trust, as whom, how fast.
 */
import { credentialsOnDemand } from "./credentials/on-demand.js";
import { createHosts } from "./hosts/index.js";
import { dockerEnvironment, type NetworkSettings } from "./network-settings.js";
import {
  type RegistryClient,
  type RegistryClientOptions,
  createRegistryClient,
} from "./registry/client.js";
import { readCaFile } from "./registry/trust.js";

export interface ConnectOptions {
  /** What certificates, mirrors, credentials and limits registries are reached with. */
  network?: NetworkSettings;
  /** How requests are sent. */
  registry?: Omit<RegistryClientOptions, "onRetry" | "onWarning" | "signal">;
}

/** The part of a client's options that belongs to the run. */
export type RunHooks = Pick<
  RegistryClientOptions,
  "onRetry" | "onWarning" | "signal"
>;

/**
 * What the caller gives in `registry` comes first; then `network`; then what
 * containerd, docker and podman have on this machine.
 * @throws TpullError `OPTION_INVALID`, `CA_INVALID`
 */
export function connect(
  { network = {}, registry = {} }: ConnectOptions,
  hooks: RunHooks,
): RegistryClient {
  const { caFiles = [], limitRate } = network;
  const onWarning = (warning: { code: string; message: string }): void =>
    hooks.onWarning?.(warning);
  return createRegistryClient({
    hosts: createHosts({
      hostsDirs: network.hostsDirs,
      mirrors: network.mirrors?.map(
        ({ registry, url }) => `${registry}=${url}`,
      ),
      insecureRegistries: network.insecureRegistries,
      plainHttp: network.plainHttp,
      onWarning,
    }),
    credentials: credentialsOnDemand({
      env: dockerEnvironment(network),
      signal: hooks.signal,
      onWarning,
    }),
    ...(limitRate === undefined ? {} : { limitRate }),
    ...registry,
    ...hooks,
    network: {
      ...(caFiles.length === 0 ? {} : { ca: caFiles.flatMap(readCaFile) }),
      ...registry.network,
    },
  });
}
