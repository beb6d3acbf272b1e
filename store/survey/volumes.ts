/** Local volumes of a dockerd: what containers keep beside their own layers. Looked at, never touched. */
import { join } from "node:path";
import type { Layout } from "../layout.js";
import { readEntries, readText } from "../read.js";
import type { StoredContainer } from "./containers.js";

export interface StoredVolume {
  readonly name: string;
  /** Where its files are. */
  readonly path: string;
  /** How many containers use it. */
  readonly containers: number;
}

/**
 * The volumes that docker measures: those with options may be mounts of
 * something else, and are left out as docker leaves them out (moby,
 * volume/service, `LocalVolumesSize`).
 */
export function volumesIn(
  layout: Layout,
  containers: readonly StoredContainer[],
): StoredVolume[] {
  const uses = new Map<string, number>();
  for (const { mounts } of containers) {
    const names = mounts.flatMap(({ name, driver }) =>
      driver === "local" && name !== "" ? [name] : [],
    );
    for (const name of new Set(names)) {
      uses.set(name, (uses.get(name) ?? 0) + 1);
    }
  }
  return readEntries(layout.volumes)
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .filter((name) => !hasOptions(join(layout.volumes, name)))
    .sort()
    .map((name) => ({
      name,
      path: join(layout.volumes, name, "_data"),
      containers: uses.get(name) ?? 0,
    }));
}

function hasOptions(volume: string): boolean {
  const text = readText(join(volume, "opts.json"));
  return text !== undefined && text !== "";
}
