/** What is to be said of a dockerd and a data root, besides what it decides. */
import { dirname, resolve } from "node:path";
import type { Choice, Obstacle } from "./choice.js";
import { mayBeSnapshotter } from "./containerd-store.js";
import type { RootFacts } from "./facts.js";
import type { DaemonSettings } from "./settings.js";

/** Something that decides or that one should know. Codes are stable. */
export interface DaemonRemark {
  readonly code:
    | Obstacle["code"]
    | "ROOT_NOT_A_DIRECTORY"
    | "ROOT_FILESYSTEM_UNFIT"
    | "ROOT_READ_ONLY"
    | "REPOSITORIES_DAMAGED"
    | "VOLUMES_DAMAGED"
    | "USERS_SHIFTED"
    | "IMAGES_HIDDEN"
    | "IMAGES_DAMAGED"
    | "DATA_ROOT_DIFFERS"
    | "DIRECTIVES_NOT_JUDGED"
    | "ROOTLESS"
    | "SNAPSHOTTER_UNKNOWN"
    | "NO_D_TYPE"
    | "NO_NATIVE_DIFF";
  readonly message: string;
  /** What to do, where there is something. */
  readonly hint?: string;
}

/** Whether it works with what tpull writes. */
export function readsNames({ store, driver }: Choice): boolean {
  return store === "docker" && driver === "overlay2";
}

/** What goes with the driver, though it stops nothing. */
export function driverNotes(choice: Choice, facts: RootFacts): DaemonRemark[] {
  const notes: DaemonRemark[] = [];
  const { store, driver } = choice;
  if (store === "containerd" && driver !== undefined) {
    if (mayBeSnapshotter(driver)) return notes;
    notes.push({
      code: "SNAPSHOTTER_UNKNOWN",
      message: `containerd has no snapshotter ${driver}: every pull fails`,
      hint: 'Take "storage-driver" out of daemon.json, or set it to overlayfs.',
    });
  }
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

/** What holds whatever is decided. */
export function notesOn(
  facts: RootFacts,
  { dataRoot, notJudged = [] }: DaemonSettings,
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
  if (notJudged.length > 0) notes.push(unjudged(notJudged));
  return notes;
}

/** How many things are named before the rest of them is counted. */
const MOST_NAMED = 8;

function unjudged(names: readonly string[]): DaemonRemark {
  const more = names.length - MOST_NAMED;
  const named = names.slice(0, MOST_NAMED).map((name) => JSON.stringify(name));
  if (more > 0) named.push(`and ${more} more`);
  return {
    code: "DIRECTIVES_NOT_JUDGED",
    message: `not judged: ${named.join(", ")}; a dockerd does not start with what it does not know`,
    hint: "'dockerd --validate --config-file FILE' of dockerd 23 or newer says whether it takes the file.",
  };
}

export function usersShifted({ root }: RootFacts): DaemonRemark {
  return {
    code: "USERS_SHIFTED",
    message: "the files belong to remapped users",
    hint: `Start dockerd on the directory above, with "userns-remap": it then finds ${root} by itself.`,
  };
}

export function notADirectory({ root }: RootFacts): DaemonRemark {
  return {
    code: "ROOT_NOT_A_DIRECTORY",
    message: `${root} is not a directory`,
  };
}

export function onPseudo({ root, pseudo }: RootFacts): DaemonRemark {
  return {
    code: "ROOT_FILESYSTEM_UNFIT",
    message: `nothing can be stored in ${root}: it is on ${pseudo}`,
    hint: "Put the data root on a filesystem such as ext4, xfs (with ftype=1) or btrfs.",
  };
}

export const READ_ONLY: DaemonRemark = {
  code: "ROOT_READ_ONLY",
  message: "the filesystem is read-only",
  hint: "Mount it for writing.",
};

export const NAMES_DAMAGED: DaemonRemark = {
  code: "REPOSITORIES_DAMAGED",
  message: "image/overlay2/repositories.json is malformed",
  hint: "'tpull verify --repair' saves the names that can be saved.",
};

export const VOLUMES_DAMAGED: DaemonRemark = {
  code: "VOLUMES_DAMAGED",
  message: "volumes/metadata.db is no database",
  hint: "Restore it from a backup, or move it away: dockerd makes a new one, without the volumes' labels and options.",
};
