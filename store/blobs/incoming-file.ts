/**
 * A blob on its way into the store: written beside its place by the one process
 * that has its lock, flushed, and renamed once somebody has verified it. What a
 * killed process left of one has no lock, and is swept.
 */
import { randomInt } from "node:crypto";
import { fchmodSync, fchownSync, fsync, write } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { TEMPORARY_PREFIX, moveFile, unmark } from "../atomic.js";
import { type Digest, hexOf } from "../digest.js";
import { abortedError } from "../errors.js";
import type { Layout } from "../layout.js";
import { LockedFile } from "../lock.js";
import { LOCK_EX, LOCK_SH } from "../native/libc.js";
import { privilege } from "../privilege.js";
import { readNames } from "../read.js";
import { openPlain } from "./plain-file.js";

const writeTo = promisify(write);
const flush = promisify(fsync);

const FILE_MODE = 0o600;
const BEGIN_TRIES = 100;

export class IncomingFile {
  readonly digest: Digest;
  readonly size: number;
  readonly #layout: Layout;
  readonly #path: string;
  readonly #file: LockedFile;
  #written = 0;
  /** What is under way on the descriptor: it must not be closed before that is over. */
  #work: Promise<unknown> = Promise.resolve();
  #over = false;

  private constructor(
    layout: Layout,
    { digest, size }: { digest: Digest; size: number },
    path: string,
    file: LockedFile,
  ) {
    this.digest = digest;
    this.size = size;
    this.#layout = layout;
    this.#path = path;
    this.#file = file;
  }

  /** The place of blobs must be there. */
  static begin(
    layout: Layout,
    blob: { digest: Digest; size: number },
  ): IncomingFile {
    for (let tries = 1; ; tries += 1) {
      const name = `${TEMPORARY_PREFIX}${hexOf(blob.digest)}-${randomInt(2 ** 40)}`;
      const path = join(layout.blobsParent, name);
      const file = new LockedFile(path, "wx+", FILE_MODE);
      try {
        // A sweep may have been faster than the lock.
        if (file.tryLock(LOCK_EX) && file.isAt(path)) {
          if (privilege() === "native") fchownSync(file.fd, 0, 0);
          fchmodSync(file.fd, FILE_MODE);
          return new IncomingFile(layout, blob, path, file);
        }
        if (tries === BEGIN_TRIES) throw new Error(`${path} cannot be locked`);
      } catch (error) {
        file.close();
        unmark(path);
        throw error;
      }
      file.close();
    }
  }

  /** Adds bytes behind those that are there. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.#do(() => this.#append(bytes));
  }

  async #append(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const left = bytes.length - done;
      const at = this.#written;
      const { fd } = this.#file;
      const { bytesWritten } = await writeTo(fd, bytes, done, left, at);
      done += bytesWritten;
      this.#written += bytesWritten;
    }
  }

  /** Whether as many bytes are here as the blob has. */
  get isWhole(): boolean {
    return this.#written === this.size;
  }

  /** Brings all its bytes to the medium. */
  async flush(): Promise<void> {
    await this.#do(() => flush(this.#file.fd));
  }

  async #do(work: () => Promise<void>): Promise<void> {
    if (this.#over) throw abortedError();
    const running = work();
    this.#work = running.catch(() => undefined);
    await running;
  }

  /**
   * Gives it its place, whatever file or link has that. In the section.
   * @returns the open file with a lock on it: it stays while that is held
   */
  async place(): Promise<LockedFile> {
    await moveFile(this.#path, this.#layout.keptBlob(this.digest));
    this.#over = true;
    this.#file.tryLock(LOCK_SH);
    return this.#file;
  }

  /** Removes what is there of it. */
  discard(): void {
    if (this.#over) return;
    this.#over = true;
    unmark(this.#path);
    void this.#work.then(() => this.#file.close());
  }
}

/**
 * Removes what killed processes left of blobs on their way. In the section.
 * @param dryRun only tells what would go
 * @returns the paths of what went
 */
export function sweepIncoming(layout: Layout, dryRun = false): string[] {
  const swept: string[] = [];
  for (const name of readNames(layout.blobsParent)) {
    if (!name.startsWith(TEMPORARY_PREFIX)) continue;
    const path = join(layout.blobsParent, name);
    if (!isAbandoned(path)) continue;
    if (dryRun || unmark(path)) swept.push(path);
  }
  return swept;
}

/** Whether nobody writes it any more. A link is nothing that a tpull wrote. */
function isAbandoned(path: string): boolean {
  const file = openPlain(path);
  try {
    return file?.tryLock(LOCK_EX) ?? false;
  } finally {
    file?.close();
  }
}
