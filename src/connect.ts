/** From the options of a run to the client that talks to registries. */
import type { NetworkSettings } from "./network-settings.js";
import {
  type RegistryClient,
  type RegistryClientOptions,
  createRegistryClient,
} from "./registry/client.js";

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

export function connect(
  options: ConnectOptions,
  hooks: RunHooks,
): RegistryClient {
  return createRegistryClient({ ...options.registry, ...hooks });
}
