/** What a template of `tpull info --format` sees. */
import type { StoreInfo } from "../../../store/survey/store-info.js";
import { ANY, type GoType, sliceOf, STRING } from "../template/types.js";
import { bool, type GoValue, int, string, struct } from "../template/values.js";

/**
 * The fields of the JSON, each with a capital letter as fields have in Go, and
 * those of `docker info` that a root alone can answer: `{{.DockerRootDir}}`,
 * `{{.Driver}}`, `{{.DriverStatus}}`, `{{.Images}}`, `{{.Containers}}`.
 */
export function infoValue(info: StoreInfo): GoValue {
  const { counts, filesystem } = info;
  const stopped =
    counts.containers - counts.containersRunning - counts.containersPaused;
  const status: [string, unknown][] = [
    ["Backing Filesystem", filesystem.name],
    ["Supports d_type", filesystem.supportsDType],
    ["Using metacopy", filesystem.usingMetacopy],
    ["Native Overlay Diff", filesystem.nativeOverlayDiff],
    ["userxattr", filesystem.userxattr],
  ];
  return struct("StoreInfo", [
    // What is absent is nil, not an unknown field.
    ...fieldsOf(info),
    ["DockerRootDir", string(info.root)],
    ["DriverStatus", pairs(status)],
    ["Images", int(counts.images)],
    ["Containers", int(counts.containers)],
    ["ContainersRunning", int(counts.containersRunning)],
    ["ContainersPaused", int(counts.containersPaused)],
    ["ContainersStopped", int(stopped)],
  ]);
}

function fieldsOf(value: object): [string, GoValue][] {
  return Object.entries(value).map(([key, member]) => [
    key.charAt(0).toUpperCase() + key.slice(1),
    valueOf(key, member),
  ]);
}

/** @param name what errors call the type of an object */
function valueOf(name: string, value: unknown): GoValue {
  switch (typeof value) {
    case "string":
      return string(value);
    case "number":
      return int(Math.trunc(value));
    case "boolean":
      return bool(value);
    case "object":
      if (Array.isArray(value)) {
        return {
          type: sliceOf(ANY),
          data: value.map((item) => valueOf(name, item)),
        };
      }
      return struct(name, fieldsOf(value ?? {}));
    default:
      return { type: ANY, data: null };
  }
}

/** docker's list of pairs of words. */
function pairs(list: readonly (readonly [string, unknown])[]): GoValue {
  const pair: GoType = sliceOf(STRING);
  return {
    type: sliceOf(pair),
    data: list.map(([name, value]) => [name, String(value)]),
  };
}
