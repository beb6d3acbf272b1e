/**
 * Whose data root is this, and can layers be kept there? Everything here looks
 * and refuses; nothing writes.
 */
import { constants, type Stats } from "node:fs";
import { access, stat, statfs } from "node:fs/promises";
import { basename, join } from "node:path";
import { TpullError } from "./errors.js";
import { attempt, errnoOf, isAbsent, notWritableHint } from "./io-error.js";
import type { Layout } from "./layout.js";
import { requireLibc } from "./native/libc.js";
import { readEntries, readNames } from "./read.js";
import { readRepositories } from "./repositories.js";
import { refuseLinks } from "./root-links.js";
import { nearestDirectory } from "./root-place.js";

export { type Privilege, privilege } from "./privilege.js";

/** Something a user should know that stops nothing. */
export interface StoreWarning {
  readonly code: string;
  readonly message: string;
}

/** Storage drivers of docker, past and present, other than ours. */
const OTHER_DRIVERS = new Set([
  "aufs",
  "btrfs",
  "devicemapper",
  "fuse-overlayfs",
  "overlay",
  "vfs",
  "windowsfilter",
  "zfs",
]);

/** statfs(2) types that cannot hold whiteouts, owners or attributes, or not where overlayfs looks for them. */
export const UNFIT: ReadonlyMap<number, string> = new Map([
  [0x794c7630, "overlayfs"],
  [0x61756673, "aufs"],
  [0xf15f, "ecryptfs"],
  [0x6969, "NFS"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
  [0x517b, "SMB"],
  [0x4d44, "FAT"],
  [0x2011bab0, "exFAT"],
  [0x5346544e, "NTFS"],
  [0x7366746e, "NTFS"],
]);

/** Types of what shows the kernel's own things as files: nothing can be stored there at all. */
export const PSEUDO: ReadonlyMap<number, string> = new Map([
  [0x9fa0, "procfs"],
  [0x62656572, "sysfs"],
  [0x27e0eb, "cgroup"],
  [0x63677270, "cgroup2"],
  [0x1cd1, "devpts"],
  [0x64626720, "debugfs"],
  [0x74726163, "tracefs"],
  [0x73636673, "securityfs"],
  [0x62656570, "configfs"],
  [0xcafe4a11, "bpf"],
  [0x6165676c, "pstore"],
  [0x19800202, "mqueue"],
  [0xf97cff8c, "selinuxfs"],
  [0x65735543, "fusectl"],
  [0x42494e4d, "binfmt_misc"],
  [0x958458f6, "hugetlbfs"],
  [0xde5e81e4, "efivarfs"],
  [0x6e736673, "nsfs"],
]);

/** Types on which it depends on version and options. */
export const DOUBTFUL: ReadonlyMap<number, string> = new Map([
  [0x65735546, "a FUSE filesystem"],
  [0x2fc12fc1, "ZFS"],
  [0x01021997, "9p"],
]);

/** A root that comes and goes while it is looked at. */
const LOOK_TRIES = 10;

/** Where a dockerd's own containerd unpacks images. */
export const SNAPSHOTS =
  "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots";

/** A user-namespace root is a directory `<uid>.<gid>` below the real one. */
export const REMAPPED: RegExp = /^(\d+)\.(\d+)$/;

/**
 * Refuses a root that tpull must not write to. A root that does not exist yet
 * is judged by the nearest directory above it.
 * @param names `any`: malformed `repositories.json` is no reason to refuse
 * @returns what is doubtful but no reason to refuse
 * @throws TpullError `PLATFORM_UNSUPPORTED`, `ROOT_NOT_A_DIRECTORY`,
 * `ROOT_NOT_WRITABLE`, `ROOT_FILESYSTEM_UNFIT`, `ROOT_LEADS_ELSEWHERE`, `ROOT_OF_OTHER_DRIVER`,
 * `ROOT_IS_CONTAINERD_STORE`, `ROOT_IS_USERNS_REMAPPED`, `REPOSITORIES_INVALID`
 */
export async function checkRoot(
  layout: Layout,
  names: "whole" | "any" = "whole",
): Promise<StoreWarning[]> {
  requireLibc();
  return await attempt(`use the data root ${layout.root}`, async () => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await look(layout, names);
      } catch (error) {
        // A session of which nothing came unmakes what it had made.
        if (!isAbsent(error) || tries === LOOK_TRIES) throw error;
      }
    }
  });
}

async function look(
  layout: Layout,
  names: "whole" | "any",
): Promise<StoreWarning[]> {
  const warnings: StoreWarning[] = [];
  const existing = nearestDirectory(layout.root);
  await requireWritable(layout.root, existing);
  await requireFilesystem(layout, existing, warnings);
  if (existing === layout.root) {
    refuseLinks(layout);
    await requireOurs(layout, warnings);
    if (names === "whole") readRepositories(layout);
  }
  return warnings;
}

async function requireWritable(root: string, existing: string): Promise<void> {
  try {
    await access(existing, constants.W_OK | constants.X_OK);
  } catch (error) {
    if (isAbsent(error)) throw error;
    const why =
      errnoOf(error) === "EROFS"
        ? `the filesystem of ${existing} is read-only`
        : `no permission to write in ${existing}`;
    throw new TpullError(
      "ROOT_NOT_WRITABLE",
      `the data root ${root} cannot be written: ${why}`,
      {
        hint: notWritableHint(error),
        cause: error,
      },
    );
  }
}

async function requireFilesystem(
  layout: Layout,
  existing: string,
  warnings: StoreWarning[],
): Promise<void> {
  const place = (await isDirectory(layout.overlay)) ? layout.overlay : existing;
  const { type } = await statfs(place);
  const unfit = UNFIT.get(type) ?? PSEUDO.get(type);
  if (unfit !== undefined) {
    throw new TpullError(
      "ROOT_FILESYSTEM_UNFIT",
      `layers cannot be stored in ${place}: it is on ${unfit}`,
      {
        hint: "Choose a data root on a local filesystem such as ext4, xfs, btrfs or tmpfs with --root (in a container: on a volume).",
        details: { filesystem: unfit },
      },
    );
  }
  const doubtful = DOUBTFUL.get(type);
  if (doubtful !== undefined) {
    warnings.push({
      code: "ROOT_FILESYSTEM_DOUBTFUL",
      message: `${place} is on ${doubtful}, where docker's overlay2 driver may not work`,
    });
  }
}

async function requireOurs(
  layout: Layout,
  warnings: StoreWarning[],
): Promise<void> {
  const { root } = layout;
  // Another session may be making the root, `overlay2` before `image`: who
  // looks at them in that order could see the second without the first.
  const drivers = readNames(layout.image);
  const overlayInUse = readNames(layout.overlay).length > 0;
  await refuseRemapped(root, overlayInUse, warnings);
  const other = drivers.find((name) => OTHER_DRIVERS.has(name));
  if (other !== undefined && !drivers.includes("overlay2")) {
    throw new TpullError(
      "ROOT_OF_OTHER_DRIVER",
      `the data root ${root} belongs to a dockerd with the storage driver ${other}`,
      {
        hint: "tpull writes for the driver overlay2 only; choose another data root with --root.",
      },
    );
  }
  const snapshots = readNames(join(root, SNAPSHOTS)).length > 0;
  // Entries of layers are there only where overlay2 was in use, and is lost.
  const hadOverlay = readNames(layout.layers).length > 0;
  if (!overlayInUse && (snapshots || !hadOverlay)) {
    await refuseContainerdStore(layout, drivers, snapshots);
  }
  if (snapshots) {
    warnings.push({
      code: "ROOT_HAS_CONTAINERD_STORE",
      message: `${root} also holds images of the containerd store; a dockerd that uses that store will not show what tpull writes`,
    });
  }
}

/**
 * A dockerd that keeps images in containerd's store decides by a non-empty
 * `overlay2` which store is its own: making one would change its mind.
 */
async function refuseContainerdStore(
  { root, image }: Layout,
  drivers: string[],
  snapshots: boolean,
): Promise<void> {
  // One that unmakes the root begins with `image`.
  const left = drivers.length > 0 ? readNames(image) : [];
  let evidence: string;
  if (snapshots) evidence = SNAPSHOTS;
  else if (left.length > 0) evidence = `image/${left[0]!}`;
  else if (await exists(join(root, "engine-id"))) evidence = "engine-id";
  else return;
  throw new TpullError(
    "ROOT_IS_CONTAINERD_STORE",
    `the data root ${root} belongs to a dockerd that keeps its images in the containerd store: there is ${evidence}, and nothing in overlay2`,
    {
      hint: "Layers written here would make that dockerd switch its store and hide its images. Choose another data root with --root.",
    },
  );
}

async function refuseRemapped(
  root: string,
  overlayInUse: boolean,
  warnings: StoreWarning[],
): Promise<void> {
  const isNamedSo = REMAPPED.test(basename(root));
  if (isNamedSo && isRemapped(root, await stat(root))) throw remapped(root);
  const inside = readEntries(root).filter(
    (entry) => entry.isDirectory() && REMAPPED.test(entry.name),
  );
  for (const { name } of inside) {
    if (!(await isDirectory(join(root, name, "image")))) continue;
    if (!overlayInUse) throw remapped(join(root, name));
    warnings.push({
      code: "ROOT_HAS_USERNS_REMAP",
      message: `${root} was also used by a dockerd with userns-remap (${name}), which will not show what tpull writes`,
    });
  }
}

/** Whether a root is the one of remapped users in another one. */
export function isRemapped(root: string, { uid, gid }: Stats): boolean {
  const own = REMAPPED.exec(basename(root));
  if (own === null) return false;
  // Newer daemons keep the directory root's and give only the group away.
  const shifted = uid > 0 && uid === Number(own[1]);
  return shifted || (gid > 0 && gid === Number(own[2]));
}

function remapped(path: string): TpullError {
  return new TpullError(
    "ROOT_IS_USERNS_REMAPPED",
    `${path} belongs to a dockerd with userns-remap, whose layers have shifted owners`,
    {
      hint: "tpull does not shift owners; choose another data root with --root.",
    },
  );
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(absent))?.isDirectory() ?? false;
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(absent)) !== undefined;
}

function absent(error: unknown): undefined {
  if (!isAbsent(error)) throw error;
}
