/**
 * What all blobs of a client share on their way: the streams that
 * {@link Flow} grants, the memory for bytes that arrive before their turn,
 * and what was found out about hosts.
 */
import { isTpullError } from "../../store/errors.js";
import { Flow, type FlowTiming } from "./flow.js";
import type { PartRules } from "./segments.js";
import type { RateLimiter } from "./rate-limiter.js";

/** Bytes of all blobs that may wait for those before them. */
const MEMORY_BYTES = 64 * 1024 * 1024;
/** Shortest part that is worth a request. */
export const MIN_PART_BYTES: number = 1024 * 1024;
/** Parts of a stream that the memory has room for: one that is done early waits for those before it. */
const PARTS_PER_STREAM = 1.5;
/** No further streams for a host that has failed, for so long. Milliseconds. */
const HOST_REST_MS = 30_000;
/** A stream gets up to speed in so many times what its answer took: both are a matter of round trips. */
const SETTLE_ANSWERS = 1.5;
const MAX_SETTLE_MS = 1500;
/** Statuses by which a host says that it is asked too much. */
const ENOUGH = new Set([429, 503]);

/** A blob that is being downloaded. */
export interface Splittable {
  /** Bytes that are still to come. */
  readonly remaining: number;
  /** Whether it is waiting for the network, and another stream may help. */
  readonly mayGrow: boolean;
  /** Sets how many streams it may have beside the first. */
  grant(extra: number): void;
  /** Waiting is counted from now on. */
  resetWaiting(): void;
}

export class Link {
  readonly limiter: RateLimiter | undefined;
  readonly #flow: Flow;
  readonly #maxStreams: number;
  readonly #blobs = new Map<Splittable, number>();
  /** Hosts that answer a range with the whole, now or always. */
  readonly #unsplittable = new Set<string>();
  readonly #resting = new Map<string, number>();
  /** Blobs that have come in parts; asked for again, they come in one piece. */
  readonly #split = new Set<string>();
  #memory = MEMORY_BYTES;

  constructor(
    maxStreams: number,
    limiter?: RateLimiter,
    timing?: Partial<FlowTiming>,
  ) {
    this.#flow = new Flow(maxStreams, timing);
    this.#maxStreams = maxStreams;
    this.limiter = limiter;
  }

  /** How a blob is divided now. */
  get rules(): Omit<PartRules, "streams"> {
    const { streamRate, timing } = this.#flow;
    // Those that are given out now are still there when there are more streams.
    const streams = Math.min(2 * this.#flow.streams, this.#maxStreams);
    const most = MEMORY_BYTES / (streams * PARTS_PER_STREAM);
    const within = (bytes: number): number =>
      Math.floor(Math.min(most, Math.max(MIN_PART_BYTES, bytes)));
    return {
      partBytes: within(streamRate * timing.partMs),
      minBytes: within(streamRate * timing.minPartMs),
      worthDividing: Math.max(2 * MIN_PART_BYTES, streamRate * timing.divideMs),
    };
  }

  enter(blob: Splittable): void {
    this.#blobs.set(blob, 0);
    this.#changed();
  }

  leave(blob: Splittable): void {
    if (this.#blobs.delete(blob)) this.#changed();
  }

  /** Counts bytes of any stream as they come off the socket. */
  received(bytes: number): void {
    if (this.#blobs.size === 0) return;
    const now = performance.now();
    if (!this.#flow.received(bytes, now)) return;
    const before = this.#flow.extra;
    this.#flow.look(now, this.#mayGrow());
    for (let left = this.#assign(); left > 0; left--) {
      if (this.#flow.extra > before) this.#flow.started(now, 0);
    }
    for (const blob of this.#blobs.keys()) blob.resetWaiting();
  }

  /** A stream that was granted brings its first bytes. */
  started(answerMs: number): void {
    const settleMs = Math.min(MAX_SETTLE_MS, answerMs * SETTLE_ANSWERS);
    this.#flow.started(performance.now(), settleMs);
  }

  /** A stream beside the first has failed. */
  failed(host: string, error: unknown): void {
    const now = performance.now();
    const status = isTpullError(error) ? error.details.status : undefined;
    this.#resting.set(host, now + HOST_REST_MS);
    this.#flow.backOff(status !== undefined && ENOUGH.has(status), now);
    this.#assign();
  }

  /** The host has answered a range with something else. */
  refusesRanges(host: string): void {
    this.#unsplittable.add(host);
    this.failed(host, undefined);
  }

  /** Whether parts of a blob may be asked of the host at the same time. */
  maySplit(host: string): boolean {
    const until = this.#resting.get(host) ?? 0;
    return !this.#unsplittable.has(host) && performance.now() >= until;
  }

  wasSplit(digest: string): boolean {
    return this.#split.has(digest);
  }

  noteSplit(digest: string): void {
    this.#split.add(digest);
  }

  /** Whether so many bytes may come before their turn. */
  hasRoom(bytes: number): boolean {
    return bytes <= this.#memory;
  }

  /** Takes memory for bytes that come before their turn. */
  reserve(bytes: number): void {
    this.#memory -= bytes;
  }

  release(bytes: number): void {
    this.#memory += bytes;
  }

  #changed(): void {
    this.#flow.changed(this.#blobs.size, performance.now());
    this.#assign();
  }

  #mayGrow(): boolean {
    if (this.limiter?.isReached === true) return false;
    return [...this.#blobs.keys()].some((blob) => blob.mayGrow);
  }

  /** Hands the granted streams to the blobs that end last. @returns how many nobody can use */
  #assign(): number {
    let left = this.#flow.extra;
    for (const extra of this.#blobs.values()) left -= extra;
    for (; left < 0; left++) {
      const [blob, extra] = best(this.#blobs, (_, extra) => extra);
      this.#grant(blob, extra - 1);
    }
    for (; left > 0; left--) {
      const [blob, extra, weight] = best(this.#blobs, (blob, extra) =>
        blob.mayGrow ? blob.remaining / (extra + 1) : 0,
      );
      if (weight === 0) break;
      this.#grant(blob, extra + 1);
    }
    return left;
  }

  #grant(blob: Splittable, extra: number): void {
    this.#blobs.set(blob, extra);
    blob.grant(extra);
  }
}

/** The blob of the greatest weight; there must be one. */
function best(
  blobs: ReadonlyMap<Splittable, number>,
  weigh: (blob: Splittable, extra: number) => number,
): [blob: Splittable, extra: number, weight: number] {
  let found: [Splittable, number, number] | undefined;
  for (const [blob, extra] of blobs) {
    const weight = weigh(blob, extra);
    if (found === undefined || weight > found[2]) found = [blob, extra, weight];
  }
  if (found === undefined) throw new Error("no blob to choose from");
  return found;
}
