/**
 * What a registry says of the pulls that are left, in the headers with which
 * Docker Hub answers every request for a manifest:
 *
 *     ratelimit-limit: 100;w=21600
 *     ratelimit-remaining: 76;w=21600
 *     docker-ratelimit-source: 192.0.2.7
 */
import { headerValue, type ResponseHeaders } from "./headers.js";
import { scrub, serverWords } from "./redact.js";

export interface RateLimit {
  /** Pulls in a window. */
  readonly limit: number;
  readonly remaining: number;
  /** Length of the window, which slides. */
  readonly windowSeconds?: number;
  /** Whose limit it is: an address, or the ID of an account. */
  readonly source?: string;
}

/**
 * Undefined unless limit and remainder are both there and numbers: where nothing is said, nothing is limited.
 * @param secrets what was sent, and must not come back
 */
export function parseRateLimit(
  headers: ResponseHeaders,
  secrets: readonly string[] = [],
): RateLimit | undefined {
  const limit = readCount(headerValue(headers, "ratelimit-limit"));
  const remaining = readCount(headerValue(headers, "ratelimit-remaining"));
  if (limit === undefined || remaining === undefined) return undefined;
  const windowSeconds = remaining.windowSeconds ?? limit.windowSeconds;
  const source = headerValue(headers, "docker-ratelimit-source");
  return {
    limit: limit.count,
    remaining: remaining.count,
    ...(windowSeconds === undefined ? {} : { windowSeconds }),
    ...(source === undefined
      ? {}
      : { source: serverWords(scrub(source, secrets), 80) }),
  };
}

/** `76;w=21600` */
function readCount(
  value: string | undefined,
): { count: number; windowSeconds?: number } | undefined {
  const match = /^\s*(\d{1,9})\s*(?:;\s*w=(\d{1,9})\b.*)?$/.exec(value ?? "");
  if (match === null) return undefined;
  const [, count, window] = match;
  return {
    count: Number(count),
    ...(window === undefined ? {} : { windowSeconds: Number(window) }),
  };
}
