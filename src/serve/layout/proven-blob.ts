/**
 * Blobs that are checked on their way out. A small one is hashed before it is
 * given; a large one along with the first transfer of all of it, which then
 * ends short of its last piece if the blob is damaged. From then on a file that
 * is proven goes out unchecked, and a damaged one is not there, until the
 * filesystem says that it has changed.
 */
import { createHash } from "node:crypto";
import type { Digest } from "../../../store/index.js";
import type { ServedBlob } from "../content.js";
import { pieceBytes } from "../transfer.js";
import { readStretch, type Stretch } from "./files.js";

const SMALL_BYTES = 1024 * 1024;

export class BlobProofs {
  readonly #known = new Map<string, "proven" | "damaged" | "being checked">();
  readonly #onDamage: (digest: Digest, found: string) => void;

  /** @param onDamage told once of each blob that is not what its name says */
  constructor(onDamage: (digest: Digest, found: string) => void) {
    this.#onDamage = onDamage;
  }

  /** The blob; undefined when it is known to be damaged. */
  async blob(
    stretch: Stretch,
    digest: Digest,
  ): Promise<ServedBlob | undefined> {
    const key = `${digest} ${stretch.identity}`;
    if (!this.#known.has(key) && stretch.size <= SMALL_BYTES) {
      this.#judge(key, digest, hashOf(await readStretch(stretch)));
    }
    if (this.#known.get(key) === "damaged") return undefined;
    return {
      size: stretch.size,
      open: (start, end) => this.#pieces(stretch, digest, key, start, end),
    };
  }

  /** Whether it is what its name says. */
  #judge(key: string, digest: Digest, found: string): boolean {
    const proven = found === digest;
    this.#known.set(key, proven ? "proven" : "damaged");
    if (!proven) this.#onDamage(digest, found);
    return proven;
  }

  async *#pieces(
    stretch: Stretch,
    digest: Digest,
    key: string,
    start: number,
    end: number,
  ): AsyncGenerator<Uint8Array, void, void> {
    const whole = start === 0 && end === stretch.size;
    const reader = await stretch.open();
    const hash =
      whole && !this.#known.has(key) ? createHash("sha256") : undefined;
    if (hash !== undefined) this.#known.set(key, "being checked");
    let buffer = Buffer.allocUnsafeSlow(0);
    try {
      for (let at = start; at < end;) {
        const most = Math.min(pieceBytes(), end - at);
        if (buffer.length !== most) buffer = Buffer.allocUnsafeSlow(most);
        const length = await reader.read(buffer, at);
        if (length === 0) throw new Error(`the file ends after ${at} bytes`);
        at += length;
        const piece = buffer.subarray(0, length);
        hash?.update(piece);
        if (hash !== undefined && at === end) {
          const found = `sha256:${hash.digest("hex")}`;
          if (!this.#judge(key, digest, found)) {
            throw new Error(`the file hashes to ${found}`);
          }
        }
        yield piece;
      }
    } finally {
      reader.close();
      if (hash !== undefined && this.#known.get(key) === "being checked") {
        this.#known.delete(key);
      }
    }
  }
}

/** The digest of bytes. */
export function hashOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
