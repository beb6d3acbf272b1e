/**
 * A folder of blobs in the form of an image layout. A blob has its name when
 * all of it is there, verified and on the medium; until then its bytes wait
 * beside, so that an interrupted run is gone on with.
 */
import { type Hash, createHash } from "node:crypto";
import { mkdirSync, statSync, statfsSync } from "node:fs";
import { type FileHandle, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { moveFile } from "../../store/atomic.js";
import { NewFile, writing } from "../../store/archive/new-file.js";
import {
  type Digest,
  TpullError,
  abortedError,
  hexOf,
  isDigest,
} from "../../store/index.js";
import { isAbsent } from "../../store/io-error.js";
import { type LockedFile, tryLockDirectory } from "../../store/lock.js";
import { LOCK_EX } from "../../store/native/libc.js";
import { printable } from "../../store/reference/printable.js";
import type { BlobSource } from "../layer-request.js";
import type { CallOptions, RegistryClient } from "../registry/client.js";

/** Where bytes wait that are no blob yet. */
const PARTS = ".tpull-parts";
const FILE_MODE = 0o644;
/** How often bytes that arrive are flushed. */
const FLUSH_BYTES = 64 * 1024 * 1024;

export interface FetchedBlob {
  /** From the network. */
  readonly bytes: number;
}

export class BlobFolder implements AsyncDisposable {
  readonly path: string;
  readonly #blobs: string;
  readonly #parts: string;
  readonly #lock: LockedFile;

  private constructor(path: string, lock: LockedFile) {
    this.path = path;
    this.#blobs = join(path, "blobs", "sha256");
    this.#parts = join(path, PARTS);
    this.#lock = lock;
  }

  /** @throws TpullError `OUTPUT_NOT_WRITABLE`, `BUNDLE_BUSY` */
  static async open(path: string): Promise<BlobFolder> {
    return await writing(path, async () => {
      for (const folder of ["blobs/sha256", PARTS]) {
        mkdirSync(join(path, folder), { recursive: true });
      }
      const lock = tryLockDirectory(path, LOCK_EX);
      if (typeof lock !== "string") return new BlobFolder(path, lock);
      throw new TpullError(
        "BUNDLE_BUSY",
        `another tpull is at work in ${printable(path)}`,
        { retryable: true },
      );
    });
  }

  /** Whether a blob is there. It got its name only when it was verified. */
  has(digest: Digest, size: number): boolean {
    return sizeOf(this.blob(digest)) === size;
  }

  blob(digest: Digest): string {
    return join(this.#blobs, hexOf(digest));
  }

  /** Bytes of a blob that are here from an interrupted run. */
  begun(digest: Digest): number {
    return sizeOf(join(this.#parts, hexOf(digest))) ?? 0;
  }

  /** @throws TpullError `NOT_ENOUGH_SPACE` */
  requireRoom(needed: number): void {
    const { bavail, bsize } = statfsSync(this.path);
    const free = bavail * bsize;
    if (free >= needed) return;
    throw new TpullError(
      "NOT_ENOUGH_SPACE",
      `the bundle needs ${needed} more bytes, and ${free} are free in ${printable(this.path)}`,
      { details: { needed, free } },
    );
  }

  /** Adds a small blob. */
  async put(digest: Digest, bytes: Uint8Array): Promise<void> {
    if (this.has(digest, bytes.length)) return;
    await writeDocument(this.blob(digest), bytes);
  }

  /**
   * Fetches a blob unless it is there, beginning where an earlier run ended.
   * @throws TpullError `DIGEST_MISMATCH`, `SIZE_MISMATCH` and as `RegistryClient.blob`
   */
  async fetch(
    { repository, descriptor }: BlobSource,
    client: RegistryClient,
    call: CallOptions & { readonly signal: AbortSignal },
  ): Promise<FetchedBlob> {
    const { digest, size } = descriptor;
    let fetched = 0;
    let again = true;
    for (;;) {
      const hosts = new Set<string>();
      const part = await Part.open(join(this.#parts, hexOf(digest)), size);
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
        );
        const actual = part.digest();
        if (actual === digest) {
          await part.finish(this.blob(digest));
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
  ): Promise<void> {
    if (part.length === size) return;
    for await (const chunk of chunks) {
      if (signal.aborted) throw abortedError();
      await writing(this.path, () => part.append(chunk));
    }
  }

  /** Takes a blob from elsewhere on this machine, if it is the right one. */
  async copy(
    digest: Digest,
    size: number,
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<boolean> {
    const path = join(this.#parts, hexOf(digest));
    await rm(path, { force: true });
    const part = await Part.open(path, size);
    try {
      for await (const chunk of chunks) {
        await writing(this.path, () => part.append(chunk));
      }
      if (part.length !== size || part.digest() !== digest) {
        await part.remove();
        return false;
      }
      await part.finish(this.blob(digest));
      return true;
    } finally {
      await part.close();
    }
  }

  /** Removes blobs that nobody names any more, and what waited to become one. */
  async keepOnly(digests: ReadonlySet<Digest>): Promise<void> {
    for (const name of await readdir(this.#blobs)) {
      const digest = `sha256:${name}`;
      if (isDigest(digest) && digests.has(digest)) continue;
      if (isDigest(digest)) await rm(join(this.#blobs, name));
    }
    await rm(this.#parts, { recursive: true, force: true });
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

/** Bytes of a blob from its first one on. */
class Part {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #hash: Hash;
  length: number;
  #flushed: number;
  #open = true;

  private constructor(
    path: string,
    file: FileHandle,
    hash: Hash,
    length: number,
  ) {
    this.#path = path;
    this.#file = file;
    this.#hash = hash;
    this.length = length;
    this.#flushed = length;
  }

  static async open(path: string, size: number): Promise<Part> {
    const file = await open(path, "a+", FILE_MODE);
    const hash = createHash("sha256");
    let length = (await file.stat()).size;
    if (length > size) {
      await file.truncate(0);
      length = 0;
    }
    const buffer = Buffer.allocUnsafe(256 * 1024);
    for (let at = 0; at < length;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
    return new Part(path, file, hash, length);
  }

  async append(chunk: Uint8Array): Promise<void> {
    await this.#file.appendFile(chunk);
    this.#hash.update(chunk);
    this.length += chunk.length;
    if (this.length - this.#flushed < FLUSH_BYTES) return;
    this.#flushed = this.length;
    await this.#file.datasync();
  }

  digest(): Digest {
    return `sha256:${this.#hash.copy().digest("hex")}` as Digest;
  }

  async finish(place: string): Promise<void> {
    await this.#file.sync();
    await moveFile(this.#path, place);
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }

  async close(): Promise<void> {
    if (this.#open) await this.#file.close();
    this.#open = false;
  }
}

function sizeOf(path: string): number | undefined {
  try {
    const stats = statSync(path);
    return stats.isFile() ? stats.size : undefined;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
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
