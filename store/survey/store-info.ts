/** What kind of root this is, what it is on, who is at work in it, and how much of what it holds. */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { STAGING_FORMAT } from "../complete.js";
import {
  type DaemonSettings,
  type DaemonVerdict,
  storeImages,
  verdictsWith,
} from "../daemons/index.js";
import { isTpullError } from "../errors.js";
import { attempt, isAbsent } from "../io-error.js";
import type { Layout } from "../layout.js";
import { keptManifests } from "../manifests.js";
import { listPartials } from "../partials.js";
import { type Privilege, privilege } from "../privilege.js";
import { checkRoot, type StoreWarning } from "../root.js";
import type { Store } from "../store.js";
import { containersIn } from "./containers.js";
import type { Damage } from "./damage.js";
import { filesystemOf, type Known, supportsDType } from "./filesystem.js";
import { holderOfRoot, type Holder, writersOfRoot } from "./holder.js";
import { layerUses } from "./layer-use.js";
import { HeldLocks } from "./locks.js";
import { type OtherThing, otherThings } from "./other-things.js";
import { overlaySupport } from "./overlay-support.js";
import { type Survey, surveyed } from "./survey.js";
import { findUnfinished } from "./unfinished.js";

/** How much of what is in a root. */
export interface StoreCounts {
  /** Images that a dockerd would load. */
  readonly images: number;
  /** Those without a tag that nothing was built from. */
  readonly dangling: number;
  readonly tags: number;
  /** Names by digest. */
  readonly digests: number;
  readonly layers: number;
  /** Layers that nobody needs. */
  readonly orphanLayers: number;
  readonly containers: number;
  readonly containersRunning: number;
  readonly containersPaused: number;
  readonly partialBlobs: number;
  /** Layers that no image has yet: being unpacked, complete, or in the store. */
  readonly unfinishedLayers: number;
  /** Manifests that tpull keeps. */
  readonly manifests: number;
}

/** Whether tpull could write in a root now. */
export interface Writability {
  readonly possible: boolean;
  /** Why not: the error that a pull would end with. */
  readonly code?: string;
  readonly message?: string;
  readonly hint?: string;
  /** What is doubtful, but no reason to refuse. */
  readonly warnings: readonly StoreWarning[];
}

export interface StoreInfoOptions {
  /** Of the dockerd that the verdicts are about; as without any daemon.json by default. */
  readonly daemon?: DaemonSettings | undefined;
}

export interface StoreInfo {
  /** Absolute path of the data root. */
  readonly root: string;
  /** Whether there is such a directory; one that does not exist is an empty store. */
  readonly exists: boolean;
  /** docker's storage driver; there is no other that tpull knows. */
  readonly driver: "overlay2";
  readonly filesystem: {
    /** `extfs`, `xfs`, … as `docker info` calls it. */
    readonly name: string;
    readonly supportsDType: Known<boolean>;
    readonly usingMetacopy: Known<boolean>;
    readonly nativeOverlayDiff: Known<boolean>;
    readonly userxattr: Known<boolean>;
    /** Bytes that this user can still write, and bytes in all. */
    readonly free: number;
    readonly total: number;
  };
  /** The dockerd that runs on it. */
  readonly holder: Holder | undefined;
  /** The tpulls that write in it. */
  readonly writers: readonly Holder[];
  readonly counts: StoreCounts;
  readonly formats: {
    /** What tpull writes: docker's own format. */
    readonly store: string;
    /** Of the notes on layers that wait in `tpull/staging`. */
    readonly staging: number;
  };
  /** With which rights this process would write. */
  readonly privilege: Privilege;
  readonly writable: Writability;
  /** What a dockerd of each release would do if it were started on it, the oldest first. */
  readonly daemons: readonly DaemonVerdict[];
  /** What else is there. */
  readonly others: readonly OtherThing[];
  readonly damage: readonly Damage[];
}

/** docker's format has no number; these are the versions that were seen to read what tpull writes. */
const STORE_FORMAT = "docker overlay2 and layerdb, as of dockerd 20.10 to 29";

/**
 * Says what is known of a data root. Writes nothing and takes no lock.
 * @throws TpullError `ROOT_NOT_READABLE`, `STORE_IO_FAILED`
 */
export async function storeInfo(
  store: Store,
  { daemon = {} }: StoreInfoOptions = {},
): Promise<StoreInfo> {
  const { root, layout } = store;
  const { result, damage } = await surveyed(store, (survey) => ({
    counts: countAll(survey),
    images: storeImages(survey),
  }));
  const around = await attempt(
    `look at the data root ${root}`,
    () => {
      const exists = isDirectory(root);
      const place = isDirectory(layout.overlay)
        ? layout.overlay
        : nearestDirectory(root);
      const { name, free, total } = filesystemOf(place);
      const { metacopy, nativeDiff, userxattr } = overlaySupport();
      return {
        exists,
        filesystem: {
          name,
          supportsDType: supportsDType(place),
          usingMetacopy: metacopy,
          nativeOverlayDiff: nativeDiff,
          userxattr,
          free,
          total,
        },
        holder: holderOfRoot(layout),
        writers: writersOfRoot(layout),
        others: otherThings(layout),
      };
    },
    "read",
  );
  return {
    root,
    exists: around.exists,
    driver: "overlay2",
    filesystem: around.filesystem,
    holder: around.holder,
    writers: around.writers,
    counts: result.counts,
    formats: { store: STORE_FORMAT, staging: STAGING_FORMAT },
    privilege: privilege(),
    writable: await writability(layout, around.holder),
    daemons: await verdictsWith(store, result.images, daemon),
    others: around.others,
    damage,
  };
}

function countAll(survey: Survey): StoreCounts {
  const { layout } = survey;
  const uses = [...layerUses(survey).values()];
  const containers = containersIn(layout);
  const images = survey.images();
  const parents = new Set(images.map(({ parent }) => parent));
  const names = [...survey.references.values()].flatMap((own) => [
    ...own.keys(),
  ]);
  const digests = names.filter((name) => name.includes("@")).length;
  return {
    images: images.length,
    dangling: images.filter(
      ({ id, tags }) => tags.length === 0 && !parents.has(id),
    ).length,
    tags: names.length - digests,
    digests,
    layers: uses.length,
    orphanLayers: uses.filter(({ use }) => use === "none").length,
    containers: containers.length,
    containersRunning: containers.filter(({ state }) => state === "running")
      .length,
    containersPaused: containers.filter(({ state }) => state === "paused")
      .length,
    partialBlobs: listPartials(layout.root).length,
    unfinishedLayers: findUnfinished(layout, uses, new HeldLocks()).length,
    manifests: keptManifests(layout).length,
  };
}

async function writability(
  layout: Layout,
  holder: Holder | undefined,
): Promise<Writability> {
  try {
    const warnings = await checkRoot(layout);
    if (holder === undefined) return { possible: true, warnings };
    const { pid, name = "another process" } = holder;
    return {
      possible: false,
      code: "ROOT_IN_USE_BY_DOCKERD",
      message: `${name}${pid === undefined ? "" : ` (pid ${pid})`} runs on this data root`,
      hint: "Stop dockerd first, or choose another data root with --root.",
      warnings,
    };
  } catch (error) {
    if (!isTpullError(error)) throw error;
    const { code, message, hint } = error;
    return {
      possible: false,
      code,
      message,
      ...(hint === undefined ? {} : { hint }),
      warnings: [],
    };
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

function nearestDirectory(path: string): string {
  let place = path;
  while (!isDirectory(place)) place = dirname(place);
  return place;
}
