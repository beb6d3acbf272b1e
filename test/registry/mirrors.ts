/** A registry with mirrors, all on this machine, as a configuration would name them. */
import type { HostConfig } from "#src/registry/endpoint.js";
import type { FaultRegistry } from "../helpers/fault-registry.js";

/** A place in the list of those to ask. */
export function place(
  server: Pick<FaultRegistry, "host">,
  options: Partial<HostConfig> = {},
): HostConfig {
  return {
    url: `http://${server.host}`,
    origin: false,
    capabilities: ["pull", "resolve"],
    overridePath: false,
    headers: {},
    connection: { verify: false },
    plainHttpFallback: false,
    ...options,
  };
}

/** Names the mirrors in their order, and after them the registry itself. */
export function mirrored(
  origin: FaultRegistry,
  ...mirrors: readonly (FaultRegistry | HostConfig)[]
): { hosts: () => Promise<readonly HostConfig[]> } {
  const places = mirrors.map((mirror) =>
    "url" in mirror && "origin" in mirror
      ? (mirror as HostConfig)
      : place(mirror as FaultRegistry),
  );
  return { hosts: async () => [...places, place(origin, { origin: true })] };
}
