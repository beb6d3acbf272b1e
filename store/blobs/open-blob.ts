/** Reading a kept blob, and relying on it. */
import { createReadStream, fstatSync, futimesSync, readSync } from "node:fs";
import type { Digest } from "../digest.js";
import type { Layout } from "../layout.js";
import type { LockedFile } from "../lock.js";
import { LOCK_SH } from "../native/libc.js";
import { openPlain } from "./plain-file.js";

const CHUNK_BYTES = 1024 * 1024;

/** A kept blob that is held open: it can be read to its end even if it is removed meanwhile. */
export class OpenBlob {
  readonly digest: Digest;
  readonly size: number;
  /** When it was stored or last used, in milliseconds since 1970. */
  readonly used: number;
  readonly #path: string;
  readonly #file: LockedFile;

  private constructor(
    path: string,
    file: LockedFile,
    digest: Digest,
    { size, mtimeMs }: { size: number; mtimeMs: number },
  ) {
    this.#path = path;
    this.#file = file;
    this.digest = digest;
    this.size = size;
    this.used = mtimeMs;
  }

  /**
   * @param size bytes that it must have; any number by default
   * @returns undefined where it is not kept
   */
  static open(
    layout: Layout,
    digest: Digest,
    size?: number,
  ): OpenBlob | undefined {
    const path = layout.keptBlob(digest);
    const file = openPlain(path);
    if (file === undefined) return undefined;
    const found = fstatSync(file.fd);
    if (found.isFile() && (size === undefined || found.size === size)) {
      return new OpenBlob(path, file, digest, found);
    }
    file.close();
    return undefined;
  }

  /** Bytes from `start` to `end` (not included); all of them by default. Nothing of them is verified. */
  read(start = 0, end: number = this.size): AsyncIterable<Uint8Array> {
    if (start >= end) return nothing();
    return createReadStream(this.#path, {
      fd: this.#file.fd,
      autoClose: false,
      start,
      end: end - 1,
      highWaterMark: CHUNK_BYTES,
    });
  }

  /** All bytes of a small one. */
  readWhole(): Buffer {
    const bytes = Buffer.alloc(this.size);
    for (let done = 0; done < bytes.length;) {
      const left = bytes.length - done;
      const length = readSync(this.#file.fd, bytes, done, left, done);
      if (length === 0) return bytes.subarray(0, done);
      done += length;
    }
    return bytes;
  }

  /**
   * Keeps it from being removed until it is closed, and notes that it was used.
   * @returns false when it was removed already, or is just about to be
   */
  rely(): boolean {
    if (!this.#file.tryLock(LOCK_SH) || !this.#file.isAt(this.#path)) {
      return false;
    }
    this.touch();
    return true;
  }

  /** Notes that it was used, where that may be noted. */
  touch(): void {
    try {
      const now = new Date();
      futimesSync(this.#file.fd, now, now);
    } catch {
      // In a root that may only be read it is used as well.
    }
  }

  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {
  // An empty blob has no bytes to read.
}
