/** The zone that dates are shown in, with the names of its clocks: as Go's programs find it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "../settings.js";
import { timeTypeByRule } from "./zone-rule.js";
import { type LocalTimeType, parseZoneFile, type ZoneFile } from "./tzif.js";

export type { LocalTimeType };

export interface Zone {
  /** What clocks show at a second since 1970. */
  at(seconds: number): LocalTimeType;
}

const UTC_TYPE: LocalTimeType = { offset: 0, name: "UTC", isSummer: false };
export const UTC: Zone = { at: () => UTC_TYPE };

const DATABASES = [
  "/usr/share/zoneinfo",
  "/usr/share/lib/zoneinfo",
  "/usr/lib/locale/TZ",
  "/etc/zoneinfo",
];

/**
 * The zone of `$TZ` (a name like `Europe/Berlin`, or the path of a file), else
 * that of `/etc/localtime`; UTC where there is none. (Go's time, `initLocal`.)
 */
export function localZone(env: Environment): Zone {
  for (const path of zoneFiles(env["TZ"])) {
    const zone = readZone(path);
    if (zone !== undefined) return zone;
  }
  return UTC;
}

function zoneFiles(name: string | undefined): readonly string[] {
  if (name === undefined) return ["/etc/localtime"];
  const bare = name.replace(/^:/, "");
  if (bare.startsWith("/")) return [bare];
  if (bare === "" || bare === "UTC" || bare.split("/").includes(".."))
    return [];
  return DATABASES.map((folder) => join(folder, bare));
}

function readZone(path: string): Zone | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch {
    return undefined;
  }
  const file = parseZoneFile(bytes);
  return file === undefined || file.types.length === 0
    ? undefined
    : zoneOf(file);
}

function zoneOf({ types, transitions, rule }: ZoneFile): Zone {
  const first = firstType(types, transitions);
  return {
    at: (seconds) => {
      const after = transitions.findLastIndex(({ at }) => at <= seconds);
      if (after === transitions.length - 1 && rule !== "") {
        const ruled = timeTypeByRule(rule, seconds);
        if (ruled !== undefined) return ruled;
      }
      return types[transitions[after]?.type ?? first] ?? UTC_TYPE;
    },
  };
}

/** The type of the time before the first transition. */
function firstType(
  types: readonly LocalTimeType[],
  transitions: ZoneFile["transitions"],
): number {
  if (transitions.every(({ type }) => type !== 0)) return 0;
  const standard = types.findIndex(({ isSummer }) => !isSummer);
  const next = transitions[0]?.type ?? 0;
  if (types[next]?.isSummer) {
    const before = types.slice(0, next).findLastIndex((one) => !one.isSummer);
    if (before >= 0) return before;
  }
  return Math.max(0, standard);
}
