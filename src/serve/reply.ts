/** Replies of a registry: JSON, refusals, and content with its digest. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { TpullError } from "../../store/index.js";
import type { Digest } from "../../store/index.js";
import type { ExchangeNotes } from "./exchange.js";
import { readRange } from "./range.js";
import { Refusal } from "./refusal.js";
import { transfer } from "./transfer.js";

/** Content on its way out. */
export interface Representation {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
  /** Whether the URL holds the digest, so that what it names can never change. */
  readonly immutable: boolean;
  /** Whether a part of it may be asked for. */
  readonly ranges: boolean;
  /** As of a `ServedBlob`. */
  open(start: number, end: number): AsyncIterable<Uint8Array>;
}

/** A request and its reply, with what is noted of them. */
export interface Conversation {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly notes: ExchangeNotes;
}

/** Sends a value as JSON with the given status. */
export function sendJson(
  { request, response, notes }: Conversation,
  status: number,
  value: unknown,
  mediaType = "application/json",
): void {
  const body = Buffer.from(JSON.stringify(value));
  if (request.method !== "HEAD") notes.bytes = body.byteLength;
  response.statusCode = status;
  response.setHeader("Content-Type", mediaType);
  response.setHeader("Content-Length", body.byteLength);
  response.end(request.method === "HEAD" ? undefined : body);
}

/** Sends a refusal with the headers it carries. */
export function sendRefusal(
  conversation: Conversation,
  refusal: Refusal,
): void {
  for (const [name, value] of Object.entries(refusal.headers)) {
    if (value !== undefined) conversation.response.setHeader(name, value);
  }
  sendJson(conversation, refusal.status, refusal.body());
}

/**
 * Sends content, or as much of it as the request's conditions and range want
 * (RFC 9110 sections 13 and 14). Resolves when the last byte has gone out or
 * the client has gone away.
 * @throws Refusal `RANGE_INVALID` (416)
 * @throws TpullError `SERVE_CONTENT_FAILED` when the content breaks off; the connection is closed then
 */
export async function sendContent(
  { request, response, notes }: Conversation,
  content: Representation,
): Promise<void> {
  const { digest, size } = content;
  const etag = `"${digest}"`;
  if (matchesEtag(request.headers["if-none-match"], digest)) {
    response.statusCode = 304;
    describe(response, content, etag);
    response.end();
    return;
  }
  const range = content.ranges ? wantedRange(request, etag, size) : "whole";
  if (range === "unsatisfiable") {
    throw new Refusal(
      416,
      "RANGE_INVALID",
      "the range lies behind the end",
      { range: request.headers.range, size },
      { "Content-Range": `bytes */${size}` },
    );
  }
  const { start, end } = range === "whole" ? { start: 0, end: size } : range;
  const body = request.method === "HEAD" ? undefined : content.open(start, end);
  describe(response, content, etag);
  response.setHeader("Content-Type", content.mediaType);
  response.setHeader("Content-Length", end - start);
  if (content.ranges) response.setHeader("Accept-Ranges", "bytes");
  if (range !== "whole") {
    response.statusCode = 206;
    response.setHeader("Content-Range", `bytes ${start}-${end - 1}/${size}`);
  }
  if (body === undefined) {
    response.end();
    return;
  }
  const cause = await transfer(body, end - start, response, (bytes) => {
    notes.bytes += bytes;
  });
  if (cause === undefined) return;
  throw new TpullError(
    "SERVE_CONTENT_FAILED",
    `${digest} could not be sent whole: ${(cause as Error).message}`,
    { cause },
  );
}

/** What a reply says of content even without its bytes. */
function describe(
  response: ServerResponse,
  { digest, immutable }: Representation,
  etag: string,
): void {
  response.setHeader("ETag", etag);
  response.setHeader("Docker-Content-Digest", digest);
  if (immutable) {
    response.setHeader("Cache-Control", "max-age=31536000, immutable");
  }
}

/** Only a GET has ranges, and `If-Range` only means what we would send now. */
function wantedRange(
  request: IncomingMessage,
  etag: string,
  size: number,
): ReturnType<typeof readRange> {
  const condition = request.headers["if-range"];
  if (request.method !== "GET") return "whole";
  if (condition !== undefined && condition !== etag) return "whole";
  return readRange(request.headers.range, size);
}

/** Weak comparison of RFC 9110 section 13.1.2; quotes may lack, as docker's registry allows. */
function matchesEtag(header: string | undefined, digest: Digest): boolean {
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  return header
    .split(",")
    .map((tag) => tag.trim().replace(/^W\//, "").replaceAll('"', ""))
    .includes(digest);
}
