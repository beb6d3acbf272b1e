/** How a blob is divided among the streams that bring it. */
import type { RangeStream } from "./range-stream.js";

/** Bytes that one stream brings, or several in turn if it fails. */
export interface Segment {
  readonly start: number;
  /** Exclusive. */
  end: number;
  /** Who is at it now. */
  stream: RangeStream | undefined;
  /** Next byte that no stream has brought. */
  offset: number;
  /** Everything has arrived. */
  isDone: boolean;
  /** What has arrived before its turn; `undefined` where the reader reads the stream itself. */
  inbox: Inbox | undefined;
}

/** Chunks that wait for those before them. */
export interface Inbox {
  readonly chunks: Uint8Array[];
  bytes: number;
  /** Not read further ahead than this. */
  readonly limit: number;
  /** Offsets of changes of connection that the reader has not been told of. */
  readonly joins: number[];
  /** Called when there is room again. */
  wake: (() => void) | undefined;
}

export interface PartRules {
  /** Length of a part. */
  readonly partBytes: number;
  /** What a stream has left must be as much, to be divided. */
  readonly worthDividing: number;
}

/** The parts of a blob from `from` to `to`, in their order. */
export class Segments {
  readonly list: Segment[] = [];
  readonly #to: number;
  /** From here on nobody has been given anything. */
  #frontier: number;

  constructor(from: number, to: number) {
    this.#to = to;
    this.#frontier = from;
  }

  /** Bytes that have not arrived. */
  get remaining(): number {
    let sum = this.#to - this.#frontier;
    for (const { offset, end } of this.list) sum += end - offset;
    return sum;
  }

  /** How many streams are at work. */
  get running(): number {
    return this.list.filter(({ stream }) => stream !== undefined).length;
  }

  /** The first segment; all of what is left where nothing has been given out. */
  first(): Segment | undefined {
    const [first] = this.list;
    if (first !== undefined || this.#frontier === this.#to) return first;
    return this.#append(this.#to);
  }

  /** Something for one more stream to do; `undefined` when there is nothing worth a request. */
  next({ partBytes, worthDividing }: PartRules): Segment | undefined {
    const idle = this.list.find(
      ({ stream, isDone }) => stream === undefined && !isDone,
    );
    if (idle !== undefined) return idle;
    if (this.#frontier < this.#to) {
      const rest = this.#to - this.#frontier;
      // A second stream goes on to the end, should it stay alone.
      const length = rest < partBytes * 1.5 ? rest : partBytes;
      return this.#append(this.#frontier + length);
    }
    return this.#divide(partBytes, worthDividing);
  }

  /** Takes back a segment of which nothing has come, if the one before can bring it. */
  undo(segment: Segment): void {
    const index = this.list.indexOf(segment);
    const before = this.list[index - 1];
    if (segment.offset > segment.start || segment.isDone) return;
    if (before?.stream?.extend(segment.end) === true) {
      before.end = segment.end;
      this.list.splice(index, 1);
    } else if (segment.end === this.#frontier && index > 0) {
      this.#frontier = segment.start;
      this.list.pop();
    }
  }

  /** Gives part of the longest rest to another stream. */
  #divide(partBytes: number, worthDividing: number): Segment | undefined {
    let victim: Segment | undefined;
    for (const candidate of this.list) {
      if (candidate.stream === undefined) continue;
      const isLonger =
        victim === undefined || restOf(candidate) > restOf(victim);
      if (isLonger) victim = candidate;
    }
    if (victim === undefined || restOf(victim) < worthDividing)
      return undefined;
    const kept = Math.min(partBytes, Math.floor(restOf(victim) / 2));
    const cut = victim.offset + kept;
    const { end } = victim;
    victim.stream?.cut(cut);
    victim.end = cut;
    const segment = newSegment(cut, end);
    this.list.splice(this.list.indexOf(victim) + 1, 0, segment);
    // The second stream goes on to the end, should it stay alone; of further
    // ones each takes a part, and its connection is good for the next.
    const isLast = end === this.#to && end === this.#frontier;
    if (isLast && this.running > 1 && end - cut > partBytes * 1.5) {
      segment.end = cut + partBytes;
      this.#frontier = segment.end;
    }
    return segment;
  }

  #append(end: number): Segment {
    const segment = newSegment(this.#frontier, end);
    this.list.push(segment);
    this.#frontier = end;
    return segment;
  }
}

function restOf({ offset, end }: Segment): number {
  return end - offset;
}

function newSegment(start: number, end: number): Segment {
  return {
    start,
    end,
    stream: undefined,
    offset: start,
    isDone: false,
    inbox: undefined,
  };
}
