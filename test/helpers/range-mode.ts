/** Right and wrong answers to Range requests. */
import { Buffer } from "node:buffer";
import type { Answer } from "./fault-script.js";

/** How Range headers are answered. */
export type RangeMode =
  | "on"
  /** 200 and the whole blob. */
  | "off"
  /** 206 from another byte on. */
  | "wrong-start"
  /** 206 that claims another size. */
  | "wrong-total"
  /** 206 without Content-Range. */
  | "no-header"
  /** 206 of several parts. */
  | "multipart"
  /** 206 with at most 128 KiB of what was asked for, rightly labelled. */
  | "capped"
  /** 416, though the range is good. */
  | "refused"
  /** 416 that names no size. */
  | "refused-silently";

/** Answers a request for a blob, or for a part of it. */
export function answerRange(
  bytes: Buffer,
  header: string | undefined,
  mode: RangeMode,
): Answer {
  const type = { "content-type": "application/octet-stream" };
  const asked = /^bytes=(\d+)-(\d*)$/.exec(header ?? "");
  if (asked === null || mode === "off") {
    return { status: 200, headers: type, body: bytes };
  }
  const start = Number(asked[1]);
  const size = bytes.length;
  const end = asked[2] === "" ? size : Math.min(size, Number(asked[2]) + 1);
  if (start >= size || mode.startsWith("refused")) {
    const silent = mode === "refused-silently";
    const range = { "content-range": `bytes */${size}` };
    return {
      status: 416,
      headers: silent ? {} : range,
      body: Buffer.alloc(0),
    };
  }
  const part = (from: number, to: number, total: number): Answer => ({
    status: 206,
    headers: { ...type, "content-range": `bytes ${from}-${to - 1}/${total}` },
    body: bytes.subarray(from, to),
  });
  switch (mode) {
    case "wrong-start":
      return part(start - 1, end, size);
    case "wrong-total":
      return part(start, end, size + 1);
    case "capped":
      return part(start, Math.min(end, start + 128 * 1024), size);
    case "no-header":
      return { ...part(start, end, size), headers: type };
    case "multipart":
      return {
        ...part(start, end, size),
        headers: { "content-type": "multipart/byteranges; boundary=x" },
      };
    default:
      return part(start, end, size);
  }
}
