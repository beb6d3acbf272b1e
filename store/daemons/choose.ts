/**
 * Where a dockerd of a release keeps images in a data root, decided in the order
 * in which it decides itself (moby, daemon/graphdriver/driver.go, `New`, and
 * daemon/image_store_choice.go of release 29).
 */
import type { RootFacts } from "./facts.js";
import type { Fit } from "./fits.js";
import type { Release, StorageDriver } from "./releases.js";
import type { DaemonSettings } from "./settings.js";

/** Why a dockerd does not start, or why it is not known whether it does. */
export interface Obstacle {
  readonly kind: "refused" | "unknown";
  readonly code:
    | "DRIVER_NOT_BUILT_IN"
    | "DRIVER_DEPRECATED"
    | "DRIVER_UNUSABLE"
    | "DRIVER_UNCERTAIN"
    | "SEVERAL_DRIVERS";
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

export function choose(
  release: Release,
  facts: RootFacts,
  settings: DaemonSettings,
): Choice | Obstacle {
  const containerd = containerdChoice(release, facts, settings);
  if (containerd !== undefined) return containerd;
  const chosen = graphDriver(release, facts, settings.storageDriver);
  return chosen.kind === "chosen" && migrates(release, facts, settings)
    ? inContainerd(
        release,
        facts,
        settings,
        '"containerd-migration" is on, and there is nothing to keep',
      )
    : chosen;
}

/** @returns undefined where it is left to the storage drivers */
function containerdChoice(
  release: Release,
  facts: RootFacts,
  settings: DaemonSettings,
): Choice | undefined {
  const { containerdStore, drivers } = release;
  const chosen = (because: string): Choice =>
    inContainerd(release, facts, settings, because);
  if (containerdStore === "never") return undefined;
  const { containerdSnapshotter: asked, storageDriver } = settings;
  if (asked === true) {
    return chosen('"containerd-snapshotter" is on');
  }
  if (containerdStore === "when asked for" || asked === false) return undefined;
  if (drivers.some((driver) => facts.prior.has(driver))) return undefined;
  if (storageDriver === undefined) {
    return chosen("no storage driver has been in use");
  }
  // Any other word is taken for the name of a snapshotter.
  return isBuiltIn(storageDriver, drivers)
    ? undefined
    : chosen(configured(storageDriver));
}

function inContainerd(
  release: Release,
  facts: RootFacts,
  { storageDriver }: DaemonSettings,
  because: string,
): Choice {
  const driver = storageDriver ?? snapshotter(release, facts);
  return { kind: "chosen", store: "containerd", driver, because };
}

/** Snapshotters have other names than the drivers that do the same. */
function snapshotter(release: Release, facts: RootFacts): string | undefined {
  const { works } = fitOf(release, facts, "overlay2");
  if (works === "unknown") return undefined;
  // Before 29 nothing else is looked for, and pulls fail.
  return works || release.containerdStore !== "by default"
    ? "overlayfs"
    : "native";
}

/** daemon/daemon.go of release 29: without containers, and images of no size at most. */
function migrates(
  { containerdStore }: Release,
  { images, containers }: RootFacts,
  { containerdMigration, containerdSnapshotter }: DaemonSettings,
): boolean {
  return (
    containerdStore === "by default" &&
    containerdMigration === true &&
    containerdSnapshotter !== false &&
    containers === 0 &&
    images.size === 0
  );
}

function graphDriver(
  release: Release,
  facts: RootFacts,
  name: string | undefined,
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
    return `${inDaemonJson({ "storage-driver": "overlay2" })} Or move the directory ${driver} away, with what was stored there.`;
  }
  return "Put the data root on a filesystem such as ext4, xfs (with ftype=1) or btrfs.";
}

/** Both of overlayfs's drivers want to see of what type entries are. */
function fitOf(
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

function isBuiltIn(
  name: string,
  drivers: readonly StorageDriver[],
): name is StorageDriver {
  return (drivers as readonly string[]).includes(name);
}

function configured(driver: string): string {
  return `"storage-driver" is ${driver}`;
}

/** What to write into daemon.json. */
export function inDaemonJson(settings: object): string {
  const members = JSON.stringify(settings, null, 1).slice(1, -1);
  return `In daemon.json: ${members.replaceAll(/\s*\n\s*/g, " ").trim()}.`;
}
