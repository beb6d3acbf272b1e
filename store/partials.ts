/** All partial blobs of a root: what is there, and what may stay. */
import { lstatSync, statfsSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Digest, isDigest } from "./digest.js";
import { isAbsent } from "./io-error.js";
import { Layout } from "./layout.js";
import { tryLockDirectory } from "./lock.js";
import { LOCK_EX } from "./native/libc.js";
import { PartialBlob, readSegments } from "./partial.js";
import { PartialShare } from "./partial-writer.js";
import { readNames } from "./read.js";
import { removeTree } from "./remove.js";

/** A blob that is here in part. */
export interface Partial {
  readonly digest: Digest;
  /** Bytes that its files take. */
  readonly bytes: number;
  /** When something was last added, in milliseconds since 1970. */
  readonly modified: number;
}

/** How long and how much may wait for an interrupted pull to be repeated. */
export interface LeftoverLimits {
  /** Default 7 days. */
  readonly maxAgeMs?: number;
  /** Of all partial blobs together. Default 4 GiB, or a tenth of the filesystem where that is less. */
  readonly maxBytes?: number;
}

export const DEFAULT_MAX_AGE_MS: number = 7 * 24 * 60 * 60 * 1000;
const DEFAULT_MAX_BYTES = 4 * 2 ** 30;
const DEFAULT_SHARE = 0.1;
/** A blob is only kept where the disk has room for it and for what it unpacks to. */
const ROOM_FACTOR = 5;

/**
 * Lists the partial blobs in a data root, in use or not, the oldest first. Takes no lock.
 * @param root the data root; one that does not exist has none
 */
export function listPartials(root: string): Partial[] {
  return partialsIn(new Layout(resolve(root)));
}

/**
 * Removes partial blobs that nobody is fetching right now.
 * @param filter which ones; all of them by default
 * @returns those that were removed
 */
export async function removePartials(
  root: string,
  filter: (partial: Partial) => boolean = () => true,
): Promise<Partial[]> {
  return removeFrom(new Layout(resolve(root)), filter);
}

function partialsIn(layout: Layout): Partial[] {
  const found: Partial[] = [];
  for (const name of readNames(layout.partial)) {
    const digest = `sha256:${name}`;
    if (!isDigest(digest)) continue;
    const directory = layout.partialBlob(digest);
    try {
      const own = lstatSync(directory);
      if (!own.isDirectory()) continue;
      let bytes = 0;
      let modified = own.mtimeMs;
      for (const { start, length } of readSegments(directory)) {
        const { mtimeMs } = lstatSync(join(directory, String(start)));
        bytes += length;
        modified = Math.max(modified, mtimeMs);
      }
      found.push({ digest, bytes, modified });
    } catch (error) {
      if (!isAbsent(error)) throw error; // it went just now
    }
  }
  return found.sort((a, b) => a.modified - b.modified);
}

async function removeFrom(
  layout: Layout,
  filter: (partial: Partial) => boolean,
): Promise<Partial[]> {
  const removed: Partial[] = [];
  for (const partial of partialsIn(layout)) {
    if (!filter(partial)) continue;
    if (await removeOne(layout, partial.digest)) removed.push(partial);
  }
  return removed;
}

/** @returns false while somebody has it, and when there is nothing */
async function removeOne(layout: Layout, digest: Digest): Promise<boolean> {
  const directory = layout.partialBlob(digest);
  const lock = tryLockDirectory(directory, LOCK_EX);
  if (typeof lock === "string") return false;
  try {
    await removeTree(directory);
    return true;
  } finally {
    lock.close();
  }
}

/** The partial blobs of one writing session. */
export class Partials {
  readonly #layout: Layout;
  readonly #limits: LeftoverLimits;
  readonly #share: PartialShare;
  readonly #open = new Set<PartialBlob>();
  readonly #used = new Set<Digest>();

  constructor(layout: Layout, limits: LeftoverLimits) {
    this.#layout = layout;
    this.#limits = limits;
    this.#share = new PartialShare((bytes) => {
      const { bavail, bsize } = statfsSync(layout.tpull);
      return bavail * bsize >= bytes * ROOM_FACTOR;
    });
  }

  /** See {@link PartialBlob.open}. */
  open(digest: Digest, size: number): PartialBlob | undefined {
    const blob = PartialBlob.open(this.#layout, digest, size, this.#share);
    if (blob !== undefined) {
      this.#open.add(blob);
      this.#used.add(digest);
    }
    return blob;
  }

  /** Removes what is here of blobs. */
  async remove(digests: Iterable<Digest>): Promise<void> {
    for (const digest of digests) await removeOne(this.#layout, digest);
  }

  /**
   * Ends the session's part in them: what is too old goes, and the oldest of
   * what is too much. What this write session had to do with is not too much.
   * @returns whether any are left
   */
  async end(): Promise<boolean> {
    for (const blob of this.#open) await blob.close();
    const all = partialsIn(this.#layout);
    if (all.length === 0) return false;
    const { maxAgeMs = DEFAULT_MAX_AGE_MS, maxBytes = this.#defaultBytes() } =
      this.#limits;
    const since = Date.now() - maxAgeMs;
    let excess = all.reduce((sum, { bytes }) => sum + bytes, -maxBytes);
    await removeFrom(this.#layout, ({ digest, bytes, modified }) => {
      const over = excess > 0 && !this.#used.has(digest);
      if (!over && modified >= since) return false;
      excess -= bytes;
      return true;
    });
    return readNames(this.#layout.partial).length > 0;
  }

  #defaultBytes(): number {
    const { blocks, bsize } = statfsSync(this.#layout.partial);
    return Math.min(DEFAULT_MAX_BYTES, blocks * bsize * DEFAULT_SHARE);
  }
}
