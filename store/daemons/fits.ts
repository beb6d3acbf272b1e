/**
 * Which storage drivers could work at a place on this machine. dockerd tries
 * them, by mounting something in its data root; here nothing is written, so that
 * some answers are not known.
 */
import { accessSync, constants, readFileSync, statfsSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { DOUBTFUL, UNFIT } from "../root.js";
import type { Known } from "../survey/filesystem.js";
import type { StorageDriver } from "./releases.js";

/** Whether a driver could work. */
export interface Fit {
  readonly works: Known<boolean>;
  /** Why not, or why it is not known; to follow the driver's name and a colon. */
  readonly why: string;
}

export type Fits = Readonly<Record<StorageDriver, Fit>>;

const FITS: Fit = { works: true, why: "" };
/** statfs(2) type of XFS. */
export const XFS = 0x58465342;
const BTRFS = 0x9123683e;
const ZFS = 0x2fc12fc1;
/** Where programs are on most machines; dockerd's own PATH cannot be seen. */
const PROGRAMS = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
];

/** What is asked of the machine. */
export interface Machine {
  /** `6.1.0-18-amd64` */
  readonly release: string;
  /** Text of `/proc/filesystems`. */
  readonly filesystems: string;
  isThere(path: string): boolean;
}

/**
 * @param type statfs(2) type of the filesystem
 * @param rootless whether dockerd runs as another user than root
 */
export function fitsOn(
  type: number,
  rootless: boolean,
  machine: Machine = thisMachine(),
): Fits {
  const overlay = overlayFit(type, rootless, machine);
  return {
    overlay2: overlay,
    overlay,
    "fuse-overlayfs": PROGRAMS.some((folder) =>
      machine.isThere(join(folder, "fuse-overlayfs")),
    )
      ? FITS
      : fails("the program fuse-overlayfs is not installed"),
    btrfs:
      type === BTRFS
        ? FITS
        : fails("the data root is not on a btrfs filesystem"),
    zfs:
      type === ZFS && machine.isThere("/dev/zfs")
        ? doubts("whether the zfs program works cannot be seen")
        : fails("the data root is not on a zfs filesystem"),
    aufs: lists(machine, "aufs")
      ? doubts("whether aufs works here cannot be seen")
      : fails("this kernel has no aufs"),
    devicemapper: machine.isThere("/dev/mapper/control")
      ? doubts("whether devicemapper works here cannot be seen")
      : fails("this machine has no device mapper"),
    vfs: FITS,
  };
}

function overlayFit(type: number, rootless: boolean, machine: Machine): Fit {
  const unfit = UNFIT.get(type);
  if (unfit !== undefined) {
    return fails(`an overlay cannot be mounted on ${unfit}`);
  }
  const doubtful = DOUBTFUL.get(type);
  if (doubtful !== undefined) {
    return doubts(`whether an overlay can be mounted on ${doubtful} depends`);
  }
  // It is loaded when something is mounted, if there is such a module.
  if (!lists(machine, "overlay")) {
    return doubts("the kernel has no overlayfs loaded");
  }
  const [major = 0, minor = 0] = machine.release.split(/[.-]/).map(Number);
  const isNew = major > 5 || (major === 5 && minor >= 11);
  // Some distributions have made it work on older ones.
  return rootless && !isNew
    ? doubts("a kernel before 5.11 may not let users mount overlays")
    : FITS;
}

function lists({ filesystems }: Machine, name: string): boolean {
  return filesystems
    .split("\n")
    .some((line) => line.split("\t").at(-1) === name);
}

function fails(why: string): Fit {
  return { works: false, why };
}

function doubts(why: string): Fit {
  return { works: "unknown", why };
}

/** statfs(2) type of the filesystem that a directory is on. */
export function filesystemType(path: string): number {
  return statfsSync(path).type;
}

function thisMachine(): Machine {
  let filesystems = "";
  try {
    filesystems = readFileSync("/proc/filesystems", "latin1");
  } catch {
    // Nothing is known then.
  }
  return {
    release: release(),
    filesystems,
    isThere(path) {
      try {
        accessSync(path, constants.F_OK);
        return true;
      } catch {
        return false;
      }
    },
  };
}
