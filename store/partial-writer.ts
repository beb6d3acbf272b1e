/**
 * Writes what a partial blob is given, beside the work that matters: bytes
 * queue up while a write is under way and go out together with the next.
 */
import type { FileHandle } from "node:fs/promises";
import type { Segment } from "./partial.js";

/** Bytes that may wait for the disk, of all blobs of a session together. */
const MAX_WAITING = 16 * 1024 * 1024;
/** Chunks that one call writes. */
const MAX_CHUNKS = 256;
/** Segments that grow at the same time: a blob may come in several streams. */
const MAX_OPEN = 16;
/** What a power cut may cost of a blob. */
const SYNC_BYTES = 16 * 1024 * 1024;
const SYNC_MS = 5000;

/** What the partial blobs of a session share. */
export class PartialShare {
  /** Bytes that wait for the disk. */
  waiting = 0;
  readonly hasRoomFor: (bytes: number) => boolean;
  #flushing: Promise<void> = Promise.resolve();

  /** @param hasRoomFor whether the disk can do with that many bytes more */
  constructor(hasRoomFor: (bytes: number) => boolean) {
    this.hasRoomFor = hasRoomFor;
  }

  /** Flushes one file after the other: each flush occupies a thread that others need. */
  flush(work: () => Promise<void>): Promise<void> {
    this.#flushing = this.#flushing.then(work).catch(() => undefined);
    return this.#flushing;
  }
}

/** A segment that is being written. */
export interface OpenSegment {
  readonly segment: Segment;
  readonly file: FileHandle;
}

/** What the writer needs of its blob. */
export interface PartialTarget {
  /** Opens the segment that goes on, or begins, at an offset. */
  segmentAt(offset: number): Promise<OpenSegment | undefined>;
  /** The disk is full: there are better uses for what is here. */
  full(): void;
}

interface Piece {
  readonly offset: number;
  readonly chunk: Uint8Array;
}

export class PartialWriter {
  readonly #share: PartialShare;
  readonly #target: PartialTarget;
  #queue: Piece[] = [];
  #waiting = 0;
  #over = false;
  /** Too much was waiting: nothing is taken until the disk has caught up. */
  #behind = false;
  #running: Promise<void> | undefined;
  readonly #open: OpenSegment[] = [];
  #flushing: Promise<void> | undefined;
  #unflushed = 0;
  #flushedAt: number = performance.now();

  constructor(share: PartialShare, target: PartialTarget) {
    this.#share = share;
    this.#target = target;
  }

  /** Queues bytes, unless too many wait already or writing has failed. */
  add(offset: number, chunk: Uint8Array): void {
    if (this.#over) return;
    if (this.#share.waiting + chunk.length > MAX_WAITING) this.#behind = true;
    if (this.#behind && this.#queue.length > 0) return;
    this.#behind = false;
    this.#queue.push({ offset, chunk });
    this.#count(chunk.length);
    this.#running ??= this.#run();
  }

  #count(bytes: number): void {
    this.#waiting += bytes;
    this.#share.waiting += bytes;
  }

  async #run(): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#over) await this.#writeSome();
    } catch (error) {
      this.#over = true;
      const { code } = error as { code?: unknown };
      if (code === "ENOSPC" || code === "EDQUOT") this.#target.full();
    } finally {
      if (this.#over) this.#drop();
      this.#running = undefined;
    }
  }

  /** Writes the head of the queue, and what follows it in the blob. */
  async #writeSome(): Promise<void> {
    const [{ offset }] = this.#queue as [Piece];
    const opened = await this.#segment(offset);
    if (opened === undefined) {
      this.#over = true;
      return;
    }
    const { segment, file } = opened;
    const pieces: Piece[] = [];
    const others: Piece[] = [];
    let end = offset;
    for (const piece of this.#queue) {
      if (piece.offset !== end || pieces.length === MAX_CHUNKS) {
        others.push(piece); // of another stream
      } else {
        pieces.push(piece);
        end += piece.chunk.length;
      }
    }
    this.#queue = others;
    const { bytesWritten } = await file.writev(
      pieces.map(({ chunk }) => chunk),
    );
    segment.length += bytesWritten;
    this.#unflushed += bytesWritten;
    this.#count(-bytesWritten);
    this.#queue.unshift(...after(pieces, bytesWritten));
    this.#flushNow();
  }

  async #segment(offset: number): Promise<OpenSegment | undefined> {
    const known = this.#open.find(
      ({ segment }) => segment.start + segment.length === offset,
    );
    if (known !== undefined) return known;
    if (this.#open.length === MAX_OPEN) await this.#closeFiles();
    const opened = await this.#target.segmentAt(offset);
    if (opened !== undefined) this.#open.push(opened);
    return opened;
  }

  #flushNow(): void {
    const now = performance.now();
    const due =
      this.#unflushed >= SYNC_BYTES || now - this.#flushedAt >= SYNC_MS;
    if (!due || this.#flushing !== undefined) return;
    this.#unflushed = 0;
    this.#flushedAt = now;
    const files = this.#open.map(({ file }) => file);
    this.#flushing = this.#share
      .flush(async () => {
        for (const file of files) await file.datasync();
      })
      .finally(() => {
        this.#flushing = undefined;
      });
  }

  async #closeFiles(): Promise<void> {
    await this.#flushing;
    for (const { file } of this.#open.splice(0)) await file.close();
  }

  #drop(): void {
    this.#queue = [];
    this.#count(-this.#waiting);
  }

  /** Writes what is queued, and takes no more. */
  async close(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    this.#over = true;
    await this.#closeFiles().catch(() => undefined);
  }

  /** Forgets what is queued. */
  async abandon(): Promise<void> {
    this.#over = true;
    await this.close();
    this.#drop();
  }
}

/** What is left of pieces when so many of their bytes are done. */
function after(pieces: readonly Piece[], bytes: number): Piece[] {
  let done = bytes;
  return pieces.flatMap(({ offset, chunk }) => {
    const here = Math.min(done, chunk.length);
    done -= here;
    if (here === chunk.length) return [];
    return [{ offset: offset + here, chunk: chunk.subarray(here) }];
  });
}
