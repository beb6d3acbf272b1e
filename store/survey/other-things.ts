/** What else is in a root: what a dockerd keeps there beside images, and what is nobody's. Counted, never touched. */
import { join } from "node:path";
import { STORAGE_DRIVERS } from "../daemons/releases.js";
import type { Layout } from "../layout.js";
import { readEntries, readNames } from "../read.js";
import { REMAPPED, SNAPSHOTS } from "../root.js";
import { buildRecordsIn } from "./build-cache.js";
import { isOverlayName } from "./leftovers.js";

/** Something that is neither an image nor tpull's. */
export interface OtherThing {
  /** Relative to the root. */
  readonly path: string;
  readonly kind:
    | "containers"
    | "volumes"
    | "build cache"
    | "containerd store"
    | "plugins"
    | "swarm"
    | "other driver"
    | "remapped root"
    | "unknown";
  /** How many there are. */
  readonly count: number;
}

/** What is at the top of a root: what dockerd makes there, what tpull does, and what every filesystem has. */
const EXPECTED: ReadonlySet<string> = new Set([
  "buildkit",
  "builder",
  "containerd",
  "containers",
  "engine-id",
  "image",
  "lost+found",
  "network",
  "overlay2",
  "plugins",
  "runtimes",
  "swarm",
  "tmp",
  "tmp-old",
  "tpull",
  "trust",
  "volumes",
]);
/** Names of directories in which other storage drivers keep layers. */
const DRIVERS: ReadonlySet<string> = new Set(STORAGE_DRIVERS);
const HEX_ID = /^[0-9a-f]{64}$/;

/** All of it, as far as there is any. */
export function otherThings(layout: Layout): OtherThing[] {
  const { root, containers, volumes } = layout;
  const found: OtherThing[] = [
    {
      path: "containers",
      kind: "containers",
      count: readNames(containers).filter((name) => HEX_ID.test(name)).length,
    },
    {
      path: "volumes",
      kind: "volumes",
      count: readEntries(volumes).filter((entry) => entry.isDirectory()).length,
    },
    {
      path: "buildkit",
      kind: "build cache",
      count: buildRecordsIn(layout, () => false).length,
    },
    {
      path: SNAPSHOTS,
      kind: "containerd store",
      count: readNames(join(root, SNAPSHOTS)).length,
    },
    {
      path: "plugins",
      kind: "plugins",
      count: readNames(join(root, "plugins")).filter((name) =>
        HEX_ID.test(name),
      ).length,
    },
    {
      path: "swarm",
      kind: "swarm",
      count: readNames(join(root, "swarm")).length,
    },
    ...otherDrivers(layout),
    ...strangers(layout),
  ];
  return found.filter(({ count }) => count > 0);
}

/** Images of other storage drivers, and other stores. */
function otherDrivers({ image }: Layout): OtherThing[] {
  return readNames(image)
    .filter((name) => name !== "overlay2")
    .map((name) => ({
      path: `image/${name}`,
      kind: "other driver",
      count: readNames(join(image, name)).length,
    }));
}

/** Names that neither dockerd nor tpull gives. */
function strangers({ root, overlay, links }: Layout): OtherThing[] {
  const top = readNames(root)
    .filter((name) => !EXPECTED.has(name))
    .map((name): OtherThing => ({
      path: name,
      kind: kindOf(name),
      count: 1,
    }));
  const inOverlay = readEntries(overlay)
    .filter(({ name }) => !isOverlayName(name) && !OWN_OVERLAY.has(name))
    .map(({ name }): OtherThing => ({
      path: `overlay2/${name}`,
      kind: "unknown",
      count: 1,
    }));
  const inLinks = readEntries(links).filter((entry) => !entry.isSymbolicLink());
  return [
    ...top,
    ...inOverlay,
    { path: "overlay2/l", kind: "unknown", count: inLinks.length },
  ];
}

function kindOf(name: string): OtherThing["kind"] {
  if (REMAPPED.test(name)) return "remapped root";
  return DRIVERS.has(name) ? "other driver" : "unknown";
}

/** The links, tpull's staging, and what dockerd makes for quotas. */
const OWN_OVERLAY: ReadonlySet<string> = new Set([
  "l",
  ".tpull-staging",
  "backingFsBlockDev",
]);
