/**
 * The choice among the storage drivers (moby, daemon/graphdriver/driver.go,
 * `New`): the one that is named, else one that has been in use, else the first
 * that works.
 */
import {
  type Choice,
  configured,
  inDaemonJson,
  isBuiltIn,
  type Obstacle,
} from "./choice.js";
import type { RootFacts } from "./facts.js";
import type { Fit } from "./fits.js";
import type { Release, StorageDriver } from "./releases.js";
import type { DaemonSettings } from "./settings.js";
import { optionObstacle } from "./storage-options.js";

/** Decides by the name and the options that are configured. */
export function graphDriver(
  release: Release,
  facts: RootFacts,
  settings: DaemonSettings,
): Choice | Obstacle {
  const found = byName(release, facts, settings);
  if (found.kind !== "chosen" || found.driver !== "overlay2") return found;
  return optionObstacle(facts, settings.storageOptions ?? []) ?? found;
}

function byName(
  release: Release,
  facts: RootFacts,
  { storageDriver: name }: DaemonSettings,
): Choice | Obstacle {
  if (name !== undefined) return namedDriver(release, facts, name);
  const prior = release.drivers.filter((driver) => facts.prior.has(driver));
  const [first] = prior;
  return first === undefined
    ? freshDriver(release, facts)
    : priorDriver(release, facts, first, prior);
}

function namedDriver(
  release: Release,
  facts: RootFacts,
  name: string,
): Choice | Obstacle {
  if (!isBuiltIn(name, release.drivers)) {
    return {
      kind: "refused",
      code: "DRIVER_NOT_BUILT_IN",
      message: `this release has no storage driver ${name}`,
      hint: 'Take "storage-driver" out of daemon.json, or name another one.',
    };
  }
  return (
    obstacle(release, facts, name) ?? {
      kind: "chosen",
      store: "docker",
      driver: name,
      because: configured(name),
    }
  );
}

function priorDriver(
  release: Release,
  facts: RootFacts,
  driver: StorageDriver,
  prior: readonly StorageDriver[],
): Choice | Obstacle {
  const hindrance = obstacle(release, facts, driver);
  if (hindrance !== undefined) return hindrance;
  if (release.deprecated.includes(driver)) {
    return {
      kind: "refused",
      code: "DRIVER_DEPRECATED",
      message: `${driver} has been in use, which this release takes only when it is named`,
      hint: inDaemonJson({ "storage-driver": driver }),
    };
  }
  if (prior.length > 1) {
    const keep = prior.includes("overlay2") ? "overlay2" : driver;
    return {
      kind: "refused",
      code: "SEVERAL_DRIVERS",
      message: `several storage drivers have been in use: ${prior.join(", ")}`,
      hint: `${inDaemonJson({ "storage-driver": keep })} Or move the directories of the others away.`,
    };
  }
  return {
    kind: "chosen",
    store: "docker",
    driver,
    because: `${driver}/ is not empty`,
  };
}

/** The first that works, where none has been in use. */
function freshDriver(release: Release, facts: RootFacts): Choice {
  const because = "no storage driver has been in use";
  for (const driver of release.drivers) {
    // 20.10 takes those, too, that it calls deprecated.
    if (release.deprecated.includes(driver)) continue;
    const { works } = fitOf(release, facts, driver);
    if (works === false) continue;
    const certain = works === true ? driver : undefined;
    return { kind: "chosen", store: "docker", driver: certain, because };
  }
  throw new Error("vfs works everywhere");
}

/** What keeps a driver from working that dockerd cannot do without. */
function obstacle(
  release: Release,
  facts: RootFacts,
  driver: StorageDriver,
): Obstacle | undefined {
  const { works, why } = fitOf(release, facts, driver);
  if (works === true) return undefined;
  const kind = works === false ? "refused" : "unknown";
  return {
    kind,
    code: works === false ? "DRIVER_UNUSABLE" : "DRIVER_UNCERTAIN",
    message: `${driver}: ${why}`,
    hint: wayRound(release, facts, driver),
  };
}

function wayRound(
  release: Release,
  facts: RootFacts,
  driver: StorageDriver,
): string {
  if (facts.blocked.has(driver)) return `Move ${driver} in the root away.`;
  const isOther = driver !== "overlay2";
  if (isOther && fitOf(release, facts, "overlay2").works === true) {
    const settings = inDaemonJson({ "storage-driver": "overlay2" });
    return facts.prior.has(driver)
      ? `${settings} Or move the directory ${driver} away, with what was stored there.`
      : settings;
  }
  return "Put the data root on a filesystem such as ext4, xfs (with ftype=1) or btrfs.";
}

/** Whether a driver works in a root. Both of overlayfs's want to see of what type entries are. */
export function fitOf(
  { toleratesNoDType }: Release,
  { fits, dType, prior, blocked }: RootFacts,
  driver: StorageDriver,
): Fit {
  if (blocked.has(driver)) {
    return { works: false, why: "what is there is not a directory" };
  }
  const fit = fits[driver];
  const wantsType = driver === "overlay2" || driver === "overlay";
  if (fit.works !== true || !wantsType || dType !== false) return fit;
  if (toleratesNoDType && prior.has(driver)) return fit;
  return {
    works: false,
    why: "the filesystem does not tell the type of entries (d_type)",
  };
}
