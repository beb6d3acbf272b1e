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
import { cString, failure } from "./syscall-failure.js";

// Not among Node's constants; the same in every Linux ABI.
const O_PATH = 0o10000000;

/** What Linux allows for links met in one path. */
const MAX_LINKS = 40;
/** Directories opened for one path: links in links could ask for any number. */
const MAX_STEPS = 10_000;
/** Directories kept open: a tar lists a directory's children together. */
const MAX_OPEN = 64;
/** The longest path Linux takes. */
const MAX_PATH_BYTES = 4095;

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

interface Opened extends OpenDirectory {
  /** Components from the layer's root, without links. */
  readonly real: readonly string[];
}

export interface CleanName {
  /** Components below the layer's root; empty for the root itself. */
  readonly parts: readonly string[];
  /** `parts` joined: equal for names that mean the same member. */
  readonly path: string;
}

/**
 * Cleans a member's name lexically: `.`, doubled and leading slashes vanish,
 * `a/..` cancels out.
 * @throws TpullError `LAYER_INVALID` for a name that climbs out of the layer
 */
export function cleanName(name: string, what = "name"): CleanName {
  if (name.length > MAX_PATH_BYTES) {
    throw new TpullError(
      "LAYER_INVALID",
      `the ${what} has ${name.length} bytes; Linux paths have at most ${MAX_PATH_BYTES}`,
    );
  }
  if (name.includes("\0")) {
    throw new TpullError("LAYER_INVALID", `the ${what} holds a NUL byte`);
  }
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) {
      throw new TpullError(
        "LAYER_INVALID",
        `the ${what} leads out of the layer`,
      );
    }
  }
  return { parts, path: parts.join("/") };
}

export class DirectoryWalk {
  readonly #root: Opened;
  /** By cleaned path; the most recently used last. */
  readonly #open = new Map<string, Opened>();
  readonly #ownImplied: boolean;
  readonly #rootLength: number;
  #followedLinks = false;

  /**
   * @param directory path of the layer's `diff` directory
   * @param ownImplied whether directories nobody listed are given to root
   */
  constructor(directory: string, ownImplied: boolean) {
    const path = Buffer.from(directory).toString("latin1");
    const fd = openat(
      AT_FDCWD,
      cString(path),
      O_PATH | O_DIRECTORY | O_NOFOLLOW,
    );
    if (fd < 0) throw failure(fd, "open", path);
    this.#root = { fd, detour: false, length: 0, real: [] };
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
  open(parts: readonly string[], create = true): OpenDirectory | undefined {
    if (parts.length === 0) return this.#root;
    const key = parts.join("/");
    const known = this.#open.get(key);
    if (known !== undefined) {
      this.#open.delete(key);
      this.#open.set(key, known);
      return known;
    }
    // The nearest ancestor that is open saves walking from the root.
    let depth = parts.length - 1;
    let base = this.#root;
    for (; depth > 0; depth -= 1) {
      const ancestor = this.#open.get(parts.slice(0, depth).join("/"));
      if (ancestor !== undefined) {
        base = ancestor;
        break;
      }
    }
    const opened = this.#walk(base, parts.slice(depth), create);
    if (opened !== undefined) this.#keep(key, opened);
    return opened;
  }

  /** Forgets open directories: call when a directory or a link has been removed or replaced. */
  forget(): void {
    for (const { fd } of this.#open.values()) close(fd);
    this.#open.clear();
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
        steps += part === ".." ? current.real.length : 1;
        if (steps > MAX_STEPS) throw tooManyLinks();
        if (part === "..") {
          // Only from a link's target; at the root it stays, as in a chroot.
          if (current.real.length === 0) detour = true;
          step(this.#reopen(current.real.slice(0, -1)));
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
            real: [...current.real, part],
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
            `${JSON.stringify(part)} on its path is not a directory`,
          );
        }
        links += 1;
        if (links > MAX_LINKS) throw tooManyLinks();
        this.#followedLinks = true;
        if (target.startsWith("/")) {
          detour = true;
          step(this.#reopen([]));
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
      ? { ...this.#reopen(current.real), detour }
      : { ...current, detour };
  }

  /** Opens a directory again by components that were found free of links. */
  #reopen(real: readonly string[]): Opened {
    let fd = openat(this.#root.fd, cString("."), O_PATH | O_DIRECTORY);
    if (fd < 0) throw failure(fd, "open", ".");
    let length = 0;
    for (const part of real) {
      length += 1 + part.length;
      const next = openat(fd, cString(part), O_PATH | O_DIRECTORY | O_NOFOLLOW);
      close(fd);
      if (next < 0) throw failure(next, "open", part);
      fd = next;
    }
    return { fd, detour: false, length, real };
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

function tooManyLinks(): TpullError {
  return new TpullError(
    "LAYER_INVALID",
    "its path runs through too many symbolic links",
  );
}
