/** Byte sources and what is read from them. */
import { createHash } from "node:crypto";
import type { Inflater } from "#store/ingest/inflate.js";
import type { ByteSource } from "#store/ingest/ring.js";

/** Lengths of input pieces at which cutting went wrong somewhere, some time. */
export const CUTS: readonly number[] = [1, 2, 3, 7, 8, 37, 1000, 1 << 20];

/** `bytes` in pieces of one length, or of the given lengths in turn. */
export function pieces(
  bytes: Uint8Array,
  lengths: number | readonly number[],
): ByteSource {
  const list = typeof lengths === "number" ? [lengths] : lengths;
  let at = 0;
  let turn = 0;
  return {
    next(): Uint8Array | undefined {
      if (at >= bytes.length) return undefined;
      const length = Math.max(1, list[turn % list.length] ?? 1);
      turn += 1;
      // A view lasts until the next call: what keeps it longer reads nonsense.
      last.fill(0xee);
      last = Uint8Array.from(bytes.subarray(at, at + length));
      at += length;
      return last;
    },
  };
}
let last = new Uint8Array(0);

/** Everything an inflater yields, then closes it. */
export function drain(inflater: Inflater, outputBytes = 70_000): Buffer {
  const into = Buffer.from(new ArrayBuffer(outputBytes));
  const parts: Buffer[] = [];
  try {
    for (;;) {
      const length = inflater.read(into);
      if (length === 0) return Buffer.concat(parts);
      parts.push(Buffer.from(into.subarray(0, length)));
    }
  } finally {
    inflater.close();
  }
}

/** What reading ended with: a digest of the bytes, or code and message of the error. */
export function outcome(read: () => Buffer): string {
  try {
    return createHash("sha256").update(read()).digest("hex");
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return `${code}: ${message}`;
  }
}

/** Bytes that do not compress, the same in every run. */
export function noise(length: number): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i * 32 < length; i += 1) {
    parts.push(createHash("sha256").update(String(i)).digest());
  }
  return Buffer.concat(parts).subarray(0, length);
}
