/**
 * The choice between docker's own store and containerd's (moby, of release 29
 * daemon/image_store_choice.go and daemon.go, `NewDaemon`; before it
 * `UsesSnapshotter`).
 */
import { type Choice, configured, isBuiltIn, type Obstacle } from "./choice.js";
import type { RootFacts } from "./facts.js";
import type { Release } from "./releases.js";
import type { DaemonSettings } from "./settings.js";
import { fitOf } from "./storage-drivers.js";

/** Snapshotters have other names than the storage drivers that do the same. */
const SNAPSHOTTER = "overlayfs";
/** The one that works everywhere. */
const COPYING = "native";
/** What no snapshotter is called. */
const NO_SNAPSHOTTERS: ReadonlySet<string> = new Set([
  "devicemapper",
  "overlay",
  "overlay2",
  "vfs",
]);

/** @returns undefined where it is left to the storage drivers */
export function containerdChoice(
  release: Release,
  facts: RootFacts,
  settings: DaemonSettings,
): Choice | Obstacle | undefined {
  const { containerdStore, drivers } = release;
  const { containerdSnapshotter: asked, storageDriver } = settings;
  const chosen = (because: string): Choice | Obstacle =>
    inContainerd(release, facts, storageDriver, because);
  if (containerdStore === "never") return undefined;
  if (asked === true) return chosen('"containerd-snapshotter" is on');
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

/**
 * Where release 29 goes from the storage driver that it would take: with
 * `containerd-migration` and no containers, from images of no size at most.
 */
export function migrated(
  chosen: Choice,
  { containerdStore }: Release,
  { images, containers }: RootFacts,
  { containerdMigration }: DaemonSettings,
): Choice {
  const target = new Map([
    ["overlay2", SNAPSHOTTER],
    ["vfs", COPYING],
  ]).get(chosen.driver ?? "");
  const isMoving =
    containerdStore === "by default" &&
    containerdMigration === true &&
    containers === 0 &&
    [...images.keys()].every((driver) => driver !== chosen.driver);
  if (!isMoving || target === undefined) return chosen;
  return {
    kind: "chosen",
    store: "containerd",
    driver: target,
    because: '"containerd-migration" is on, and there is nothing to keep',
  };
}

/** Whether containerd can have a snapshotter of that name. */
export function mayBeSnapshotter(name: string): boolean {
  return !NO_SNAPSHOTTERS.has(name);
}

function inContainerd(
  release: Release,
  facts: RootFacts,
  name: string | undefined,
  because: string,
): Choice | Obstacle {
  // Before 29 nothing is looked for: it starts, and pulls fail.
  if (release.containerdStore !== "by default") {
    return inStore(name ?? SNAPSHOTTER, because);
  }
  const { works, why } = fitOf(release, facts, "overlay2");
  if (name === undefined) {
    if (works === "unknown") return inStore(undefined, because);
    return inStore(works ? SNAPSHOTTER : COPYING, because);
  }
  if (name === COPYING || (name === SNAPSHOTTER && works === true)) {
    return inStore(name, because);
  }
  const isNone =
    !mayBeSnapshotter(name) || (name === SNAPSHOTTER && works === false);
  return {
    kind: isNone ? "refused" : "unknown",
    code: isNone ? "SNAPSHOTTER_UNAVAILABLE" : "DRIVER_UNCERTAIN",
    message: isNone
      ? `containerd has no snapshotter ${name}${name === SNAPSHOTTER ? ` here: ${why}` : ""}`
      : `whether containerd has a snapshotter ${name} cannot be seen`,
    hint: 'Take "storage-driver" out of daemon.json: dockerd then takes a snapshotter that is there.',
  };
}

function inStore(driver: string | undefined, because: string): Choice {
  return { kind: "chosen", store: "containerd", driver, because };
}
