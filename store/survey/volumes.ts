/** Local volumes of a dockerd: what containers keep beside their own layers. Looked at, never touched. */
import { join } from "node:path";
import type { Layout } from "../layout.js";
import { readEntries, readText } from "../read.js";
import { readBolt } from "./bolt.js";
import { labelsOf, type StoredContainer } from "./containers.js";
import { isObject } from "./image-config.js";

export interface StoredVolume {
  readonly name: string;
  /** Where its files are. */
  readonly path: string;
  /** How many containers use it. */
  readonly containers: number;
  readonly labels: Readonly<Record<string, string>>;
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
  const names = readEntries(layout.volumes)
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .filter((name) => !hasOptions(join(layout.volumes, name)))
    .sort();
  const notes = names.length === 0 ? undefined : readNotes(layout);
  return names.map((name) => ({
    name,
    path: join(layout.volumes, name, "_data"),
    containers: uses.get(name) ?? 0,
    labels: labelsOf(notes?.(name)),
  }));
}

/** What dockerd noted of volumes by name, in the database that also carries the lock of the root. */
function readNotes(layout: Layout) {
  const notes = readBolt(layout.lockFile, ["volumes"])?.get("volumes");
  return (name: string) => {
    const note: unknown = notes instanceof Map ? notes.get(name) : undefined;
    if (!Buffer.isBuffer(note)) return undefined;
    try {
      const value: unknown = JSON.parse(note.toString("utf8"));
      return isObject(value) ? value : undefined;
    } catch {
      return undefined;
    }
  };
}

function hasOptions(volume: string): boolean {
  const text = readText(join(volume, "opts.json"));
  return text !== undefined && text !== "";
}
