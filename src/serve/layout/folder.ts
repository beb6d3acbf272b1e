/** An image layout in a folder. Nothing outside of the folder is ever read for it. */
import { constants, type BigIntStats } from "node:fs";
import { type FileHandle, lstat, open, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { hexOf, type Digest } from "../../../store/index.js";
import { isAbsent } from "../../../store/io-error.js";
import {
  invalidLayout,
  type LayoutFiles,
  MAX_MANIFEST_BYTES,
  type Stretch,
  type StretchReader,
  type TopFile,
} from "./files.js";

/** A link is no file of the layout; a pipe would hold up whoever opens it. */
const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
const FLAGS = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;

/** An open file and how many read it. */
interface Shared {
  readonly handle: Promise<FileHandle>;
  readers: number;
}

export class LayoutFolder implements LayoutFiles {
  readonly place: string;
  readonly #blobs: string | undefined;
  /** By identity: a thousand readers of one layer need one open file. */
  readonly #shared = new Map<string, Shared>();

  private constructor(place: string, blobs: string | undefined) {
    this.place = place;
    this.#blobs = blobs;
  }

  /** @throws TpullError `LAYOUT_INVALID` when its blobs lie elsewhere, behind a link */
  static async open(place: string): Promise<LayoutFolder> {
    const path = join(place, "blobs", "sha256");
    let blobs: string;
    try {
      blobs = await realpath(path);
    } catch (error) {
      if (isAbsent(error)) return new LayoutFolder(place, undefined);
      throw error;
    }
    const root = await realpath(place);
    if (!blobs.startsWith(root + sep)) {
      throw invalidLayout(path, `leads out of the layout, to ${blobs}`);
    }
    return new LayoutFolder(place, blobs);
  }

  pathOf(name: string): string {
    return join(this.place, name);
  }

  async top(name: TopFile): Promise<Buffer | undefined> {
    const path = this.pathOf(name);
    let handle: FileHandle;
    try {
      handle = await open(path, FLAGS);
    } catch (cause) {
      if (isAbsent(cause)) return undefined;
      const { message } = cause as Error;
      throw invalidLayout(path, `cannot be read: ${message}`, cause);
    }
    try {
      const stats = await handle.stat();
      if (!stats.isFile()) throw invalidLayout(path, "is no regular file");
      if (stats.size > MAX_MANIFEST_BYTES) {
        throw invalidLayout(path, `has ${stats.size} bytes, which is too much`);
      }
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  }

  async blob(digest: Digest): Promise<Stretch | undefined> {
    if (this.#blobs === undefined) return undefined;
    // The only place that makes a path of a digest; the type says it was checked.
    const path = join(this.#blobs, hexOf(digest));
    let stats: BigIntStats;
    try {
      stats = await lstat(path, { bigint: true });
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
    if (!stats.isFile()) return undefined;
    const identity = identityOf(stats);
    return {
      identity,
      size: Number(stats.size),
      open: () => this.#open(path, identity),
    };
  }

  async #open(path: string, identity: string): Promise<StretchReader> {
    let shared = this.#shared.get(identity);
    if (shared === undefined) {
      shared = { handle: openSame(path, identity), readers: 0 };
      this.#shared.set(identity, shared);
    }
    const one = shared;
    one.readers += 1;
    const close = (): void => {
      one.readers -= 1;
      if (one.readers > 0) return;
      if (this.#shared.get(identity) === one) this.#shared.delete(identity);
      void one.handle.then(
        (handle) => handle.close(),
        () => {},
      );
    };
    try {
      const handle = await one.handle;
      return {
        read: async (buffer, position) =>
          (await handle.read(buffer, 0, buffer.length, position)).bytesRead,
        close,
      };
    } catch (error) {
      close();
      throw error;
    }
  }

  async close(): Promise<void> {
    // Files are open only while somebody reads them.
  }
}

/** Opens a file that must still be the one that was looked at. */
async function openSame(path: string, identity: string): Promise<FileHandle> {
  const handle = await open(path, FLAGS);
  const stats = await handle.stat({ bigint: true });
  if (stats.isFile() && identityOf(stats) === identity) return handle;
  await handle.close();
  throw new Error("the file was replaced");
}

export function identityOf(stats: BigIntStats): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = stats;
  return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}
