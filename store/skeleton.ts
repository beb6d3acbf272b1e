/**
 * The empty data root: made when something is first written, and unmade when
 * nothing came of it.
 */
import {
  appendFileSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  rmdirSync,
  unlinkSync,
} from "node:fs";
import { dirname } from "node:path";
import { createDirectory, finishDirectory, unmark } from "./atomic.js";
import { errnoOf, isAbsent } from "./io-error.js";
import type { Layout } from "./layout.js";
import { type RootLock, lockRoot } from "./lock.js";
import { LOCK_EX } from "./native/libc.js";
import { privilege } from "./privilege.js";
import { readText } from "./read.js";

const ROOT_MODE = 0o710;
const ABOVE_ROOT_MODE = 0o711;
const LOCK_FILE_MODE = 0o600;
const TPULL_MODE = 0o700;
const LOCK_TRIES = 10;

/**
 * Directories in the order of their making, with dockerd's modes. `overlay2` is
 * complete before `image` begins: a root with `image` and no `overlay2` looks as
 * if it belonged to docker's containerd store.
 */
export function directories(layout: Layout): [path: string, mode: number][] {
  return [
    [layout.overlay, 0o710],
    [layout.links, 0o700],
    [layout.image, 0o700],
    [layout.driver, 0o700],
    [layout.imagedb, 0o700],
    [layout.imagedbContentParent, 0o700],
    [layout.imagedbContent, 0o700],
    [layout.imagedbMetadataParent, 0o700],
    [layout.imagedbMetadata, 0o700],
    [layout.layerdb, 0o700],
    [layout.layers, 0o755],
    [layout.layerdbTemporary, 0o755],
    [layout.distribution, 0o700],
    [layout.diffIdByDigestParent, 0o755],
    [layout.diffIdByDigest, 0o755],
    [layout.v2MetadataParent, 0o755],
    [layout.v2Metadata, 0o755],
    [layout.tpull, TPULL_MODE],
    [layout.staging, 0o700],
    [layout.partial, 0o700],
    [layout.unused, 0o700],
    [layout.manifests, 0o700],
  ];
}

/** Directories that are made when the first blob is to be kept. */
export function blobDirectories(
  layout: Layout,
): [path: string, mode: number][] {
  return [
    [layout.blobsParent, 0o700],
    [layout.blobs, 0o700],
  ];
}

/** Every path that a session may make and remove again, in the order of the making. */
function everything(layout: Layout): string[] {
  const { root, volumes, lockFile, overlayStaging } = layout;
  const paths = [root, volumes, lockFile];
  for (const [path] of directories(layout)) paths.push(path);
  for (const [path] of blobDirectories(layout)) paths.push(path);
  paths.push(overlayStaging);
  for (let path = dirname(root); path !== dirname(path); path = dirname(path)) {
    paths.unshift(path);
  }
  return paths;
}

/** Remembers what one session made in the root. */
export class Skeleton {
  readonly #layout: Layout;
  /** Directories, and perhaps the lock's file. */
  readonly #created: Set<string> = new Set();

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Creates one directory, if it is missing. */
  directory(path: string, mode: number): void {
    if (createDirectory(path, mode)) this.#created.add(path);
    // The root's own mode is its owner's choice.
    else if (path !== this.#layout.root) finishDirectory(path, mode);
  }

  /**
   * Makes what the root's lock needs, and takes the lock.
   * @throws TpullError `ROOT_IN_USE_BY_DOCKERD`, `ABORTED`
   */
  async lock(signal: AbortSignal | undefined): Promise<RootLock> {
    try {
      for (let tries = 1; ; tries += 1) {
        try {
          return await this.#tryLock(signal);
        } catch (error) {
          // Another session unmade its skeleton at this moment.
          if (!isAbsent(error) || tries === LOCK_TRIES) throw error;
        }
      }
    } catch (error) {
      this.#created.delete(this.#layout.lockFile);
      this.#remove();
      throw error;
    }
  }

  async #tryLock(signal: AbortSignal | undefined): Promise<RootLock> {
    this.#rootItself();
    this.directory(this.#layout.volumes, 0o701);
    const lock = await lockRoot(this.#layout.lockFile, signal);
    if (!lock.created) return lock;
    this.#created.add(this.#layout.lockFile);
    try {
      if (privilege() === "native") {
        fchownSync(lock.file.fd, 0, 0);
      }
      fchmodSync(lock.file.fd, LOCK_FILE_MODE);
      return lock;
    } catch (error) {
      lock.file.close();
      throw error;
    }
  }

  /** Makes everything else. Must only be called with the lock held. */
  complete(): void {
    for (const [path, mode] of directories(this.#layout)) {
      this.directory(path, mode);
    }
  }

  #rootItself(): void {
    const missing: string[] = [];
    for (let path = this.#layout.root; ; path = dirname(path)) {
      if (this.#make(path, missing)) break;
    }
    for (const path of missing.toReversed()) this.#make(path, []);
  }

  /** Makes a directory of the root's own path; false (and noted) when the one above is missing. */
  #make(path: string, missing: string[]): boolean {
    const mode = path === this.#layout.root ? ROOT_MODE : ABOVE_ROOT_MODE;
    try {
      this.directory(path, mode);
      return true;
    } catch (error) {
      if (errnoOf(error) !== "ENOENT" || path === dirname(path)) throw error;
      missing.push(path);
      return false;
    }
  }

  /**
   * Removes again what this write session made and is still empty. While another
   * session is alive in this root, it may rely on that: then it is left to the
   * last one that ends.
   */
  undo(lock: RootLock): void {
    const { lockFile, made } = this.#layout;
    if (this.#created.size === 0 && this.#inherited().length === 0) return;
    if (!lock.file.tryLock(LOCK_EX)) {
      this.#bequeath();
      // The failed try gave up the lock: of several that end, the last gets it.
      if (!lock.file.tryLock(LOCK_EX)) return;
    }
    if (!lock.file.isAt(lockFile)) return;
    for (const path of this.#inherited()) this.#created.add(path);
    unmark(made);
    if (fstatSync(lock.file.fd).size > 0) this.#created.delete(lockFile);
    this.#remove();
  }

  /** What was made stays: the root is in use. */
  keep(): void {
    unmark(this.#layout.made);
  }

  /** Notes what this write session made, one path in JSON on each line. */
  #bequeath(): void {
    const { tpull, made } = this.#layout;
    try {
      this.directory(tpull, TPULL_MODE);
      const lines = [...this.#created].map((path) => JSON.stringify(path));
      appendFileSync(made, `${lines.join("\n")}\n`, { mode: 0o600 });
    } catch {
      return; // on a full disk, say: then empty directories stay
    }
  }

  /** What sessions before this one left to it. */
  #inherited(): string[] {
    const lines = readText(this.#layout.made)?.split("\n") ?? [];
    return everything(this.#layout).filter((path) =>
      lines.includes(JSON.stringify(path)),
    );
  }

  /** Removes what is noted as created, as far as it is empty, in the opposite order of its making. */
  #remove(): void {
    const { lockFile } = this.#layout;
    for (const path of everything(this.#layout).toReversed()) {
      if (!this.#created.has(path)) continue;
      try {
        if (path === lockFile) unlinkSync(path);
        else rmdirSync(path);
      } catch (error) {
        if (!isOccupied(error)) throw error;
      }
    }
  }
}

/** Or gone: either way there is nothing to remove. */
function isOccupied(error: unknown): boolean {
  const code = errnoOf(error);
  return code === "ENOTEMPTY" || code === "EEXIST" || code === "ENOENT";
}
