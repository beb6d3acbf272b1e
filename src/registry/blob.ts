/**
 * One blob as a stream that survives broken connections: it goes on where it
 * was, by Range where the server knows ranges and by leaving out what came
 * before where it does not. The bytes are not hashed here.
 */
import { isTpullError, throwIfAborted } from "../../store/errors.js";
import { cutBody, wrongBlobSize, type BlobAddress } from "./blob-errors.js";
import { judgeReply } from "./content-range.js";
import type { Endpoint, HostConfig } from "./endpoint.js";
import { about, type Subject } from "./errors.js";
import { headerValue } from "./headers.js";
import { Places, type Want } from "./places.js";
import { RetryBudget, type Retry } from "./retry.js";
import { isMirrorsFault, MIRROR_RETRIES } from "./route.js";
import type { Reply, Repository, Session } from "./session.js";
import { joinSignals } from "./signals.js";

export interface BlobRequest extends Repository {
  readonly blob: BlobAddress;
  /** First byte wanted. */
  readonly from: number;
  /** Where to stop (exclusive); the blob's size at most. */
  readonly to: number;
  /** Each of them stops the stream. */
  readonly signals: readonly (AbortSignal | undefined)[];
  readonly onRetry: (retry: Retry, host: string) => void;
  /** Told how many bytes came from which host. */
  readonly onReceived: (host: string, bytes: number) => void;
  /** Called when bytes from this offset on come from a connection that did not bring those before. */
  readonly onResume: (offset: number) => void;
}

/**
 * Streams the blob's bytes from `from` to `to`, in chunks as they come off
 * the socket. Work begins with the first read.
 * @throws TpullError `SIZE_MISMATCH` when the registry has more or fewer bytes,
 *   and what `RegistryClient.blob` names
 */
export async function* streamBlob(
  session: Session,
  request: BlobRequest,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { to } = request;
  const { signal, release } = joinSignals(...request.signals);
  const download = new BlobDownload(session, request, signal);
  try {
    while (download.offset < to) {
      try {
        const part = await download.open();
        if (part === undefined) continue;
        const { body } = part.reply;
        let { skip } = part;
        try {
          for (;;) {
            const chunk = await body.read();
            if (chunk === undefined) break;
            if (chunk.length <= skip) {
              skip -= chunk.length;
              continue;
            }
            const wanted = skip === 0 ? chunk : chunk.subarray(skip);
            skip = 0;
            const rest = to - download.offset;
            const piece =
              wanted.length > rest && to < request.blob.size
                ? wanted.subarray(0, rest)
                : wanted;
            download.advance(piece.length, part);
            yield piece;
            // More may come after a part: of that nobody asked for anything.
            if (download.offset === to && to < request.blob.size) return;
          }
        } finally {
          body.cancel();
        }
        download.ended(part);
      } catch (error) {
        await download.recover(error);
      }
    }
  } finally {
    release();
  }
}

/** A reply whose head has been judged good. */
interface Part {
  readonly reply: Reply;
  /** Bytes at the body's start that have come before. */
  readonly skip: number;
  /** Offset in the blob where the body ends (exclusive). */
  readonly end: number;
}

/** Where one download stands, and what it may still try. */
class BlobDownload {
  /** The next byte wanted. */
  offset: number;
  readonly #session: Session;
  readonly #request: BlobRequest;
  readonly #signal: AbortSignal;
  readonly #subject: Subject;
  readonly #want: Want;
  #budget: RetryBudget;
  /** Who may be asked, the one that is first. */
  #places: HostConfig[] | undefined;
  /** Both are granted once, and without a wait. */
  #askedAgain = false;
  #endedEarly = false;

  constructor(session: Session, request: BlobRequest, signal: AbortSignal) {
    this.#session = session;
    this.#request = request;
    this.#signal = signal;
    this.#budget = new RetryBudget(session.policy);
    this.offset = request.from;
    this.#subject = {
      kind: "blob",
      name: `${request.registry}/${request.repository}`,
      item: request.blob.digest,
    };
    this.#want = {
      registry: request.registry,
      capability: "pull",
      item: `${request.repository}/blobs/${request.blob.digest}`,
    };
  }

  /** The place that is asked now. */
  async #endpoint(): Promise<Endpoint> {
    const { places } = this.#session;
    const { registry } = this.#request;
    if (this.#places === undefined) {
      this.#places = await places.candidates(this.#want, this.#signal);
      this.#renewBudget();
    }
    const host = this.#places[0] as HostConfig;
    return places.endpoint(registry, host, this.#signal);
  }

  #renewBudget(): void {
    const { policy } = this.#session;
    const retries = this.#hasAnother() ? MIRROR_RETRIES : policy.retries;
    this.#budget = new RetryBudget({ ...policy, retries });
  }

  #hasAnother(): boolean {
    return this.#places !== undefined && this.#places.length > 1;
  }

  /**
   * Connects, always at the registry: a link it gave before may have expired.
   * `undefined` means: again, and at once.
   */
  async open(): Promise<Part | undefined> {
    const { registry, repository, blob, to, onResume } = this.#request;
    const { withoutRanges } = this.#session;
    const endpoint = await this.#endpoint();
    const from = withoutRanges.has(endpoint.host) ? 0 : this.offset;
    const ranged =
      from > 0 || (to < blob.size && !withoutRanges.has(endpoint.host));
    const reply = await this.#session.send({
      endpoint,
      method: "GET",
      registry,
      repository,
      subject: this.#subject,
      path: `blobs/${blob.digest}`,
      headers: {
        accept: "*/*",
        // Lengths, ranges and digests are those of the stored bytes.
        "accept-encoding": "identity",
        ...(ranged
          ? { range: `bytes=${from}-${to < blob.size ? to - 1 : ""}` }
          : {}),
      },
      signal: this.#signal,
    });
    const verdict = judgeReply(
      reply.status,
      reply.headers,
      ranged ? from : undefined,
      blob.size,
    );
    switch (verdict.kind) {
      case "whole":
      case "rest":
        if (this.offset > 0) onResume(this.offset);
        this.#session.places.served(registry, this.#places?.[0] as HostConfig);
        return verdict.kind === "whole"
          ? { reply, skip: this.offset, end: blob.size }
          : { reply, skip: 0, end: verdict.end };
      case "wrong-size":
        reply.body.cancel();
        throw this.#wrongSize(reply, String(verdict.actual));
      case "no-ranges":
        reply.body.cancel();
        withoutRanges.add(endpoint.host);
        return undefined;
      case "refused":
        return this.#refused(reply);
    }
  }

  /** Counts bytes before they are handed out. */
  advance(length: number, { reply, end }: Part): void {
    const { size } = this.#request.blob;
    const next = this.offset + length;
    if (next > end) {
      throw end === size
        ? this.#wrongSize(reply, `more than ${size}`)
        : cutBody(reply, "sends more than the range it announced");
    }
    this.offset = next;
    this.#budget.progress(length);
    this.#request.onReceived(reply.ask.endpoint.host, length);
  }

  /** Looks at where a body ended without an error. */
  ended({ reply, end }: Part): void {
    const { to } = this.#request;
    if (this.offset === to) return;
    if (end < to || !isDelimited(reply)) {
      throw cutBody(reply, "sends only a part");
    }
    // A proxy may have kept half a blob; a second time it is no accident.
    const error = this.#wrongSize(reply, String(this.offset));
    if (this.#endedEarly) throw error;
    this.#endedEarly = true;
    this.#tellOfAnother(error.message);
  }

  /**
   * Decides about a failure; resolves when it is time to connect again.
   * @throws the failure, when it is final
   */
  async recover(error: unknown): Promise<void> {
    const { onRetry, blob, to } = this.#request;
    throwIfAborted(this.#signal);
    const here = isTpullError(error) && error.retryable;
    // With all bytes here it does not matter how the connection ended.
    if (here && this.offset === to) return;
    const host = this.#hostName();
    try {
      await this.#session.again(error, this.#budget, {
        host,
        signal: this.#signal,
        onRetry: (retry) => onRetry(retry, host),
      });
    } catch (final) {
      if (this.#hasAnother() && isMirrorsFault(final, this.#signal)) {
        this.#goOnElsewhere(final);
        return;
      }
      const { name } = this.#subject;
      throw about(
        final,
        name,
        `${name}, blob ${blob.digest}, at byte ${this.offset} of ${blob.size}`,
        { layer: blob.digest, offset: this.offset },
      );
    }
  }

  #hostName(): string {
    const { registry } = this.#request;
    const [host] = this.#places ?? [];
    return host === undefined ? registry : Places.nameOf(registry, host);
  }

  /** Leaves a mirror; what it has sent so far is kept. */
  #goOnElsewhere(error: unknown): void {
    const [failed, ...others] = this.#places ?? [];
    if (failed === undefined) return;
    this.#session.places.passOver(this.#want, failed, error);
    this.#places = others;
    this.#renewBudget();
    this.#askedAgain = false;
    this.#endedEarly = false;
    const reason = error instanceof Error ? error.message : String(error);
    this.#tellOfAnother(reason);
  }

  async #refused(reply: Reply): Promise<undefined> {
    const error = await this.#session.refusal(reply);
    // A signed link may have expired on its way to us, or during a pause.
    const expired = reply.status === 403 || reply.status === 404;
    const again = expired && (this.offset > 0 || reply.redirected);
    if (!again || this.#askedAgain) throw error;
    this.#askedAgain = true;
    this.#tellOfAnother(error.message);
  }

  #tellOfAnother(reason: string): void {
    this.#request.onRetry({ attempt: 1, delayMs: 0, reason }, this.#hostName());
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
