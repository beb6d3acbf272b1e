/**
 * What is here of a blob that is still being fetched, or whose fetching was
 * interrupted: a directory of segments. A segment is a file named after the
 * offset of its first byte and is only ever appended to, so that names and
 * lengths say all there is to say and no crash can make them disagree. Segments
 * may overlap and may leave holes. Whether the bytes are right is not known
 * before the blob as a whole is hashed.
 *
 * The directory's lock says that somebody reads or writes it. Files are opened
 * below the locked directory itself, and no link is followed.
 */
import { constants, existsSync, lstatSync, rmdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { createDirectory } from "./atomic.js";
import type { Digest } from "./digest.js";
import { isAbsent } from "./io-error.js";
import type { Layout } from "./layout.js";
import { type LockedFile, tryLockDirectory } from "./lock.js";
import { LOCK_EX } from "./native/libc.js";
import {
  type OpenSegment,
  type PartialShare,
  PartialWriter,
} from "./partial-writer.js";
import { readEntries } from "./read.js";
import { removeTree } from "./remove.js";

/** Bytes of a blob, the end not included. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/** A file of a partial blob. */
export interface Segment {
  readonly start: number;
  /** Bytes in it. */
  length: number;
}

const NAME = /^(?:0|[1-9]\d{0,14})$/;
const READ_BYTES = 256 * 1024;
const { O_RDONLY, O_WRONLY, O_APPEND, O_CREAT, O_EXCL } = constants;
/** Of whatever is in the way of a segment, nothing is followed or waited for. */
const SAFE: number = constants.O_NOFOLLOW | constants.O_NONBLOCK;
const FILE_MODE = 0o600;

export class PartialBlob {
  readonly digest: Digest;
  /** Bytes of the whole blob. */
  readonly size: number;
  readonly #layout: Layout;
  readonly #share: PartialShare;
  #lock: LockedFile | undefined;
  #segments: Segment[] = [];
  #writer: PartialWriter | undefined;
  #closed = false;

  private constructor(
    layout: Layout,
    digest: Digest,
    size: number,
    share: PartialShare,
  ) {
    this.#layout = layout;
    this.digest = digest;
    this.size = size;
    this.#share = share;
  }

  /**
   * Takes possession of what is here of a blob. Makes nothing before there is
   * something to keep.
   * @returns undefined while somebody else has it
   */
  static open(
    layout: Layout,
    digest: Digest,
    size: number,
    share: PartialShare,
  ): PartialBlob | undefined {
    const blob = new PartialBlob(layout, digest, size, share);
    return blob.#take() === "busy" ? undefined : blob;
  }

  get #directory(): string {
    return this.#layout.partialBlob(this.digest);
  }

  #take(): "held" | "gone" | "busy" {
    if (!existsSync(this.#directory)) return "gone";
    const lock = tryLockDirectory(this.#directory, LOCK_EX);
    if (typeof lock === "string") return lock;
    this.#lock = lock;
    this.#segments = readSegments(heldDirectory(lock));
    return "held";
  }

  /** What is here, in order, without overlaps, up to the blob's size. */
  get ranges(): ByteRange[] {
    const ranges: { from: number; to: number }[] = [];
    for (const { start, length } of this.#segments) {
      const to = Math.min(start + length, this.size);
      if (start >= to) continue;
      const last = ranges.at(-1);
      if (last !== undefined && start <= last.to) {
        last.to = Math.max(last.to, to);
      } else {
        ranges.push({ from: start, to });
      }
    }
    return ranges;
  }

  /**
   * Reads bytes that {@link ranges} names.
   * @throws Error where they are not there any more, or cannot be read
   */
  async *read({ from, to }: ByteRange): AsyncGenerator<Uint8Array> {
    for (let at = from; at < to;) {
      const segment = this.#segments.find(
        ({ start, length }) => start <= at && start + length > at,
      );
      if (segment === undefined || this.#lock === undefined) {
        throw new Error(`byte ${at} is not here`);
      }
      const { start, length } = segment;
      const end = Math.min(to, start + length);
      await using file = await open(
        join(heldDirectory(this.#lock), String(start)),
        O_RDONLY | SAFE,
      );
      if (!(await file.stat()).isFile()) throw new Error("not a file");
      while (at < end) {
        const wanted = Math.min(READ_BYTES, end - at);
        const buffer = Buffer.allocUnsafeSlow(wanted);
        const { bytesRead } = await file.read(buffer, 0, wanted, at - start);
        if (bytesRead === 0) throw new Error(`byte ${at} is not here`);
        yield buffer.subarray(0, bytesRead);
        at += bytesRead;
      }
    }
  }

  /**
   * Takes bytes that just came, to write them when the disk has time. Never
   * waits and never fails: when too much is waiting already, or the disk does
   * not take it, the bytes are not kept. The caller must not change the chunk.
   */
  keep(offset: number, chunk: Uint8Array): void {
    if (this.#closed) return;
    this.#writer ??= new PartialWriter(this.#share, {
      segmentAt: (at) => this.#segmentAt(at),
      full: () => void this.#discard().catch(() => undefined),
    });
    this.#writer.add(offset, chunk);
  }

  /** Opens the segment that bytes from `offset` on belong to; undefined where none may be written. */
  async #segmentAt(offset: number): Promise<OpenSegment | undefined> {
    if (this.#lock === undefined) {
      if (!this.#share.hasRoomFor(this.size)) return undefined;
      createDirectory(this.#directory, 0o700);
      if (this.#take() !== "held") return undefined;
    }
    const directory = heldDirectory(this.#lock!);
    const last = this.#segments.find(
      ({ start, length }) => start + length === offset,
    );
    const segment = last ?? { start: offset, length: 0 };
    const flags = last === undefined ? O_CREAT | O_EXCL : 0;
    const file = await open(
      join(directory, String(segment.start)),
      O_WRONLY | O_APPEND | SAFE | flags,
      FILE_MODE,
    );
    const found = await file.stat();
    if (!found.isFile() || found.size !== segment.length) {
      await file.close();
      return undefined;
    }
    if (last === undefined) {
      this.#segments.push(segment);
      this.#segments.sort((a, b) => a.start - b.start);
    }
    return { segment, file };
  }

  /** Gives it up; what is here stays for a later session. Resolves when all of it is written. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#writer?.close();
    if (this.#lock !== undefined && this.#segments.length === 0) {
      try {
        rmdirSync(this.#directory);
      } catch {
        // Something else is in there; it goes when the rest does.
      }
    }
    this.#lock?.close();
    this.#lock = undefined;
  }

  /** Gives it up and removes what is here. */
  async remove(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#writer?.abandon();
    await this.#discard();
    this.#lock?.close();
    this.#lock = undefined;
  }

  /** Removes what is here. The lock stays: it is on a directory that is gone, and nobody waits for that. */
  async #discard(): Promise<void> {
    if (this.#lock === undefined) return;
    this.#segments = [];
    await removeTree(this.#directory);
  }
}

/** The directory that is locked, whatever its path leads to by now. */
export function heldDirectory({ fd }: LockedFile): string {
  return `/proc/self/fd/${fd}`;
}

/** The segments in a directory, in order. Whatever else is there is nobody's. */
export function readSegments(directory: string): Segment[] {
  const segments: Segment[] = [];
  // With a slash at the end: it is what the link leads to that is listed.
  for (const entry of readEntries(`${directory}/`)) {
    if (!NAME.test(entry.name) || !entry.isFile()) continue;
    try {
      const { size } = lstatSync(join(directory, entry.name));
      segments.push({ start: Number(entry.name), length: size });
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }
  return segments.sort((a, b) => a.start - b.start);
}
