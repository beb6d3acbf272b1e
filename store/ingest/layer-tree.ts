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
import { constants, fstatSync } from "node:fs";
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
  utimensat,
} from "../native/libc.js";
import { DirectoryWalk, type OpenDirectory } from "./directory-walk.js";
import { type CleanName, cleanName, splitPath } from "./member-name.js";
import { type Times, fileTimes, linkTimes } from "./member-times.js";
import { removeReplaced } from "./replaced.js";
import { cString, failure, shownName } from "./syscall-failure.js";
import { type TarHeader, Type } from "./tar-header.js";

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

export interface OpenFile extends Placement {
  readonly fd: number;
}

/** What could not be stored as the archive says, and why that is no failure. */
export interface TreeWarning {
  readonly kind: "device" | "xattr";
  count: number;
  readonly example: string;
}

/** What is set on a directory last. */
interface Pending {
  readonly mode: number;
  readonly times: Times;
}

/** With it, what is made in a directory may have fewer permissions than asked for. */
const DEFAULT_ACL = "system.posix_acl_default";

export class LayerTree {
  readonly warnings: Map<string, TreeWarning> = new Map();
  readonly #privileged: boolean;
  readonly #walk: DirectoryWalk;
  /** Directories that are members, by cleaned path: their times (and modes) are set last. */
  readonly #directories = new Map<string, Pending>();
  /** Paths that hold a whiteout, which a later member of that name replaces. */
  readonly #whiteouts = new Set<string>();
  /** What was below directories that a later member replaced. */
  readonly #gone = new Set<string>();
  /** Such a directory may have had another name: then no later name is known to be a new one. */
  #lostTrack = false;
  /** Devices that could not be made, and links to them. */
  readonly #skipped = new Set<string>();
  /** Permission bits the kernel takes away from new files (umask, default ACL). */
  #masked: number;
  /** New files do not come out as root's by themselves. */
  #ownAlways: boolean;
  /** Size as docker counts it: everything but directories, each inode once. */
  #bytes = 0;

  /**
   * @param directory the empty `diff` directory
   * @param privileged whether owners, devices and trusted attributes can be set
   */
  constructor(directory: string, privileged: boolean) {
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

  /** Whether the name may stand for an earlier member. */
  knows(name: CleanName): boolean {
    if (this.#lostTrack || this.#gone.has(name.path)) return true;
    if (name.base === "") return false;
    const parent = this.#walk.open(name.parent, false);
    if (parent === undefined) return false;
    const fd = openat(parent.fd, cString(name.base), O_PATH | O_NOFOLLOW);
    if (fd >= 0) close(fd);
    return fd >= 0;
  }

  /** Opens a new regular file for the member's content; {@link finishFile} closes it. */
  createFile(name: CleanName, header: TarHeader): OpenFile {
    const { parent, base } = this.#place(name);
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    const mode = this.#createMode(header);
    let fd = openat(parent.fd, base, flags, mode);
    let repeated = false;
    if (fd < 0 && errnoName(fd) === "EEXIST") {
      repeated = this.#clear(name, parent);
      fd = openat(this.#place(name).parent.fd, base, flags, mode);
    }
    if (fd < 0) throw failure(fd, "open", name.path);
    return { fd, ...this.#placed(name, repeated, parent.detour) };
  }

  /** Owner, attributes, mode and times of a file whose content is complete. */
  finishFile(file: OpenFile, header: TarHeader, bytes: number): void {
    const { fd } = file;
    try {
      if (this.#mustOwn(header)) {
        check(fchown(fd, ...this.#owner(header)), "chown", header.name);
      }
      if (header.xattrs !== undefined) {
        this.#attributes(header, (key, value) => fsetxattr(fd, key, value));
      }
      const { mode } = header;
      if (
        (mode & 0o7000) !== 0 ||
        (mode & this.#masked) !== 0 ||
        mode !== this.#createMode(header)
      ) {
        check(fchmod(fd, mode), "chmod", header.name);
      }
      const { atime, mtime } = fileTimes(header);
      check(
        futimens(
          fd,
          atime.seconds,
          atime.nanoseconds,
          mtime.seconds,
          mtime.nanoseconds,
        ),
        "utimensat",
        header.name,
      );
    } finally {
      close(fd);
    }
    this.#bytes += bytes;
  }

  /** An ordinary user can give attributes only to what is writable. */
  #createMode(header: TarHeader): number {
    const mode = header.mode & 0o777;
    return header.xattrs === undefined || this.#privileged
      ? mode
      : mode | 0o600;
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
      check(
        fchownat(at.fd, base, ...this.#owner(header)),
        "chown",
        header.name,
      );
    }
    this.#attributesAt(header, at, base);
    // Without privilege a directory must stay open to us until all is inside.
    if (this.#privileged)
      check(fchmodat(at.fd, base, header.mode), "chmod", header.name);
    if ((header.mode & 0o2000) !== 0) this.#ownAlways = this.#privileged;
    if (header.xattrs?.has(DEFAULT_ACL)) this.#masked = 0o777;
    this.#directories.delete(name.path);
    this.#directories.set(name.path, {
      mode: header.mode,
      times: fileTimes(header),
    });
    return this.#placed(name, repeated);
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
      check(
        fchownat(parent.fd, base, ...this.#owner(header)),
        "chown",
        header.name,
      );
    this.#attributesAt(header, parent, base);
    this.#setTimes(parent, base, linkTimes(header), header.name);
    this.#bytes += header.linkName.length;
    return this.#placed(name, repeated);
  }

  /** @throws TpullError `LAYER_INVALID` when the target is not in this layer */
  hardlink(name: CleanName, header: TarHeader): Placement {
    const target = cleanName(header.linkName, "hard link's target");
    if (target.base === "") throw missingTarget(header);
    if (this.#skipped.has(target.path)) return this.#skip(name);
    const from = cString(target.base);
    const repeated = this.#make(
      name,
      (parent, base) => {
        const directory = this.#walk.open(target.parent, false);
        if (directory === undefined) throw missingTarget(header);
        return linkat(directory.fd, from, parent.fd, base);
      },
      "link",
      header,
    );
    const { parent, base } = this.#place(name);
    if (this.#privileged)
      check(
        fchownat(parent.fd, base, ...this.#owner(header)),
        "chown",
        header.name,
      );
    this.#attributesAt(header, parent, base);
    if (readlinkat(parent.fd, base, oneByte) < 0) {
      check(fchmodat(parent.fd, base, header.mode), "chmod", header.name);
      this.#setTimes(parent, base, fileTimes(header), header.name);
    }
    return this.#placed(name, repeated);
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
      return this.#skip(name);
    }
    const repeated = this.#make(
      name,
      (parent, base) =>
        mknodat(parent.fd, base, format | (header.mode & 0o777), device),
      "mknod",
    );
    const { parent, base } = this.#place(name);
    if (this.#privileged)
      check(
        fchownat(parent.fd, base, ...this.#owner(header)),
        "chown",
        header.name,
      );
    this.#attributesAt(header, parent, base);
    check(fchmodat(parent.fd, base, header.mode), "chmod", header.name);
    this.#setTimes(parent, base, fileTimes(header), header.name);
    return this.#placed(name, repeated);
  }

  /** Leaves a member out of the tree that only root could make. */
  #skip(name: CleanName): Placement {
    this.#skipped.add(name.path);
    return this.#placed(name, this.knows(name), true);
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
      check(
        fchownat(parent.fd, base, ...this.#owner(header)),
        "chown",
        header.name,
      );
    this.#whiteouts.add(hidden.path);
  }

  /** Marks a directory as hiding everything of that name in the layers below. */
  opaque(directory: string): void {
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
    // In the archive's order: where two names mean one directory, the last counts.
    for (const [path, { times }] of this.#directories) {
      this.#onDirectory(path, (parent, base) =>
        this.#setTimes(parent, base, times, path),
      );
    }
    if (!this.#privileged) this.#closeDirectories();
    return this.#bytes;
  }

  /** Gives directories their own modes, children before parents: a parent may be closed to us afterwards. */
  #closeDirectories(): void {
    const done = new Set<number>();
    for (const [path, { mode }] of [...this.#directories].toReversed()) {
      this.#onDirectory(path, (parent, base, inode) => {
        if (done.has(inode)) return;
        done.add(inode);
        check(fchmodat(parent.fd, base, mode), "chmod", path);
      });
    }
  }

  /** Calls back unless what a later member put there is no directory. */
  #onDirectory(
    path: string,
    act: (parent: OpenDirectory, base: Buffer, inode: number) => void,
  ): void {
    const name = splitPath(path);
    const parent = this.#walk.open(name.parent, false);
    if (parent === undefined) return;
    const base = cString(name.base);
    const fd = openat(parent.fd, base, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) return;
    const inode = this.#privileged ? 0 : fstatSync(fd).ino;
    close(fd);
    act(parent, base, inode);
  }

  close(): void {
    this.#walk.close();
  }

  #place(name: CleanName): { parent: OpenDirectory; base: Buffer } {
    const parent = this.#walk.open(name.parent);
    if (parent === undefined) throw new Error("a parent was not made");
    this.#walk.checkLength(parent, name.base.length);
    return { parent, base: cString(name.base) };
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
   * Takes away what has the member's name.
   * @returns whether the name belonged to an earlier member
   * @throws TpullError `LAYER_INVALID` when the layer could not be given back afterwards
   */
  #clear(name: CleanName, parent: OpenDirectory): boolean {
    const whiteout = this.#whiteouts.has(name.path);
    // Without links a path has one name, so a directory that is not known was
    // made in passing. With links it may have been listed by another one.
    const unlisted =
      !this.#directories.has(name.path) && !this.#walk.followedLinks;
    const at = Buffer.concat([
      Buffer.from(`/proc/self/fd/${parent.fd}/`),
      Buffer.from(name.base, "latin1"),
    ]);
    const removed = removeReplaced(at, name.path, (path) => {
      this.#directories.delete(path);
      // A whiteout was not called that in the archive.
      if (this.#whiteouts.delete(path) || path === name.path) return;
      this.#gone.add(path);
      if (this.#walk.followedLinks) this.#lostTrack = true;
    });
    this.#bytes -= removed.bytes;
    if (removed.links && this.#walk.followedLinks) {
      throw new TpullError(
        "LAYER_INVALID",
        `it replaces a symbolic link at ${shownName(name.path)}, behind which the layer may have put other files`,
        {
          hint: "A docker data root could not give such a layer back: ask the image's publisher to rebuild it.",
        },
      );
    }
    if (removed.ways) this.#walk.forget();
    return !whiteout && !(removed.directory && unlisted);
  }

  #placed(name: CleanName, repeated: boolean, unreachable = false): Placement {
    const known = this.#lostTrack || this.#gone.has(name.path);
    return { unreachable, repeated: repeated || known };
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
    for (const [key, value] of header.xattrs ?? []) {
      const result = set(cString(key), Buffer.from(value, "latin1"));
      if (result >= 0) continue;
      const name = errnoName(result);
      if (name === "ENOSPC") throw noRoom(key, value);
      if (
        name !== "EPERM" &&
        name !== "EOPNOTSUPP" &&
        name !== "ENOTSUP" &&
        (this.#privileged || name !== "EACCES")
      ) {
        throw failure(result, `setxattr ${shownName(key)}`, header.name);
      }
      this.#warn("xattr", header);
    }
  }

  #setTimes(
    parent: OpenDirectory,
    base: Buffer,
    { atime, mtime }: Times,
    name: string,
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
      name,
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

function check(result: number, call: string, name: string): void {
  if (result < 0) throw failure(result, call, name);
}

/** A full disk, or the filesystem's limit for attributes of one file. */
function noRoom(key: string, value: string): TpullError {
  return new TpullError(
    "ROOT_FILESYSTEM_UNFIT",
    `the data root's filesystem has no room for the attribute ${shownName(key)} of ${value.length} bytes`,
    {
      hint: "ext4 keeps some 4 KiB of attributes per file: put the data root on xfs or btrfs, or free some space if the disk is full.",
    },
  );
}

function missingTarget(header: TarHeader): TpullError {
  return new TpullError(
    "LAYER_INVALID",
    `${shownName(header.name)} is a hard link to ${shownName(header.linkName)}, which is not in the layer`,
  );
}
