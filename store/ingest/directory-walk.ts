/**
 * From a name in an archive to an open directory inside the layer.
 *
 * Names are never handed to the kernel as paths: each component is opened
 * below the directory before it, without following links. A symbolic link met
 * on the way is resolved here, within the layer only: an absolute target counts
 * from the layer's own root and `..` stops there, as in a chroot. So nothing an
 * archive says leads outside the directory it is unpacked into.
 */
import { fstatSync } from "node:fs";
import { basename, dirname } from "node:path";
import {
  AT_FDCWD,
  O_DIRECTORY,
  O_NOFOLLOW,
  close,
  errnoName,
  fchmodat,
  fchownat,
  mkdirat,
  openat,
  readlinkat,
} from "../native/libc.js";
import { TpullError } from "../errors.js";
import { MAX_PATH_BYTES } from "./member-name.js";
import { cString, failure, shownName } from "./syscall-failure.js";

// Not among Node's constants; the same in every Linux ABI.
const O_PATH = 0o10000000;

/** What Linux allows for links met in one path. */
const MAX_LINKS = 40;
/** Directories opened for one path: links in links could ask for any number. */
const MAX_STEPS = 10_000;
/** Directories kept open: a tar lists a directory's children together. */
const MAX_OPEN = 64;

/** A directory of the layer, open. */
export interface OpenDirectory {
  /** Stays open through the next call of {@link DirectoryWalk.open} at least, and until `forget`. */
  readonly fd: number;
  /**
   * The way led through a link that means something else to a reader outside
   * the layer: dockerd could not find the file again by its name.
   */
  readonly detour: boolean;
  /** Bytes of its path below the layer's root, links resolved. */
  readonly length: number;
}

/** The way to a directory without links; the root has none. */
interface Way {
  readonly up: Way | undefined;
  readonly name: string;
  readonly depth: number;
}

interface Opened extends OpenDirectory {
  readonly way: Way | undefined;
}

export class DirectoryWalk {
  readonly #root: Opened;
  /** By cleaned path; the most recently used last. */
  readonly #open = new Map<string, Opened>();
  readonly #ownImplied: boolean;
  readonly #rootLength: number;
  #followedLinks = false;
  /** What was asked for last: mostly it is asked for again. */
  #last: { readonly path: string; readonly opened: Opened } | undefined;

  /**
   * @param directory path of the layer's `diff` directory. Neither it nor the
   *   layer's own directory above it may be a symbolic link: a data root from
   *   elsewhere could lead to other files of this machine by one
   * @param ownImplied whether directories nobody listed are given to root
   */
  constructor(directory: string, ownImplied: boolean) {
    const path = Buffer.from(directory).toString("latin1");
    const fd = openInside(path);
    this.#root = { fd, detour: false, length: 0, way: undefined };
    this.#ownImplied = ownImplied;
    this.#rootLength = path.length;
  }

  get rootFd(): number {
    return this.#root.fd;
  }

  /** Whether a symbolic link was followed on the way to any directory so far. */
  get followedLinks(): boolean {
    return this.#followedLinks;
  }

  /**
   * @param nameBytes length of the name of something in that directory
   * @throws TpullError `LAYER_INVALID` when its whole path is longer than Linux
   *   takes: nobody could read or remove it by its path
   */
  checkLength(parent: OpenDirectory, nameBytes: number): void {
    const length = this.#rootLength + parent.length + 1 + nameBytes;
    if (length > MAX_PATH_BYTES) {
      throw new TpullError(
        "LAYER_INVALID",
        `its path in the data root has ${length} bytes; Linux paths have at most ${MAX_PATH_BYTES}`,
      );
    }
  }

  /**
   * Opens the directory of that cleaned path, making what is missing.
   * @param create false: a missing directory gives `undefined` instead
   * @throws TpullError `LAYER_INVALID` when something else is in the way
   */
  open(path: string, create = true): OpenDirectory | undefined {
    if (path === "") return this.#root;
    if (path === this.#last?.path) return this.#last.opened;
    const opened = this.#known(path) ?? this.#find(path, create);
    this.#last = opened && { path, opened };
    return opened;
  }

  #known(path: string): Opened | undefined {
    const known = this.#open.get(path);
    if (known !== undefined) {
      this.#open.delete(path);
      this.#open.set(path, known);
    }
    return known;
  }

  #find(path: string, create: boolean): Opened | undefined {
    // The nearest ancestor that is open saves walking from the root.
    let base: Opened | undefined;
    let end = path.lastIndexOf("/");
    for (; end > 0; end = path.lastIndexOf("/", end - 1)) {
      base = this.#open.get(path.slice(0, end));
      if (base !== undefined) break;
    }
    const parts = path.slice(end + 1).split("/");
    const opened = this.#walk(base ?? this.#root, parts, create);
    if (opened !== undefined) this.#keep(path, opened);
    return opened;
  }

  /** Forgets open directories: call when a directory or a link has been removed or replaced. */
  forget(): void {
    for (const { fd } of this.#open.values()) close(fd);
    this.#open.clear();
    this.#last = undefined;
  }

  close(): void {
    this.forget();
    close(this.#root.fd);
  }

  #keep(key: string, opened: Opened): void {
    if (this.#open.size >= MAX_OPEN) {
      const [oldest] = this.#open;
      if (oldest !== undefined) {
        this.#open.delete(oldest[0]);
        close(oldest[1].fd);
      }
    }
    this.#open.set(key, opened);
  }

  #walk(
    base: Opened,
    parts: readonly string[],
    create: boolean,
  ): Opened | undefined {
    const pending = parts.toReversed();
    let current = base;
    let detour = base.detour;
    let links = 0;
    let steps = 0;
    const step = (next: Opened): void => {
      if (current !== base && current !== this.#root) close(current.fd);
      current = next;
    };
    try {
      for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
        steps += part === ".." ? depthOf(current) : 1;
        if (steps > MAX_STEPS) throw tooManyLinks();
        if (part === "..") {
          // Only from a link's target; at the root it stays, as in a chroot.
          if (current.way === undefined) detour = true;
          step(this.#reopen(current.way?.up));
          continue;
        }
        const name = cString(part);
        let fd = openat(current.fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
        if (fd < 0 && errnoName(fd) === "ENOENT") {
          if (!create) {
            step(this.#root);
            return undefined;
          }
          this.checkLength(current, part.length);
          fd = this.#make(current.fd, name, part);
        }
        if (fd >= 0) {
          step({
            fd,
            detour,
            length: current.length + 1 + part.length,
            way: { up: current.way, name: part, depth: depthOf(current) + 1 },
          });
          continue;
        }
        if (errnoName(fd) !== "ENOTDIR" && errnoName(fd) !== "ELOOP") {
          throw failure(fd, "open", part);
        }
        const target = this.#linkTarget(current.fd, name);
        if (target === undefined) {
          if (!create) {
            step(this.#root);
            return undefined;
          }
          throw new TpullError(
            "LAYER_INVALID",
            `${shownName(part)} on its path is not a directory`,
          );
        }
        links += 1;
        if (links > MAX_LINKS) throw tooManyLinks();
        this.#followedLinks = true;
        if (target.startsWith("/")) {
          detour = true;
          step(this.#reopen(undefined));
        }
        pending.push(
          ...target
            .split("/")
            .filter((piece) => piece !== "" && piece !== ".")
            .toReversed(),
        );
      }
    } catch (error) {
      if (current !== base && current !== this.#root) close(current.fd);
      throw error;
    }
    // The cache owns and closes what it is given, so it gets a descriptor of its own.
    return current === base || current === this.#root
      ? { ...this.#reopen(current.way), detour }
      : { ...current, detour };
  }

  /** Opens a directory again by a way that was found free of links. */
  #reopen(way: Way | undefined): Opened {
    const names: string[] = [];
    for (let at = way; at !== undefined; at = at.up) names.push(at.name);
    let fd = openat(this.#root.fd, cString("."), O_PATH | O_DIRECTORY);
    if (fd < 0) throw failure(fd, "open", ".");
    let length = 0;
    for (const name of names.toReversed()) {
      length += 1 + name.length;
      const next = openat(fd, cString(name), O_PATH | O_DIRECTORY | O_NOFOLLOW);
      close(fd);
      if (next < 0) throw failure(next, "open", name);
      fd = next;
    }
    return { fd, detour: false, length, way };
  }

  /**
   * A directory that members need but none lists: 0755, root's. A set-group-ID
   * bit that it inherits stays, as dockerd leaves it.
   */
  #make(parent: number, name: Buffer, part: string): number {
    const made = mkdirat(parent, name, 0o755);
    if (made < 0) throw failure(made, "mkdir", part);
    const fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) return fd;
    const { mode, uid, gid } = fstatSync(fd);
    if (this.#ownImplied && (uid !== 0 || gid !== 0)) {
      fchownat(parent, name, 0, 0);
    }
    const wanted = 0o755 | (mode & 0o2000);
    if ((mode & 0o7777) !== wanted) fchmodat(parent, name, wanted);
    return fd;
  }

  readonly #target = Buffer.alloc(MAX_PATH_BYTES + 1);

  #linkTarget(parent: number, name: Buffer): string | undefined {
    const length = readlinkat(parent, name, this.#target);
    return length < 0 ? undefined : this.#target.toString("latin1", 0, length);
  }
}

/** Opens a directory below another one, of which neither is a link. */
function openInside(path: string): number {
  const flags = O_PATH | O_DIRECTORY | O_NOFOLLOW;
  const above = openat(AT_FDCWD, cString(dirname(path)), flags);
  if (above < 0) throw failure(above, "open", path);
  const fd = openat(above, cString(basename(path)), flags);
  close(above);
  if (fd < 0) throw failure(fd, "open", path);
  return fd;
}

function depthOf({ way }: Opened): number {
  return way?.depth ?? 0;
}

function tooManyLinks(): TpullError {
  return new TpullError(
    "LAYER_INVALID",
    "its path runs through too many symbolic links",
  );
}
