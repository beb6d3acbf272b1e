/** The `Range` header of RFC 9110 section 14, for one range of bytes. */

/**
 * What a request gets of `size` bytes: all of them, those from `start` up to
 * and without `end`, or none because they lie behind the end.
 */
export type RangeReply =
  "whole" | "unsatisfiable" | { readonly start: number; readonly end: number };

const ONE_RANGE = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i;

/**
 * Reads a `Range` header against a blob of `size` bytes. A header that is
 * malformed, in another unit or for several ranges is ignored, as the RFC
 * demands or allows; `first-`, `first-last` and `-suffix` are honoured.
 */
export function readRange(
  header: string | undefined,
  size: number,
): RangeReply {
  const [, first, last] = ONE_RANGE.exec(header ?? "") ?? [];
  if (first === undefined || last === undefined) return "whole";
  if (first === "") return last === "" ? "whole" : suffix(Number(last), size);
  const start = Number(first);
  const lastByte = last === "" ? Infinity : Number(last);
  if (lastByte < start) return "whole";
  if (start >= size) return "unsatisfiable";
  return { start, end: Math.min(lastByte + 1, size) };
}

/** The last `length` bytes; an empty blob has no last bytes that a `Content-Range` could name. */
function suffix(length: number, size: number): RangeReply {
  if (length === 0) return "unsatisfiable";
  if (size === 0) return "whole";
  return { start: Math.max(size - length, 0), end: size };
}
