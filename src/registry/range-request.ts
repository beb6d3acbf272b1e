/** One request for a blob, or for its bytes from an offset on, and what its reply is good for. */
import { wrongBlobSize, type BlobAddress } from "./blob-errors.js";
import { judgeReply } from "./content-range.js";
import type { Endpoint } from "./endpoint.js";
import type { Subject } from "./errors.js";
import { headerValue } from "./headers.js";
import type { Reply, Repository, Session } from "./session.js";

export interface BytesWanted extends Repository {
  readonly endpoint: Endpoint;
  readonly subject: Subject;
  readonly blob: BlobAddress;
  /** First byte wanted. */
  readonly offset: number;
  /** Where to stop (exclusive). */
  readonly to: number;
  /** Takes nothing but the range that was asked for. */
  readonly strict: boolean;
  readonly signal: AbortSignal;
}

/** A reply whose head has been judged good. */
export interface Part {
  readonly reply: Reply;
  /** Bytes at the body's start, from here on, that have come before. */
  skip: number;
  /** Offset in the blob where the body ends (exclusive). */
  readonly end: number;
  /** Whether more ranges of this blob may be asked for where it came from. */
  readonly splittable: boolean;
}

export type Opened =
  | { readonly part: Part }
  /** Not what was asked for. */
  | { readonly refused: Reply }
  /** No ranges there; what was found out is noted, and without one it may work. */
  | { readonly again: true };

/** The host does not answer a range with that range: there cannot be several streams. */
export class NoRanges extends Error {
  constructor(host: string) {
    super(`${host} does not answer ranges`);
  }
}

/**
 * Sends the request and judges the head of its reply.
 * @throws TpullError `SIZE_MISMATCH`, and as {@link Session.send}; NoRanges in
 *   place of a reply that is whole, when it is strict
 */
export async function askForBytes(
  session: Session,
  wanted: BytesWanted,
): Promise<Opened> {
  const { endpoint, registry, repository, subject, signal } = wanted;
  const { blob, offset, to, strict } = wanted;
  const { withoutRanges, link } = session;
  const { host } = endpoint;
  const canRange = !withoutRanges.has(host);
  if (strict && !canRange) throw new NoRanges(host);
  const from = canRange ? offset : 0;
  const ranged = from > 0 || (canRange && to < blob.size);
  const reply = await session.send({
    endpoint,
    method: "GET",
    registry,
    repository,
    subject,
    signal,
    path: `blobs/${blob.digest}`,
    headers: {
      accept: "*/*",
      // Lengths, ranges and digests are those of the stored bytes.
      "accept-encoding": "identity",
      ...(ranged
        ? { range: `bytes=${from}-${to < blob.size ? to - 1 : ""}` }
        : {}),
    },
  });
  const { status, headers, body } = reply;
  const asked = ranged ? from : undefined;
  const verdict = judgeReply(status, headers, asked, blob.size);
  switch (verdict.kind) {
    case "rest":
      return { part: { reply, skip: 0, end: verdict.end, splittable: true } };
    case "whole": {
      if (ranged) link.refusesRanges(host);
      if (ranged && strict) {
        body.cancel();
        throw new NoRanges(host);
      }
      const splittable = !ranged && offersRanges(reply);
      return { part: { reply, skip: offset, end: blob.size, splittable } };
    }
    case "wrong-size":
      body.cancel();
      throw wrongBlobSize(
        wanted.subject.name,
        blob,
        reply,
        String(verdict.actual),
      );
    case "no-ranges":
      body.cancel();
      withoutRanges.add(host);
      if (strict) throw new NoRanges(host);
      return { again: true };
    case "refused":
      return { refused: reply };
  }
}

/**
 * Whether a server that sent the whole blob may send parts of it. A cache that
 * is just filling itself does not offer them, and each part would make it
 * fetch the whole once more; a registry need not offer what it can.
 */
function offersRanges({ headers, ask }: Reply): boolean {
  const offered = headerValue(headers, "accept-ranges")?.trim().toLowerCase();
  return offered === undefined ? ask.endpoint.origin : offered === "bytes";
}
