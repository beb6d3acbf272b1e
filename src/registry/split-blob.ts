/**
 * A blob that several streams may bring: it begins with one, which the reader
 * reads itself; more are added while the link gives more by that, each for a
 * part further on, and what they bring waits in memory for its turn. Whatever
 * goes wrong with those is no failure of the blob: their part is asked for
 * again when it is its turn.
 */
import { MIN_PART_BYTES, type Splittable } from "./link.js";
import { RangeStream, type RangeRequest } from "./range-stream.js";
import { Segments, type Inbox, type Segment } from "./segments.js";
import type { Session } from "./session.js";

/** Smaller blobs come in one stream. */
const MIN_SPLIT_BYTES = 8 * MIN_PART_BYTES;
/** After so many failures of streams beside the first, there is only the first. */
const MAX_TROUBLES = 3;
/** A reader that waits for the network for less of its time is not helped by more of it. */
const WAITING_SHARE = 0.5;

export interface SplitRequest extends Omit<RangeRequest, "extra"> {
  /** Shown what arrives before its turn. */
  readonly onAhead: (offset: number, chunk: Uint8Array) => void;
}

export class SplitBlob implements Splittable {
  readonly #session: Session;
  readonly #request: SplitRequest;
  readonly #segments: Segments;
  /** Streams it may have beside the first. */
  #granted = 0;
  /** A range of this blob has been answered with that range. */
  #proven = false;
  #troubles = 0;
  /** Chunks read; it takes part in the client's flow from the second on. */
  #reads = 0;
  /** Wakes the reader that waits for the first segment. */
  #wakeReader: (() => void) | undefined;
  #waitedMs = 0;
  #waitingSince: number | undefined;
  #countedSince = 0;

  constructor(session: Session, request: SplitRequest) {
    this.#session = session;
    this.#request = request;
    this.#segments = new Segments(request.from, request.to);
  }

  /** The next bytes in their order; `undefined` after the last. One call at a time. */
  async read(): Promise<Uint8Array | undefined> {
    if (this.#reads < 2 && ++this.#reads === 2) this.#takePart();
    this.#waitingSince = performance.now();
    try {
      return await this.#next();
    } finally {
      this.#waitedMs += performance.now() - this.#waitingSince;
      this.#waitingSince = undefined;
    }
  }

  /** Drops all streams and forgets what they have brought. */
  close(): void {
    this.#granted = 0;
    this.#session.link.leave(this);
    for (const segment of this.#segments.list.splice(0)) {
      segment.stream?.cancel();
      this.#release(segment);
    }
  }

  get remaining(): number {
    return this.#segments.remaining;
  }

  get mayGrow(): boolean {
    const { link } = this.#session;
    const stream = this.#segments.list.find(({ stream }) => stream)?.stream;
    if (stream === undefined || this.#troubles >= MAX_TROUBLES) return false;
    if (!this.#proven && !stream.isSplittable) return false;
    const now = performance.now();
    const waiting = now - (this.#waitingSince ?? now);
    const share = (this.#waitedMs + waiting) / (now - this.#countedSince);
    return (
      share >= WAITING_SHARE &&
      this.remaining >= 2 * link.rules.worthDividing &&
      link.maySplit(stream.host)
    );
  }

  grant(extra: number): void {
    this.#granted = extra;
    this.#fill();
  }

  resetWaiting(): void {
    this.#waitedMs = 0;
    this.#countedSince = performance.now();
    if (this.#waitingSince !== undefined)
      this.#waitingSince = this.#countedSince;
  }

  #takePart(): void {
    const { link } = this.#session;
    const { digest } = this.#request.blob;
    if (this.remaining < MIN_SPLIT_BYTES || link.wasSplit(digest)) return;
    this.resetWaiting();
    link.enter(this);
  }

  async #next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const first = this.#segments.first();
      if (first === undefined) return undefined;
      const chunk =
        first.inbox && takeChunk(first.inbox, this.#request.onResume);
      if (chunk !== undefined) return chunk;
      if (first.isDone) {
        this.#segments.list.shift();
        this.#release(first);
        this.#fill();
      } else if (first.inbox !== undefined && first.stream !== undefined) {
        await new Promise<void>((resolve) => (this.#wakeReader = resolve));
      } else {
        const bytes = await this.#readSelf(first);
        if (bytes !== undefined) return bytes;
      }
    }
  }

  async #readSelf(segment: Segment): Promise<Uint8Array | undefined> {
    if (segment.stream === undefined) {
      this.#release(segment);
      segment.inbox = undefined;
      segment.stream = this.#open(segment, false);
      this.#fill();
    }
    const { stream } = segment;
    if (segment.end < this.#request.to) this.#bringAll(stream);
    const bytes = await stream.read();
    segment.offset = stream.offset;
    if (bytes !== undefined) return bytes;
    segment.stream = undefined;
    segment.isDone = true;
    return undefined;
  }

  /** Where there are no ranges any more all of the blob comes anyway, and once is enough. */
  #bringAll(stream: RangeStream): void {
    const { withoutRanges } = this.#session;
    if (!withoutRanges.has(stream.host)) return;
    if (!stream.extend(this.#request.to)) return;
    for (const other of this.#segments.takeRest()) {
      other.stream?.cancel();
      this.#release(other);
    }
  }

  #open(segment: Segment, extra: boolean): RangeStream {
    return new RangeStream(this.#session, {
      ...this.#request,
      from: segment.offset,
      to: segment.end,
      extra,
      onResume: (offset) => {
        // The reader hears of it when it comes there.
        if (extra) segment.inbox?.joins.push(offset);
        else this.#request.onResume(offset);
      },
    });
  }

  /** Starts as many streams as there may be, and as there is work for. */
  #fill(): void {
    while (this.#mayStart() && this.#startExtra());
  }

  #mayStart(): boolean {
    const { running, list } = this.#segments;
    // Nothing is asked for at several places before one range was answered.
    const isAsked = list.some(({ stream, inbox }) => stream && inbox);
    return (
      running < 1 + this.#granted &&
      this.#granted > 0 &&
      this.#troubles < MAX_TROUBLES &&
      (this.#proven || !isAsked) &&
      !this.#request.signal.aborted
    );
  }

  #startExtra(): boolean {
    const { link } = this.#session;
    const { rules } = link;
    if (!link.hasRoom(rules.partBytes)) return false;
    const streams = 1 + this.#granted;
    const segment = this.#segments.next({ ...rules, streams });
    if (segment === undefined) return false;
    link.noteSplit(this.#request.blob.digest);
    // One that was given up may hold bytes that it has brought before.
    if (segment.inbox === undefined) {
      const limit = Math.min(rules.partBytes, segment.end - segment.offset);
      link.reserve(limit);
      segment.inbox = newInbox(limit);
    }
    segment.stream = this.#open(segment, true);
    void this.#bring(segment, segment.inbox, segment.stream);
    return true;
  }

  /** Brings a segment that is not the reader's turn yet. */
  async #bring(
    segment: Segment,
    inbox: Inbox,
    stream: RangeStream,
  ): Promise<void> {
    let isFirst = true;
    try {
      for (;;) {
        const chunk = await stream.read();
        if (chunk === undefined) break;
        this.#request.onAhead(segment.offset, chunk);
        segment.offset = stream.offset;
        inbox.chunks.push(chunk);
        inbox.bytes += chunk.length;
        this.#wake();
        if (isFirst) this.#started(stream);
        isFirst = false;
        if (inbox.bytes >= inbox.limit) {
          await new Promise<void>((resolve) => (inbox.wake = resolve));
        }
      }
      segment.isDone = true;
      segment.stream = undefined;
    } catch (error) {
      segment.stream = undefined;
      this.#gaveUp(segment, stream, error);
    }
    this.#fill();
    this.#wake();
  }

  #started(stream: RangeStream): void {
    this.#session.link.started(stream.answerMs);
    if (this.#proven) return;
    this.#proven = true;
    this.#fill();
  }

  #gaveUp(segment: Segment, stream: RangeStream, error: unknown): void {
    if (this.#request.signal.aborted) return;
    this.#troubles += this.#proven ? 1 : MAX_TROUBLES;
    this.#session.link.failed(stream.host, error);
    const index = this.#segments.list.indexOf(segment);
    if (index < 0) return;
    this.#segments.undo(segment);
    if (!this.#segments.list.includes(segment)) this.#release(segment);
  }

  #release({ inbox }: Segment): void {
    if (inbox !== undefined) this.#session.link.release(inbox.limit);
  }

  #wake(): void {
    this.#wakeReader?.();
    this.#wakeReader = undefined;
  }
}

function newInbox(limit: number): Inbox {
  return { chunks: [], bytes: 0, limit, joins: [], wake: undefined };
}

/** The next chunk that has arrived, after the changes of connection before it. */
function takeChunk(
  inbox: Inbox,
  onResume: (offset: number) => void,
): Uint8Array | undefined {
  for (const offset of inbox.joins.splice(0)) onResume(offset);
  const chunk = inbox.chunks.shift();
  if (chunk === undefined) return undefined;
  inbox.bytes -= chunk.length;
  if (inbox.bytes < inbox.limit) {
    inbox.wake?.();
    inbox.wake = undefined;
  }
  return chunk;
}
