/** What a dockerd of each release would make of a data root, with the reasons. */
import type { Known } from "../survey/filesystem.js";
import type { Choice, Obstacle } from "./choice.js";
import { choose } from "./choose.js";
import type { RootFacts } from "./facts.js";
import { type HiddenImages, hiddenFrom, hiddenRemark } from "./hidden.js";
import { type Release, RELEASES } from "./releases.js";
import {
  type DaemonRemark,
  driverNotes,
  NAMES_DAMAGED,
  notADirectory,
  notesOn,
  onPseudo,
  READ_ONLY,
  readsNames,
  usersShifted,
  VOLUMES_DAMAGED,
} from "./remarks.js";
import type { DaemonSettings } from "./settings.js";

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
  if (facts.pseudo !== undefined) return refused(release, onPseudo(facts));
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
    notes: notesOn(facts, judgedFor(choice, settings)),
    shifted: facts.remapped && remap === undefined,
  });
}

/** Only overlay2's options are known. */
function judgedFor(choice: Choice, settings: DaemonSettings): DaemonSettings {
  const { storageOptions, notJudged = [] } = settings;
  if (readsNames(choice) || storageOptions === undefined) return settings;
  return { ...settings, notJudged: [...notJudged, "storage-opts"] };
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

function shownBy({ store, driver }: Choice, facts: RootFacts): Known<number> {
  if (store === "containerd") return facts.containerdImages;
  const shown = [...facts.images].find(([name]) => name === driver)?.[1];
  return shown ?? (driver === undefined ? "unknown" : 0);
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
