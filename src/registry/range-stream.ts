/**
 * One stream of a blob's bytes that survives broken connections: it goes on
 * where it was, by Range where the server knows ranges and by leaving out what
 * came before where it does not; at the registry or at another of its places.
 * The bytes are not hashed here.
 */
import { LACKING } from "./places.js";
import { isTpullError, throwIfAborted } from "../../store/errors.js";
import { cutBody, wrongBlobSize, type BlobAddress } from "./blob-errors.js";
import { BlobPlaces } from "./blob-places.js";
import { about, type Subject } from "./errors.js";
import { headerValue } from "./headers.js";
import { askForBytes, type Part } from "./range-request.js";
import type { Retry } from "./retry.js";
import { isMirrorsFault } from "./route.js";
import type { Reply, Repository, Session } from "./session.js";

export interface RangeRequest extends Repository {
  readonly blob: BlobAddress;
  /** First byte wanted. */
  readonly from: number;
  /** Where to stop (exclusive); the blob's size at most. */
  readonly to: number;
  /**
   * One stream beside others of the same blob: it gives up early, and takes
   * nothing but the range that was asked for.
   */
  readonly extra: boolean;
  readonly signal: AbortSignal;
  readonly onRetry: (retry: Retry, host: string) => void;
  /** Told how many bytes came from which host. */
  readonly onReceived: (host: string, bytes: number) => void;
  /** Called when bytes from this offset on come from a connection that did not bring those before. */
  readonly onResume: (offset: number) => void;
}

/** Tries of a stream beside others, after its first and since it last brought something. */
const EXTRA_RETRIES = 2;

/** Where one stream stands, and what it may still try. */
export class RangeStream {
  #offset: number;
  #to: number;
  #part: Part | undefined;
  /** Whether other streams of this blob may be asked for where this one is. */
  #splittable = false;
  #answerMs = 0;
  readonly #session: Session;
  readonly #request: RangeRequest;
  readonly #subject: Subject;
  readonly #places: BlobPlaces;
  /** Both are granted once, and without a wait. */
  #askedAgain = false;
  #endedEarly = false;

  /** Work begins with the first read. */
  constructor(session: Session, request: RangeRequest) {
    this.#session = session;
    this.#request = request;
    this.#offset = request.from;
    this.#to = request.to;
    this.#subject = {
      kind: "blob",
      name: `${request.registry}/${request.repository}`,
      item: request.blob.digest,
    };
    this.#places = new BlobPlaces(
      session,
      {
        registry: request.registry,
        capability: "pull",
        item: `${request.repository}/blobs/${request.blob.digest}`,
      },
      request.extra ? EXTRA_RETRIES : undefined,
    );
  }

  /** The next byte that {@link read} gives. */
  get offset(): number {
    return this.#offset;
  }

  /** Who is asked, see `Endpoint.host`. */
  get host(): string {
    return this.#places.host;
  }

  /** Whether the last reply leaves hope that the host answers ranges. */
  get isSplittable(): boolean {
    return this.#splittable;
  }

  /** How long the host took for its last answer. Milliseconds. */
  get answerMs(): number {
    return this.#answerMs;
  }

  /**
   * The next chunk as it came off the socket; `undefined` at the end. One
   * call at a time.
   * @throws TpullError `SIZE_MISMATCH` when the registry has more or fewer
   *   bytes, and what `RegistryClient.blob` names; NoRanges in a stream beside
   *   others
   */
  async read(): Promise<Uint8Array | undefined> {
    const { limiter } = this.#session.link;
    for (;;) {
      // More may come after a part: of that nobody asked for anything.
      if (this.#offset >= this.#to && !this.#endsHere()) break;
      try {
        this.#part ??= await this.#open();
        if (this.#part === undefined) continue;
        const chunk = await this.#part.reply.body.read();
        const received = chunk?.length ?? 0;
        const { host } = this.#part.reply.ask.endpoint;
        if (received > 0) this.#request.onReceived(host, received);
        const piece = this.#take(this.#part, chunk);
        await limiter?.take(received, this.#request.signal);
        if (piece !== undefined) return piece;
      } catch (error) {
        const inBody = this.#part !== undefined;
        this.cancel();
        await this.#recover(error, inBody);
      }
    }
    this.cancel();
    return undefined;
  }

  /** Stops it earlier, at a byte that it has not reached. */
  cut(to: number): void {
    this.#to = to;
  }

  /** Takes on what follows, if its body brings that anyway. @returns whether it does */
  extend(to: number): boolean {
    if (this.#part === undefined || to > this.#part.end) return false;
    // Where it has come to its end, what followed in the last chunk is gone.
    if (this.#offset >= this.#to) return false;
    this.#to = to;
    return true;
  }

  /** Drops the connection; a later read would make another one. */
  cancel(): void {
    this.#part?.reply.body.cancel();
    this.#part = undefined;
  }

  /** Whether the body's own end is still to come; it frees the connection for another request. */
  #endsHere(): boolean {
    return this.#part !== undefined && this.#part.end <= this.#to;
  }

  /** What of a chunk is wanted; `undefined` for nothing, and at the body's end. */
  #take(part: Part, chunk: Uint8Array | undefined): Uint8Array | undefined {
    if (chunk === undefined) {
      this.#part = undefined;
      this.#ended(part);
      return undefined;
    }
    if (chunk.length <= part.skip) {
      part.skip -= chunk.length;
      return undefined;
    }
    const wanted = part.skip === 0 ? chunk : chunk.subarray(part.skip);
    part.skip = 0;
    const rest = this.#to - this.#offset;
    const isPart = this.#to < this.#request.blob.size;
    if (rest === 0 && isPart) {
      this.cancel();
      return undefined;
    }
    const piece =
      isPart && wanted.length > rest ? wanted.subarray(0, rest) : wanted;
    this.#advance(piece.length, part);
    return piece;
  }

  /**
   * Connects, always at the registry: a link it gave before may have expired.
   * `undefined` means: again, and at once.
   */
  async #open(): Promise<Part | undefined> {
    const { extra, onResume, ...where } = this.#request;
    const endpoint = await this.#places.endpoint(where.signal);
    const begun = performance.now();
    const opened = await askForBytes(this.#session, {
      ...where,
      endpoint,
      subject: this.#subject,
      offset: this.#offset,
      to: this.#to,
      strict: extra,
    });
    if ("again" in opened) return undefined;
    if ("refused" in opened) return this.#refused(opened.refused);
    const { part } = opened;
    this.#answerMs = performance.now() - begun;
    this.#splittable = part.splittable;
    if (this.#offset > 0) onResume(this.#offset);
    this.#places.served();
    return part;
  }

  /** Counts bytes before they are handed out. */
  #advance(length: number, { reply, end }: Part): void {
    const { size } = this.#request.blob;
    const next = this.#offset + length;
    if (next > end) {
      throw end === size
        ? this.#wrongSize(reply, `more than ${size}`)
        : cutBody(reply, "sends more than the range it announced");
    }
    this.#offset = next;
    this.#places.budget.progress(length);
    this.#session.link.received(length);
  }

  /** Looks at where a body ended without an error. */
  #ended({ reply, end }: Part): void {
    const to = this.#to;
    if (this.#offset === to) return;
    if (end < to || !isDelimited(reply)) {
      throw cutBody(reply, "sends only a part");
    }
    // A proxy may have kept half a blob; a second time it is no accident.
    const error = this.#wrongSize(reply, String(this.#offset));
    if (this.#endedEarly) throw error;
    this.#endedEarly = true;
    this.#tellOfAnother(error.message);
  }

  /**
   * Decides about a failure; resolves when it is time to connect again.
   * @throws the failure, when it is final
   */
  async #recover(error: unknown, inBody: boolean): Promise<void> {
    const { extra, onRetry, blob } = this.#request;
    throwIfAborted(this.#request.signal);
    const here = isTpullError(error) && error.retryable;
    // With all bytes here it does not matter how the connection ended.
    if (here && this.#offset === this.#to) return;
    const host = this.host;
    if (extra && !inBody) {
      this.#session.spare(host, error);
      throw error;
    }
    try {
      await this.#session.again(error, this.#places.budget, {
        host,
        signal: this.#request.signal,
        onRetry: (retry) => onRetry(retry, host),
      });
    } catch (final) {
      if (extra) throw final;
      if (
        this.#places.hasAnother &&
        isMirrorsFault(final, this.#request.signal)
      ) {
        this.#goOnElsewhere(final);
        return;
      }
      const { name } = this.#subject;
      throw about(
        this.#places.last(final),
        name,
        `${name}, blob ${blob.digest}, at byte ${this.#offset} of ${blob.size}`,
        { layer: blob.digest, offset: this.#offset },
      );
    }
  }

  /** Leaves a mirror; what it has sent so far is kept. */
  #goOnElsewhere(error: unknown): void {
    this.#places.leave(error);
    this.#askedAgain = false;
    this.#endedEarly = false;
    // That a mirror has not got something is nothing that went wrong.
    if (isTpullError(error) && LACKING.has(error.code)) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.#tellOfAnother(reason);
  }

  async #refused(reply: Reply): Promise<undefined> {
    const error = await this.#session.refusal(reply);
    // A signed link may have expired on its way to us, or during a pause.
    const expired = reply.status === 403 || reply.status === 404;
    const again = expired && (this.#offset > 0 || reply.redirected);
    if (!again || this.#askedAgain || this.#request.extra) throw error;
    this.#askedAgain = true;
    this.#tellOfAnother(error.message);
  }

  #tellOfAnother(reason: string): void {
    this.#request.onRetry({ attempt: 1, delayMs: 0, reason }, this.host);
  }

  #wrongSize(reply: Reply, found: string): Error {
    return wrongBlobSize(this.#subject.name, this.#request.blob, reply, found);
  }
}

/** Whether HTTP tells the end of this body from a cut. */
function isDelimited({ headers }: Reply): boolean {
  return (
    headerValue(headers, "content-length") !== undefined ||
    headerValue(headers, "transfer-encoding") !== undefined
  );
}
