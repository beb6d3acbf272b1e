/** What kind of filesystem a root is on, in docker's words, and what it can do. */
import { closeSync, constants, openSync, statfsSync } from "node:fs";
import { errnoOf, isAbsent } from "../io-error.js";
import { getdents64 } from "../native/libc.js";

/** What may not be known: from outside, or without asking the kernel in ways that leave traces. */
export type Known<Value> = Value | "unknown";

/** Names for the types of statfs(2). Those in the first part are docker's (moby, daemon/internal/fstype). */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0x61756673, "aufs"],
  [0x9123683e, "btrfs"],
  [0x28cd3d45, "cramfs"],
  [0xf15f, "ecryptfs"],
  [0xef53, "extfs"],
  [0xf2f52010, "f2fs"],
  [0x65735546, "fuse"],
  [0x47504653, "gpfs"],
  [0x72b6, "jffs2"],
  [0x3153464a, "jfs"],
  [0x6969, "nfs"],
  [0x794c7630, "overlayfs"],
  [0x858458f6, "ramfs"],
  [0x52654973, "reiserfs"],
  [0x517b, "smb"],
  [0x73717368, "squashfs"],
  [0x01021994, "tmpfs"],
  [0xa501fcf5, "vxfs"],
  [0x58465342, "xfs"],
  [0x2fc12fc1, "zfs"],
  // docker calls these <unknown>.
  [0x01021997, "9p"],
  [0xca451a4e, "bcachefs"],
  [0xff534d42, "cifs"],
  [0xfe534d42, "smb2"],
  [0xe0f5e1e2, "erofs"],
  [0x4d44, "fat"],
  [0x2011bab0, "exfat"],
  [0x5346544e, "ntfs"],
]);

export interface Filesystem {
  /** `extfs`, `xfs`, `btrfs`, …; docker's `<unknown>` for one without a name. */
  readonly name: string;
  /** Bytes that are free for this user, and bytes in all. */
  readonly free: number;
  readonly total: number;
}

/** @param path a directory that exists */
export function filesystemOf(path: string): Filesystem {
  const { type, bavail, blocks, bsize } = statfsSync(path);
  return {
    name: NAMES.get(type) ?? "<unknown>",
    free: bavail * bsize,
    total: blocks * bsize,
  };
}

/** Where the length and the type of an entry are in `struct linux_dirent64`. */
const RECORD_LENGTH = 16;
const RECORD_TYPE = 18;
const UNKNOWN_TYPE = 0;

/**
 * Whether a directory's entries say of what type they are, which overlayfs needs
 * (`d_type`). Every directory has entries: itself and the one above.
 */
export function supportsDType(path: string): Known<boolean> {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (isAbsent(error) || errnoOf(error) === "EACCES") return "unknown";
    throw error;
  }
  try {
    const buffer = Buffer.alloc(32 * 1024);
    const length = getdents64(fd, buffer);
    if (length === undefined || length <= 0) return "unknown";
    for (let at = 0; at + RECORD_TYPE < length;) {
      if (buffer[at + RECORD_TYPE] === UNKNOWN_TYPE) return false;
      at += buffer.readUInt16LE(at + RECORD_LENGTH);
    }
    return true;
  } catch {
    return "unknown"; // a platform whose calls are not known
  } finally {
    closeSync(fd);
  }
}
