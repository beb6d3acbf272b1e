/** What a dockerd of each release would make of a data root, with the reasons. */
import { dirname, resolve } from "node:path";
import type { Known } from "../survey/filesystem.js";
import { type Choice, choose, inDaemonJson, type Obstacle } from "./choose.js";
import type { RootFacts } from "./facts.js";
import { type Release, RELEASES } from "./releases.js";
import type { DaemonSettings } from "./settings.js";

/** Images that lie in a root and would not be shown. */
export interface HiddenImages {
  /** Relative to the root. */
  readonly path: string;
  readonly images: Known<number>;
  readonly why: "damaged" | "other driver" | "containerd store" | "remapped";
}

/** Something that decides or that one should know. Codes are stable. */
export interface DaemonRemark {
  readonly code:
    | Obstacle["code"]
    | "ROOT_NOT_A_DIRECTORY"
    | "ROOT_READ_ONLY"
    | "REPOSITORIES_DAMAGED"
    | "VOLUMES_DAMAGED"
    | "USERS_SHIFTED"
    | "IMAGES_HIDDEN"
    | "IMAGES_DAMAGED"
    | "DATA_ROOT_DIFFERS"
    | "ROOTLESS"
    | "NO_D_TYPE"
    | "NO_NATIVE_DIFF";
  readonly message: string;
  /** What to do, where there is something. */
  readonly hint?: string;
}

/**
 * `usable`: it starts, and shows every image that lies there. `hidden`: it
 * starts, and some are not shown. `unfit`: it starts and shows them, and
 * containers would not see their files as they should be. `refused`: it does not
 * start. `unknown`: that cannot be told without starting it.
 */
export type DaemonOutcome =
  "usable" | "hidden" | "unfit" | "refused" | "unknown";

export interface DaemonVerdict {
  /** dockerd's versions: `20.10`, `23`, `24`, `25 to 28`, `29`. */
  readonly release: Release["name"];
  readonly outcome: DaemonOutcome;
  /** Which of docker's two kinds of store it would use; undefined where it does not start. */
  readonly store: "docker" | "containerd" | undefined;
  /** The storage driver, or containerd's snapshotter; undefined where that cannot be told. */
  readonly driver: string | undefined;
  /** What decided for it; a clause. */
  readonly because: string | undefined;
  /** Images that it would show. */
  readonly shown: Known<number>;
  readonly hidden: readonly HiddenImages[];
  /** What decides first. */
  readonly remarks: readonly DaemonRemark[];
}

/**
 * One verdict for each release, the oldest first. They are about the next start,
 * when neither a dockerd nor a tpull holds the root any more; on this machine, as
 * its owner.
 */
export function verdictsOn(
  facts: RootFacts,
  settings: DaemonSettings,
): DaemonVerdict[] {
  return RELEASES.map((release) => verdictOn(release, facts, settings));
}

function verdictOn(
  release: Release,
  facts: RootFacts,
  settings: DaemonSettings,
): DaemonVerdict {
  const notes = notesOn(facts, settings);
  const remap = settings.usernsRemap;
  if (facts.kind === "other") return refused(release, notADirectory(facts));
  if (facts.readOnly) return refused(release, READ_ONLY, notes);
  // With remapped users everything below is that other root's matter.
  if (remap !== undefined && !facts.remapped)
    return elsewhere(release, facts, remap, notes);
  if (facts.volumesDamaged) return refused(release, VOLUMES_DAMAGED, notes);
  const choice = choose(release, facts, settings);
  if (choice.kind !== "chosen") return stopped(release, choice, notes);
  if (readsNames(choice) && facts.namesDamaged) {
    return refused(release, NAMES_DAMAGED, notes);
  }
  return started(release, facts, choice, {
    notes,
    shifted: facts.remapped && remap === undefined,
  });
}

function started(
  release: Release,
  facts: RootFacts,
  choice: Choice,
  around: { notes: readonly DaemonRemark[]; shifted: boolean },
): DaemonVerdict {
  const { notes, shifted } = around;
  const { store, driver, because } = choice;
  const hidden = hiddenFrom(choice, facts);
  const remarks: DaemonRemark[] = [];
  if (shifted) remarks.push(usersShifted(facts));
  for (const images of hidden) {
    remarks.push(hiddenRemark(images, choice, facts));
  }
  remarks.push(...driverNotes(choice, facts), ...notes);
  let outcome: DaemonOutcome = hidden.length > 0 ? "hidden" : "usable";
  if (shifted) outcome = "unfit";
  return {
    release: release.name,
    outcome,
    store,
    driver,
    because,
    shown: shownBy(choice, facts),
    hidden,
    remarks,
  };
}

function stopped(
  release: Release,
  { kind, code, message, hint }: Obstacle,
  notes: readonly DaemonRemark[],
): DaemonVerdict {
  const verdict = refused(release, { code, message, hint }, notes);
  return kind === "refused"
    ? verdict
    : { ...verdict, outcome: kind, shown: "unknown" };
}

function refused(
  release: Release,
  reason: DaemonRemark,
  notes: readonly DaemonRemark[] = [],
): DaemonVerdict {
  return {
    release: release.name,
    outcome: "refused",
    store: undefined,
    driver: undefined,
    because: undefined,
    shown: 0,
    hidden: [],
    remarks: [reason, ...notes],
  };
}

/** A dockerd with remapped users works in a directory below the root, and sees nothing else of it. */
function elsewhere(
  release: Release,
  facts: RootFacts,
  remap: string,
  notes: readonly DaemonRemark[],
): DaemonVerdict {
  const hidden: HiddenImages[] = [...facts.images].map(([driver, images]) => ({
    path: `image/${driver}`,
    images,
    why: "remapped",
  }));
  const remark: DaemonRemark = {
    code: "IMAGES_HIDDEN",
    message: `with "userns-remap" (${remap}) it keeps everything in a directory of the root that is called after the users, UID.GID`,
    hint: 'Take "userns-remap" out of daemon.json, or look at that directory with --root.',
  };
  return {
    release: release.name,
    outcome: hidden.length > 0 ? "hidden" : "unknown",
    store: undefined,
    driver: undefined,
    because: `"userns-remap" is ${remap}`,
    shown: "unknown",
    hidden,
    remarks: [remark, ...notes],
  };
}

function readsNames({ store, driver }: Choice): boolean {
  return store === "docker" && driver === "overlay2";
}

function shownBy({ store, driver }: Choice, facts: RootFacts): Known<number> {
  if (store === "containerd") return facts.containerdImages;
  const shown = [...facts.images].find(([name]) => name === driver)?.[1];
  return shown ?? (driver === undefined ? "unknown" : 0);
}

function hiddenFrom(choice: Choice, facts: RootFacts): HiddenImages[] {
  const { store, driver } = choice;
  const hidden: HiddenImages[] = [];
  for (const [name, images] of facts.images) {
    if (store === "docker" && name === driver) continue;
    hidden.push({ path: `image/${name}`, images, why: "other driver" });
  }
  if (store === "docker" && facts.containerdImages !== 0) {
    const images = facts.containerdImages;
    hidden.push({ path: "containerd", images, why: "containerd store" });
  }
  if (readsNames(choice) && facts.damagedImages > 0) {
    const images = facts.damagedImages;
    hidden.push({ path: "image/overlay2", images, why: "damaged" });
  }
  for (const { name, images } of facts.remappedRoots) {
    hidden.push({ path: name, images, why: "remapped" });
  }
  return hidden;
}

function hiddenRemark(
  { path, images, why }: HiddenImages,
  choice: Choice,
  facts: RootFacts,
): DaemonRemark {
  const what = images === "unknown" ? "images" : imagesOf(images);
  switch (why) {
    case "damaged":
      return {
        code: "IMAGES_DAMAGED",
        message: `${what} in ${path} would be left out, being damaged`,
        hint: "'tpull verify' says what is wrong, and 'tpull verify --repair' mends it.",
      };
    case "containerd store":
      return {
        code: "IMAGES_HIDDEN",
        message: `${what} in containerd's store would not be shown`,
        hint: `For those instead of the others, with 24 or newer: ${inDaemonJson({ features: { "containerd-snapshotter": true } })}`,
      };
    case "remapped":
      return {
        code: "IMAGES_HIDDEN",
        message: `${what} in ${path} would not be shown: they are of a dockerd with userns-remap`,
        hint: `For those instead of the others, set "userns-remap" in daemon.json to the user whose IDs begin there.`,
      };
    case "other driver":
      return {
        code: "IMAGES_HIDDEN",
        message: `${what} in ${path} would not be shown`,
        hint: showing(path.slice("image/".length), choice, facts),
      };
  }
}

/** What makes a dockerd take a storage driver that it would not take by itself. */
function showing(driver: string, choice: Choice, facts: RootFacts): string {
  const lost =
    driver === "overlay2" && !facts.prior.has("overlay2")
      ? " (Their layers' files are not there: see 'tpull verify'.)"
      : "";
  const settings =
    choice.store === "containerd"
      ? {
          features: { "containerd-snapshotter": false },
          "storage-driver": driver,
        }
      : { "storage-driver": driver };
  return `${inDaemonJson(settings)}${lost}`;
}

/** What goes with the driver, though it stops nothing. */
function driverNotes(choice: Choice, facts: RootFacts): DaemonRemark[] {
  const notes: DaemonRemark[] = [];
  if (!readsNames(choice)) return notes;
  if (facts.dType === false) {
    notes.push({
      code: "NO_D_TYPE",
      message:
        "the filesystem does not tell the type of entries (d_type): containers may see what was removed",
      hint: "Put the data root on a filesystem made with that feature: ext4 with filetype, xfs with ftype=1.",
    });
  }
  if (facts.nativeDiff === false) {
    notes.push({
      code: "NO_NATIVE_DIFF",
      message:
        "overlayfs redirects directories on this machine: docker build and commit compare whole trees",
      hint: "To change that, load the module overlay with redirect_dir=off.",
    });
  }
  return notes;
}

function notesOn(
  facts: RootFacts,
  { dataRoot }: DaemonSettings,
): DaemonRemark[] {
  const notes: DaemonRemark[] = [];
  if (facts.owner > 0 && !facts.remapped) {
    notes.push({
      code: "ROOTLESS",
      message: `the root belongs to the user ${facts.owner}: this is about a rootless dockerd of that user`,
    });
  }
  const own = facts.remapped ? dirname(facts.root) : facts.root;
  if (dataRoot !== undefined && resolve(dataRoot) !== own) {
    notes.push({
      code: "DATA_ROOT_DIFFERS",
      message: `that daemon.json is for the data root ${dataRoot}, not for this one`,
    });
  }
  return notes;
}

function usersShifted({ root }: RootFacts): DaemonRemark {
  return {
    code: "USERS_SHIFTED",
    message: "the files belong to remapped users",
    hint: `Start dockerd on the directory above, with "userns-remap": it then finds ${root} by itself.`,
  };
}

function notADirectory({ root }: RootFacts): DaemonRemark {
  return {
    code: "ROOT_NOT_A_DIRECTORY",
    message: `${root} is not a directory`,
  };
}

const READ_ONLY: DaemonRemark = {
  code: "ROOT_READ_ONLY",
  message: "the filesystem is read-only",
  hint: "Mount it for writing.",
};

const NAMES_DAMAGED: DaemonRemark = {
  code: "REPOSITORIES_DAMAGED",
  message: "image/overlay2/repositories.json is malformed",
  hint: "'tpull verify --repair' saves the names that can be saved.",
};

const VOLUMES_DAMAGED: DaemonRemark = {
  code: "VOLUMES_DAMAGED",
  message: "volumes/metadata.db is no database",
  hint: "Restore it from a backup, or move it away: dockerd makes a new one, without the volumes' labels and options.",
};

function imagesOf(count: number): string {
  return count === 1 ? "1 image" : `${count} images`;
}
