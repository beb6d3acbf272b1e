/**
 * A folder of blobs in the form of an image layout. A blob gets its name when
 * all of it is there, verified and on the medium; until then its bytes wait
 * beside, so that an interrupted run is gone on with. What has been there for
 * longer is read again before it counts: media rot, and folders are shared.
 */
import { statfsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { NewFile, writing } from "../../store/archive/new-file.js";
import {
  type Digest,
  TpullError,
  abortedError,
  hexOf,
} from "../../store/index.js";
import {
  LAYER_POLL_MS,
  type LockedFile,
  pause,
  tryLockDirectory,
} from "../../store/lock.js";
import { LOCK_EX } from "../../store/native/libc.js";
import { printable } from "../../store/reference/printable.js";
import type { BlobSource } from "../layer-request.js";
import type { CallOptions, RegistryClient } from "../registry/client.js";
import {
  PARTS,
  blobsIn,
  found,
  kindOf,
  makeFolders,
  removeBlobs,
  removeEmptyFolders,
  removeOwn,
  removeParts,
} from "./own-folder.js";
import { FILE_MODE, Part, digestOf, inTheWay, partLength } from "./part.js";

export interface FetchedBlob {
  /** From the network. */
  readonly bytes: number;
}

/** Room that a run leaves for names, headers and documents. */
const SLACK_BYTES = 1024 * 1024;

export class BlobFolder implements AsyncDisposable {
  readonly path: string;
  readonly #blobs: string;
  readonly #parts: string;
  readonly #lock: LockedFile;
  /** Whether there was no such folder. */
  readonly #isNew: boolean;

  private constructor(path: string, lock: LockedFile, isNew: boolean) {
    this.path = path;
    this.#isNew = isNew;
    this.#blobs = blobsIn(path);
    this.#parts = join(path, PARTS);
    this.#lock = lock;
  }

  /**
   * Waits until no other tpull is at work in it.
   * @param onWait told once that it has to
   * @throws TpullError `OUTPUT_NOT_WRITABLE`, `OUTPUT_EXISTS`, `ABORTED`
   */
  static async open(
    path: string,
    signal: AbortSignal,
    onWait: (reason: string) => void = () => {},
  ): Promise<BlobFolder> {
    let told = false;
    let isNew = false;
    for (;;) {
      const lock = await writing(path, async () => {
        isNew = makeFolders(path);
        return tryLockDirectory(path, LOCK_EX);
      });
      if (typeof lock !== "string") {
        // Who had it before may have tidied up meanwhile.
        await writing(path, async () => makeFolders(path));
        return new BlobFolder(path, lock, isNew);
      }
      if (lock === "busy" && !told) {
        told = true;
        onWait(`another tpull is at work in ${printable(path)}`);
      }
      await pause(LAYER_POLL_MS, signal);
    }
  }

  blob(digest: Digest): string {
    return join(this.#blobs, hexOf(digest));
  }

  /**
   * Whether something is there that may be the blob: it has its name and size.
   * @throws TpullError `OUTPUT_EXISTS` for a directory in its place
   */
  seems(digest: Digest, size: number): boolean {
    const stats = found(this.blob(digest));
    if (stats?.isDirectory()) throw inTheWay(this.blob(digest), kindOf(stats));
    return stats?.isFile() === true && stats.size === size;
  }

  /** Whether a blob is there, which takes reading it. */
  async has(
    digest: Digest,
    size: number,
    signal: AbortSignal,
    onBytes?: (bytes: number) => void,
  ): Promise<boolean> {
    if (!this.seems(digest, size)) return false;
    return await writing(
      this.path,
      async () =>
        (await digestOf(this.blob(digest), signal, onBytes)) === digest,
    );
  }

  /**
   * Bytes of a blob that are here from an interrupted run.
   * @throws TpullError `OUTPUT_EXISTS` for a directory in their place
   */
  begun(digest: Digest, size: number): number {
    const path = join(this.#parts, hexOf(digest));
    const stats = found(path);
    if (stats?.isDirectory()) throw inTheWay(path, kindOf(stats));
    return partLength(path, size);
  }

  /** @throws TpullError `NOT_ENOUGH_SPACE` */
  requireRoom(bytes: number): void {
    const { bavail, bfree, bsize } = statfsSync(this.path);
    const free = (process.geteuid?.() === 0 ? bfree : bavail) * bsize;
    const needed = bytes + SLACK_BYTES;
    if (bytes === 0 || free >= needed) return;
    throw new TpullError(
      "NOT_ENOUGH_SPACE",
      `the bundle needs ${needed} more bytes, and ${free} are free in ${printable(this.path)}`,
      {
        hint: "Nothing was fetched. Free some space there, or write the bundle to another place.",
        details: { needed, free },
      },
    );
  }

  /** Adds a small blob. */
  async put(digest: Digest, bytes: Uint8Array): Promise<void> {
    const path = this.blob(digest);
    const isThere =
      this.seems(digest, bytes.length) &&
      (await writing(path, () => readFile(path))).equals(bytes);
    if (!isThere) await writeDocument(path, bytes);
  }

  /**
   * Fetches a blob, beginning where an earlier run ended.
   * @param onLength told how much of it is here
   * @throws TpullError `DIGEST_MISMATCH`, `SIZE_MISMATCH`, `OUTPUT_EXISTS` and
   *   as `RegistryClient.blob`
   */
  async fetch(
    { repository, descriptor }: BlobSource,
    client: RegistryClient,
    call: CallOptions & { readonly signal: AbortSignal },
    onLength: (bytes: number) => void = () => {},
  ): Promise<FetchedBlob> {
    const { digest, size } = descriptor;
    let fetched = 0;
    let again = true;
    for (;;) {
      const hosts = new Set<string>();
      const path = join(this.#parts, hexOf(digest));
      const part = await writing(this.path, () =>
        Part.open(path, size, call.signal),
      );
      const resumed = part.length > 0;
      try {
        await this.#fill(
          part,
          client.blob(repository, descriptor, {
            ...call,
            from: part.length,
            onReceived: (host, bytes) => {
              hosts.add(host);
              fetched += bytes;
              call.onReceived?.(host, bytes);
            },
          }),
          call.signal,
          size,
          onLength,
        );
        const actual = part.digest();
        if (actual === digest) {
          await writing(this.path, () => part.finish(this.blob(digest)));
          return { bytes: fetched };
        }
        await part.remove();
        const wrong = wrongBytes(digest, actual);
        const other = await client.distrust(
          repository,
          descriptor,
          hosts,
          wrong,
        );
        // Where bytes of two runs were joined, the joint may be what is wrong.
        if (!other && !(resumed && again)) throw wrong;
        again = other;
      } finally {
        await part.close();
      }
    }
  }

  async #fill(
    part: Part,
    chunks: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
    size: number,
    onLength: (bytes: number) => void,
  ): Promise<void> {
    onLength(part.length);
    if (part.length === size) return;
    for await (const chunk of chunks) {
      if (signal.aborted) throw abortedError();
      await writing(this.path, () => part.append(chunk));
      onLength(part.length);
    }
  }

  /** Takes a blob from elsewhere on this machine, if it is the right one. */
  async copy(
    digest: Digest,
    size: number,
    chunks: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const path = join(this.#parts, hexOf(digest));
    const part = await writing(this.path, () => Part.begin(path));
    try {
      for await (const chunk of chunks) {
        if (signal.aborted) throw abortedError();
        await writing(this.path, () => part.append(chunk));
      }
      if (part.length !== size || part.digest() !== digest) {
        await part.remove();
        return false;
      }
      await writing(this.path, () => part.finish(this.blob(digest)));
      return true;
    } finally {
      await part.close();
    }
  }

  /** Removes blobs that nobody names any more, and what waited to become one. */
  async keepOnly(digests: ReadonlySet<Digest>): Promise<void> {
    await writing(this.path, async () => {
      // Whoever has exchanged a folder since would have others' files removed.
      makeFolders(this.path);
      const names = new Set([...digests].map(hexOf));
      removeBlobs(this.#blobs, (name) => names.has(name));
      removeParts(this.path);
    });
  }

  /** Removes the folders that were made for nothing. */
  async tidy(): Promise<void> {
    await writing(this.path, async () =>
      removeEmptyFolders(this.path, this.#isNew),
    );
  }

  /** Removes it with all that tpull has made in it. */
  async remove(): Promise<void> {
    await writing(this.path, async () => {
      makeFolders(this.path);
      removeOwn(this.path);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lock.close();
  }
}

function wrongBytes(expected: Digest, actual: Digest): TpullError {
  return new TpullError(
    "DIGEST_MISMATCH",
    `the registry sent other bytes than asked for: they hash to ${actual}`,
    { details: { expected, actual } },
  );
}

/** Gives a file new content in one step. */
export async function writeDocument(
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const file = await NewFile.begin(path, FILE_MODE);
  try {
    await file.write(bytes, 0);
    await file.finish(bytes.length);
  } catch (error) {
    await file.discard();
    throw error;
  }
}
