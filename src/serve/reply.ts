/** Replies of a registry: JSON, refusals, and content with its digest. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { finished } from "node:stream";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { TpullError } from "../../store/index.js";
import type { Digest } from "../../store/index.js";
import { readRange } from "./range.js";
import { Refusal } from "./refusal.js";

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
  open(start: number, end: number): Readable;
}

/** Sends a value as JSON with the given status. */
export function sendJson(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  value: unknown,
): void {
  const body = Buffer.from(JSON.stringify(value));
  response.statusCode = status;
  response.setHeader("Content-Type", "application/json");
  response.setHeader("Content-Length", body.byteLength);
  response.end(request.method === "HEAD" ? undefined : body);
}

/** Sends a refusal with the headers it carries. */
export function sendRefusal(
  request: IncomingMessage,
  response: ServerResponse,
  refusal: Refusal,
): void {
  for (const [name, value] of Object.entries(refusal.headers)) {
    if (value !== undefined) response.setHeader(name, value);
  }
  sendJson(request, response, refusal.status, refusal.body());
}

/**
 * Sends content, or as much of it as the request's conditions and range want
 * (RFC 9110 sections 13 and 14). Resolves when the last byte has gone out or
 * the client has gone away.
 * @throws Refusal `RANGE_INVALID` (416)
 * @throws TpullError `SERVE_CONTENT_FAILED` when the content breaks off; the connection is closed then
 */
export async function sendContent(
  request: IncomingMessage,
  response: ServerResponse,
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
  if (body === undefined) response.end();
  else await transfer(body, end - start, digest, response);
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

async function transfer(
  body: Readable,
  length: number,
  digest: Digest,
  response: ServerResponse,
): Promise<void> {
  let cause: unknown;
  // Tells which side ended first: a client that goes away closes the response
  // before the pipeline closes the body.
  finished(body, (error) => {
    if (error && !response.destroyed) cause = error;
  });
  try {
    await pipeline(body, exactly(length), response);
  } catch (error) {
    if (error instanceof WrongLength) cause = error;
    if (cause === undefined) return;
    const { message } = cause as Error;
    throw new TpullError(
      "SERVE_CONTENT_FAILED",
      `${digest} could not be sent whole: ${message}`,
      { cause },
    );
  }
}

class WrongLength extends Error {}

/** Passes on what it gets and fails unless that is exactly `length` bytes: a reply must not end short of its `Content-Length`. */
function exactly(
  length: number,
): (source: AsyncIterable<Uint8Array>) => AsyncGenerator<Uint8Array> {
  return async function* pass(source) {
    let sent = 0;
    for await (const chunk of source) {
      sent += chunk.byteLength;
      if (sent > length) throw new WrongLength(`more than ${length} bytes`);
      yield chunk;
    }
    if (sent < length) {
      throw new WrongLength(`only ${sent} of ${length} bytes`);
    }
  };
}
