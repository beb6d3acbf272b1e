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
  /** Length of a part at most. */
  readonly partBytes: number;
  /** Length of a part at least. */
  readonly minBytes: number;
  /** Streams that there may be. */
  readonly streams: number;
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
  next(rules: PartRules): Segment | undefined {
    const idle = this.list.find(
      ({ stream, isDone }) => stream === undefined && !isDone,
    );
    if (idle !== undefined) return idle;
    return this.#frontier < this.#to
      ? this.#append(this.#frontier + this.#lengthOfNext(rules))
      : this.#divide(rules);
  }

  /** Shorter towards the end, so that all streams come to theirs at about the same time. */
  #lengthOfNext({ partBytes, minBytes, streams }: PartRules): number {
    const rest = this.#to - this.#frontier;
    const share = Math.max(minBytes, Math.ceil(rest / streams));
    const length = Math.min(partBytes, share);
    return rest - length < minBytes ? rest : length;
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

  /** Makes the first segment the only one. @returns the others */
  takeRest(): Segment[] {
    const [first, ...others] = this.list;
    if (first !== undefined) first.end = this.#to;
    this.#frontier = this.#to;
    this.list.splice(1);
    return others;
  }

  /** Gives part of the longest rest to another stream. */
  #divide(rules: PartRules): Segment | undefined {
    let victim: Segment | undefined;
    for (const candidate of this.list) {
      if (candidate.stream === undefined) continue;
      const isLonger =
        victim === undefined || restOf(candidate) > restOf(victim);
      if (isLonger) victim = candidate;
    }
    if (victim === undefined || restOf(victim) < rules.worthDividing) {
      return undefined;
    }
    const half = Math.floor(restOf(victim) / 2);
    const kept = Math.min(rules.partBytes, half);
    const cut = victim.offset + kept;
    const { end } = victim;
    victim.stream?.cut(cut);
    victim.end = cut;
    const segment = newSegment(cut, end);
    this.list.splice(this.list.indexOf(victim) + 1, 0, segment);
    // The second stream goes on to the end, should it stay alone; of further
    // ones each takes a part, and its connection is good for the next.
    if (end === this.#to && this.running > 1) {
      this.#frontier = cut;
      segment.end = this.#frontier += this.#lengthOfNext(rules);
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
