/** What a dockerd decides about a data root, or what keeps it from that. */
import type { StorageDriver } from "./releases.js";

/** Why a dockerd does not start, or why it is not known whether it does. */
export interface Obstacle {
  readonly kind: "refused" | "unknown";
  readonly code:
    | "DRIVER_NOT_BUILT_IN"
    | "DRIVER_DEPRECATED"
    | "DRIVER_UNUSABLE"
    | "DRIVER_UNCERTAIN"
    | "SEVERAL_DRIVERS"
    | "STORAGE_OPTION_REFUSED"
    | "STORAGE_OPTION_UNCERTAIN"
    | "SNAPSHOTTER_UNAVAILABLE";
  readonly message: string;
  readonly hint: string;
}

export interface Choice {
  readonly kind: "chosen";
  readonly store: "docker" | "containerd";
  /** The storage driver, or the snapshotter; undefined where it cannot be told. */
  readonly driver: string | undefined;
  /** What made the difference; a clause. */
  readonly because: string;
}

/** Whether a release has a storage driver of that name. */
export function isBuiltIn(
  name: string,
  drivers: readonly StorageDriver[],
): name is StorageDriver {
  return (drivers as readonly string[]).includes(name);
}

/** The reason for what is named in the configuration. */
export function configured(driver: string): string {
  return `"storage-driver" is ${driver}`;
}

/** What to write into daemon.json. */
export function inDaemonJson(settings: object): string {
  const members = JSON.stringify(settings, null, 1).slice(1, -1);
  return `In daemon.json: ${members.replaceAll(/\s*\n\s*/g, " ").trim()}.`;
}
