/** What a reply to a (possible) `Range: bytes=<offset>-` is good for. */
import {
  contentLength,
  hasContentCoding,
  headerValues,
  type ResponseHeaders,
} from "./headers.js";

/** `Content-Range` of bytes (RFC 9110, 14.4); `end` is inclusive, `total` undefined for `*`. */
export interface ContentRange {
  readonly range: { readonly start: number; readonly end: number } | undefined;
  readonly total: number | undefined;
}

/** @returns `undefined` when it is not one well-formed range of bytes */
export function parseContentRange(
  values: readonly string[],
): ContentRange | undefined {
  const [value] = values;
  if (values.length !== 1 || value === undefined) return undefined;
  const match =
    /^\s*bytes\s+(?:(\d{1,15})-(\d{1,15})|\*)\/(\d{1,15}|\*)\s*$/i.exec(value);
  if (match === null) return undefined;
  const [, start, end, total] = match;
  const range =
    start === undefined || end === undefined
      ? undefined
      : { start: Number(start), end: Number(end) };
  if (range !== undefined && range.end < range.start) return undefined;
  return { range, total: total === "*" ? undefined : Number(total) };
}

export type ReplyVerdict =
  /** The body begins at byte 0. */
  | { readonly kind: "whole" }
  /** The body begins at the offset asked for and ends at `end` (exclusive). */
  | { readonly kind: "rest"; readonly end: number }
  /** The object there has another size than the descriptor says. */
  | { readonly kind: "wrong-size"; readonly actual: number }
  /** No answer to the range that was asked for: ask for the whole blob instead. */
  | { readonly kind: "no-ranges" }
  /** Anything else. */
  | { readonly kind: "refused" };

/**
 * Judges a reply before its body is read.
 * @param offset first byte asked for; `undefined` where no range was asked for
 * @param size bytes of the whole blob as its descriptor says
 */
export function judgeReply(
  status: number,
  headers: ResponseHeaders,
  offset: number | undefined,
  size: number,
): ReplyVerdict {
  if (status === 200) {
    const length = contentLength(headers);
    return length !== undefined && length > size && !hasContentCoding(headers)
      ? { kind: "wrong-size", actual: length }
      : { kind: "whole" };
  }
  if (offset === undefined) return { kind: "refused" };
  const given = parseContentRange(headerValues(headers, "content-range"));
  const { range, total } = given ?? {};
  if (status === 416) {
    // `bytes */<size>` tells the true size.
    return range === undefined && total !== undefined && total !== size
      ? { kind: "wrong-size", actual: total }
      : { kind: "no-ranges" };
  }
  if (status !== 206) return { kind: "refused" };
  const fits =
    range?.start === offset &&
    range.end < size &&
    (total === undefined || total === size);
  return fits ? { kind: "rest", end: range.end + 1 } : { kind: "no-ranges" };
}
