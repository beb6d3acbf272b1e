/**
 * Makes a layer's members in its `diff` directory, each by the same steps in
 * the same order as dockerd's overlay2 driver: create, owner, extended
 * attributes, mode, times. Steps that would change nothing are left out.
 *
 * For a hard link the steps run again on the shared inode with the link's own
 * header: its mode, owner and times win, and chown(2) takes file capabilities
 * away unless the link carries them too. That is what dockerd's trees look
 * like, so it must stay.
 */
import { constants, fstatSync, lstatSync, readdirSync, rmSync } from "node:fs";
import { TpullError } from "../errors.js";
import {
  AT_SYMLINK_NOFOLLOW,
  close,
  deviceNumber,
  errnoName,
  fchmod,
  fchmodat,
  fchown,
  fchownat,
  fsetxattr,
  futimens,
  linkat,
  lsetxattr,
  mkdirat,
  mknodat,
  openat,
  readlinkat,
  symlinkat,
  unlinkat,
  utimensat,
} from "../native/libc.js";
import {
  type CleanName,
  DirectoryWalk,
  type OpenDirectory,
  cleanName,
} from "./directory-walk.js";
import { cString, failure, shownName } from "./syscall-failure.js";
import { type TarHeader, type Time, Type } from "./tar-header.js";

const {
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_WRONLY,
  O_DIRECTORY,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
} = constants;
const O_TMPFILE = 0o20000000 | O_DIRECTORY;
const O_PATH = 0o10000000;

/** Largest user or group ID; the next one means "leave as it is" to chown(2). */
const MAX_ID = 0xffff_fffe;

/** How a member went into the tree, as far as giving its bytes back is concerned. */
export interface Placement {
  /**
   * A reader that looks for the content under the member's own name would not
   * find it: the bytes have to be kept beside the tree.
   */
  readonly unreachable: boolean;
  /** The name stands for an earlier member already, so it must not be listed twice. */
  readonly repeated: boolean;
}

const PLAIN: Placement = { unreachable: false, repeated: false };

export interface OpenFile extends Placement {
  readonly fd: number;
}

/** What could not be stored as the archive says, and why that is no failure. */
export interface TreeWarning {
  readonly kind: "device" | "xattr";
  count: number;
  readonly example: string;
}

interface Pending {
  readonly header: TarHeader;
  readonly parts: readonly string[];
}

export class LayerTree {
  readonly warnings: Map<string, TreeWarning> = new Map();
  readonly #directory: string;
  readonly #privileged: boolean;
  readonly #walk: DirectoryWalk;
  /** Directories that are members, by cleaned path: their times (and modes) are set last. */
  readonly #directories = new Map<string, Pending>();
  /** Paths that hold a whiteout, which a later member of that name replaces. */
  readonly #whiteouts = new Set<string>();
  /** Devices that could not be made, and links to them. */
  readonly #skipped = new Set<string>();
  /** Permission bits the kernel takes away from new files (umask, default ACL). */
  readonly #masked: number;
  /** New files do not come out as root's by themselves. */
  #ownAlways: boolean;
  #bytes = 0;
  /** Something was replaced, so the running sum does not hold. */
  #recount = false;

  /**
   * @param directory the empty `diff` directory
   * @param privileged whether owners, devices and trusted attributes can be set
   */
  constructor(directory: string, privileged: boolean) {
    this.#directory = directory;
    this.#privileged = privileged;
    this.#walk = new DirectoryWalk(directory, privileged);
    const probe = openat(
      this.#walk.rootFd,
      cString("."),
      O_TMPFILE | O_WRONLY,
      0o777,
    );
    if (probe < 0) {
      this.#masked = 0o777;
      this.#ownAlways = privileged;
    } else {
      const { mode, uid, gid } = fstatSync(probe);
      close(probe);
      this.#masked = 0o777 & ~mode;
      this.#ownAlways = privileged && (uid !== 0 || gid !== 0);
    }
  }

  /** Opens a new regular file for the member's content; {@link finishFile} closes it. */
  createFile(name: CleanName, header: TarHeader): OpenFile {
    const { parent, base } = this.#place(name);
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    const mode = header.mode & 0o777;
    let fd = openat(parent.fd, base, flags, mode);
    let repeated = false;
    if (fd < 0 && errnoName(fd) === "EEXIST") {
      repeated = this.#clear(name, parent);
      fd = openat(this.#place(name).parent.fd, base, flags, mode);
    }
    if (fd < 0) throw failure(fd, "open", name.path);
    return { fd, unreachable: parent.detour, repeated };
  }

  /** Owner, attributes, mode and times of a file whose content is complete. */
  finishFile(file: OpenFile, header: TarHeader, bytes: number): void {
    const { fd } = file;
    try {
      if (this.#mustOwn(header)) {
        check(fchown(fd, ...this.#owner(header)), "chown", header);
      }
      this.#attributes(header, (key, value) => fsetxattr(fd, key, value));
      if (this.#mustChmod(header.mode))
        check(fchmod(fd, header.mode), "chmod", header);
      const { atime, mtime } = times(header);
      check(
        futimens(
          fd,
          atime.seconds,
          atime.nanoseconds,
          mtime.seconds,
          mtime.nanoseconds,
        ),
        "utimensat",
        header,
      );
    } finally {
      close(fd);
    }
    this.#bytes += bytes;
  }

  directory(name: CleanName, header: TarHeader): Placement {
    const { parent, base } = this.#place(name);
    let made = mkdirat(parent.fd, base, (header.mode & 0o777) | 0o700);
    let existed = false;
    let repeated = false;
    let at = parent;
    if (made < 0 && errnoName(made) === "EEXIST") {
      if (this.#isDirectory(parent, base)) {
        existed = true;
        made = 0;
        repeated = this.#directories.has(name.path);
      } else {
        repeated = this.#clear(name, parent);
        at = this.#place(name).parent;
        made = mkdirat(at.fd, base, (header.mode & 0o777) | 0o700);
      }
    }
    if (made < 0) throw failure(made, "mkdir", name.path);
    if (existed ? this.#privileged : this.#mustOwn(header)) {
      check(fchownat(at.fd, base, ...this.#owner(header)), "chown", header);
    }
    this.#attributesAt(header, at, base);
    // Without privilege a directory must stay open to us until all is inside.
    if (this.#privileged)
      check(fchmodat(at.fd, base, header.mode), "chmod", header);
    if ((header.mode & 0o2000) !== 0) this.#ownAlways = this.#privileged;
    this.#directories.delete(name.path);
    this.#directories.set(name.path, { header, parts: name.parts });
    return { unreachable: false, repeated };
  }

  symlink(name: CleanName, header: TarHeader): Placement {
    const target = cString(header.linkName);
    const repeated = this.#make(
      name,
      (parent, base) => symlinkat(target, parent.fd, base),
      "symlink",
    );
    const { parent, base } = this.#place(name);
    if (this.#mustOwn(header))
      check(fchownat(parent.fd, base, ...this.#owner(header)), "chown", header);
    this.#attributesAt(header, parent, base);
    // The raw times: dockerd bounds those of everything but links.
    const mtime = header.mtime;
    const atime = later(header.atime, mtime);
    this.#setTimes(parent, base, atime, mtime, header);
    this.#bytes += header.linkName.length;
    return { unreachable: false, repeated };
  }

  /** @throws TpullError `LAYER_INVALID` when the target is not in this layer */
  hardlink(name: CleanName, header: TarHeader): Placement {
    const target = cleanName(header.linkName, "hard link's target");
    const targetBase = target.parts.at(-1);
    if (targetBase === undefined) throw missingTarget(header);
    if (this.#skipped.has(target.path)) {
      this.#skipped.add(name.path);
      return PLAIN;
    }
    const from = cString(targetBase);
    const repeated = this.#make(
      name,
      (parent, base) => {
        const directory = this.#walk.open(target.parts.slice(0, -1), false);
        if (directory === undefined) throw missingTarget(header);
        return linkat(directory.fd, from, parent.fd, base);
      },
      "link",
      header,
    );
    const { parent, base } = this.#place(name);
    if (this.#privileged)
      check(fchownat(parent.fd, base, ...this.#owner(header)), "chown", header);
    this.#attributesAt(header, parent, base);
    if (readlinkat(parent.fd, base, oneByte) < 0) {
      check(fchmodat(parent.fd, base, header.mode), "chmod", header);
      const { atime, mtime } = times(header);
      this.#setTimes(parent, base, atime, mtime, header);
    }
    return { unreachable: false, repeated };
  }

  /** A fifo, a character or a block device. */
  special(name: CleanName, header: TarHeader): Placement {
    const format =
      header.type === Type.fifo
        ? S_IFIFO
        : header.type === Type.charDevice
          ? S_IFCHR
          : S_IFBLK;
    const device =
      format === S_IFIFO
        ? 0
        : deviceNumber(header.deviceMajor, header.deviceMinor);
    const whiteout = format === S_IFCHR && device === 0;
    if (!this.#privileged && format !== S_IFIFO && !whiteout) {
      this.#warn("device", header);
      this.#skipped.add(name.path);
      return PLAIN;
    }
    const repeated = this.#make(
      name,
      (parent, base) =>
        mknodat(parent.fd, base, format | (header.mode & 0o777), device),
      "mknod",
    );
    const { parent, base } = this.#place(name);
    if (this.#privileged)
      check(fchownat(parent.fd, base, ...this.#owner(header)), "chown", header);
    this.#attributesAt(header, parent, base);
    check(fchmodat(parent.fd, base, header.mode), "chmod", header);
    const { atime, mtime } = times(header);
    this.#setTimes(parent, base, atime, mtime, header);
    return { unreachable: false, repeated };
  }

  /**
   * A whiteout: overlayfs wants a character device 0:0, mode 0000, of the name
   * that is hidden. Time stays "now", as dockerd leaves it.
   * @throws TpullError `LAYER_INVALID` when this very layer has that name already
   */
  whiteout(hidden: CleanName, header: TarHeader): void {
    const { parent, base } = this.#place(hidden);
    const made = mknodat(parent.fd, base, S_IFCHR, 0);
    if (made < 0) {
      if (errnoName(made) !== "EEXIST")
        throw failure(made, "mknod", hidden.path);
      throw new TpullError(
        "LAYER_INVALID",
        `it removes ${shownName(hidden.path)}, which the same layer adds`,
        {
          hint: "docker refuses this image too; ask its publisher to rebuild it.",
        },
      );
    }
    if (this.#mustOwn(header))
      check(fchownat(parent.fd, base, ...this.#owner(header)), "chown", header);
    this.#whiteouts.add(hidden.path);
  }

  /** Marks a directory as hiding everything of that name in the layers below. */
  opaque(directory: readonly string[]): void {
    const open = this.#walk.open(directory);
    if (open === undefined) return;
    const key = this.#privileged
      ? "trusted.overlay.opaque"
      : "user.overlay.opaque";
    const set = lsetxattr(
      cString(`/proc/self/fd/${open.fd}/.`),
      cString(key),
      Buffer.from("y"),
    );
    if (set < 0) {
      throw new TpullError(
        "ROOT_FILESYSTEM_UNFIT",
        `the data root's filesystem does not take the attribute ${key} (${errnoName(set)})`,
        {
          hint: "Layers that hide a directory need it: put the data root on ext4, xfs, btrfs or a tmpfs that stores it.",
        },
      );
    }
  }

  /** Sets what later members would have disturbed; returns the layer's size as docker counts it. */
  finish(): number {
    // Children before parents: without privilege a parent may be closed to us afterwards.
    for (const { header, parts } of [
      ...this.#directories.values(),
    ].toReversed()) {
      const parent = this.#walk.open(parts.slice(0, -1), false);
      const base = parts.at(-1);
      // A directory that a later member replaced is no directory any more.
      if (
        parent === undefined ||
        base === undefined ||
        !this.#isDirectory(parent, cString(base))
      )
        continue;
      if (!this.#privileged)
        check(fchmodat(parent.fd, cString(base), header.mode), "chmod", header);
      const { atime, mtime } = times(header);
      this.#setTimes(parent, cString(base), atime, mtime, header);
    }
    return this.#recount ? countBytes(this.#directory) : this.#bytes;
  }

  close(): void {
    this.#walk.close();
  }

  #place(name: CleanName): { parent: OpenDirectory; base: Buffer } {
    const parent = this.#walk.open(name.parts.slice(0, -1));
    const base = name.parts.at(-1);
    if (parent === undefined || base === undefined)
      throw new Error("a member needs a name");
    return { parent, base: cString(base) };
  }

  /** Makes a member that is no directory, in place of what has its name. Returns whether the name is repeated. */
  #make(
    name: CleanName,
    call: (parent: OpenDirectory, base: Buffer) => number,
    what: string,
    header?: TarHeader,
  ): boolean {
    const { parent, base } = this.#place(name);
    let result = call(parent, base);
    let repeated = false;
    if (result < 0 && errnoName(result) === "EEXIST") {
      repeated = this.#clear(name, this.#place(name).parent);
      result = call(this.#place(name).parent, base);
    }
    if (
      result < 0 &&
      what === "link" &&
      header &&
      errnoName(result) === "ENOENT"
    )
      throw missingTarget(header);
    if (result < 0) throw failure(result, what, name.path);
    return repeated;
  }

  /**
   * Takes away what has the member's name. Whatever it is came from this layer;
   * if earlier members' content would be lost with it, the layer could not be
   * given back, so that is refused.
   * @returns whether the name belonged to an earlier member
   */
  #clear(name: CleanName, parent: OpenDirectory): boolean {
    const base = name.parts.at(-1) ?? "";
    this.#recount = true;
    const path = `/proc/self/fd/${parent.fd}/`;
    const target = Buffer.concat([
      Buffer.from(path),
      Buffer.from(base, "latin1"),
    ]);
    if (holdsContent(target)) {
      throw new TpullError(
        "LAYER_INVALID",
        `${shownName(name.path)} is in the layer more than once, with content that is replaced`,
        {
          hint: "A docker data root cannot hold such a layer (docker refuses it too): ask the image's publisher to rebuild it.",
        },
      );
    }
    const removed = unlinkat(parent.fd, cString(base));
    if (removed < 0) {
      if (errnoName(removed) !== "EISDIR")
        throw failure(removed, "unlink", name.path);
      rmSync(target, { recursive: true });
    }
    for (const known of this.#directories.keys()) {
      if (known === name.path || known.startsWith(`${name.path}/`))
        this.#directories.delete(known);
    }
    this.#walk.forget();
    return !this.#whiteouts.delete(name.path);
  }

  #isDirectory(parent: OpenDirectory, base: Buffer): boolean {
    const fd = openat(
      parent.fd,
      base,
      O_PATH | O_DIRECTORY | O_NOFOLLOW | O_RDONLY,
    );
    if (fd < 0) return false;
    close(fd);
    return true;
  }

  #owner(header: TarHeader): [uid: number, gid: number] {
    const { uid, gid } = header;
    if (uid < 0 || uid > MAX_ID || gid < 0 || gid > MAX_ID) {
      throw new TpullError(
        "LAYER_INVALID",
        `${shownName(header.name)} belongs to ${uid}:${gid}, which no Linux system has`,
      );
    }
    return [uid, gid];
  }

  #mustOwn(header: TarHeader): boolean {
    return (
      this.#ownAlways ||
      (this.#privileged && (header.uid !== 0 || header.gid !== 0))
    );
  }

  #mustChmod(mode: number): boolean {
    return (mode & 0o7000) !== 0 || (mode & this.#masked) !== 0;
  }

  #attributesAt(header: TarHeader, parent: OpenDirectory, base: Buffer): void {
    if (header.xattrs === undefined) return;
    const path = Buffer.concat([
      Buffer.from(`/proc/self/fd/${parent.fd}/`),
      base,
    ]);
    this.#attributes(header, (key, value) => lsetxattr(path, key, value));
  }

  #attributes(
    header: TarHeader,
    set: (key: Buffer, value: Buffer) => number,
  ): void {
    if (header.xattrs === undefined) return;
    for (const [key, value] of header.xattrs) {
      const result = set(cString(key), Buffer.from(value, "latin1"));
      if (result >= 0) continue;
      const name = errnoName(result);
      if (name !== "EPERM" && name !== "EOPNOTSUPP" && name !== "ENOTSUP") {
        throw failure(result, `setxattr ${shownName(key)}`, header.name);
      }
      this.#warn("xattr", header);
    }
  }

  #setTimes(
    parent: OpenDirectory,
    base: Buffer,
    atime: Time,
    mtime: Time,
    header: TarHeader,
  ): void {
    check(
      utimensat(
        parent.fd,
        base,
        atime.seconds,
        atime.nanoseconds,
        mtime.seconds,
        mtime.nanoseconds,
        AT_SYMLINK_NOFOLLOW,
      ),
      "utimensat",
      header,
    );
  }

  #warn(kind: TreeWarning["kind"], header: TarHeader): void {
    const known = this.warnings.get(kind);
    if (known) known.count += 1;
    else
      this.warnings.set(kind, {
        kind,
        count: 1,
        example: shownName(header.name),
      });
  }
}

const oneByte = Buffer.alloc(1);

function check(result: number, call: string, header: TarHeader): void {
  if (result < 0) throw failure(result, call, header.name);
}

function missingTarget(header: TarHeader): TpullError {
  return new TpullError(
    "LAYER_INVALID",
    `${shownName(header.name)} is a hard link to ${shownName(header.linkName)}, which is not in the layer`,
  );
}

/** 2^63 - 1 nanoseconds: the last moment dockerd's clock arithmetic can hold. */
const LAST_SECOND = 9_223_372_036;
const LAST_NANOSECOND = 854_775_807;
const EPOCH: Time = { seconds: 0, nanoseconds: 0 };

/** Times outside what dockerd can hold become 1970. */
function bounded(time: Time): Time {
  const { seconds, nanoseconds } = time;
  if (seconds < 0 || seconds > LAST_SECOND) return EPOCH;
  return seconds === LAST_SECOND && nanoseconds > LAST_NANOSECOND
    ? EPOCH
    : time;
}

/** Access time is never before modification time. */
function later(atime: Time | undefined, mtime: Time): Time {
  if (atime === undefined || atime.seconds < mtime.seconds) return mtime;
  if (atime.seconds === mtime.seconds && atime.nanoseconds < mtime.nanoseconds)
    return mtime;
  return atime;
}

function times(header: TarHeader): { atime: Time; mtime: Time } {
  return {
    atime: bounded(later(header.atime, header.mtime)),
    mtime: bounded(header.mtime),
  };
}

/** Whether a file with content is at or below that path. */
function holdsContent(path: Buffer): boolean {
  const stats = lstatSync(path);
  if (stats.isFile()) return stats.size > 0;
  if (!stats.isDirectory()) return false;
  return readdirSync(path, { encoding: "buffer" }).some((name) =>
    holdsContent(Buffer.concat([path, Buffer.from("/"), name])),
  );
}

/** Sum of the sizes of everything but directories, each inode once: what dockerd finds after unpacking. */
function countBytes(directory: string): number {
  const seen = new Set<bigint>();
  let sum = 0;
  const visit = (path: Buffer): void => {
    for (const name of readdirSync(path, { encoding: "buffer" })) {
      const child = Buffer.concat([path, Buffer.from("/"), name]);
      const stats = lstatSync(child, { bigint: true });
      if (stats.isDirectory()) visit(child);
      else if (!seen.has(stats.ino)) {
        seen.add(stats.ino);
        sum += Number(stats.size);
      }
    }
  };
  visit(Buffer.from(directory));
  return sum;
}
