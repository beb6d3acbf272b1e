/**
 * Blobs that are checked on their way out. A small one is hashed before it is
 * given; a large one along with the first transfer of all of it, which then
 * ends short of its last piece if the blob is damaged. From then on a file that
 * is proven goes out unchecked, and a damaged one is refused, until the
 * filesystem says that it has changed.
 */
import { createHash } from "node:crypto";
import type { Digest } from "../../../store/index.js";
import { DamagedContentError, type ServedBlob } from "../content.js";
import { PIECE_BYTES, piecesOf } from "../piece-cache.js";
import { readStretch, type Stretch, type StretchReader } from "./files.js";

const SMALL_BYTES = 1024 * 1024;
/** Files that are remembered; more than these are there only when many came and went. */
const MOST_KNOWN = 100_000;

export class BlobProofs {
  readonly #known = new Map<string, "proven" | "damaged" | "being checked">();
  readonly #onDamage: (digest: Digest, found: string) => void;

  /** @param onDamage told once of each blob that is not what its name says */
  constructor(onDamage: (digest: Digest, found: string) => void) {
    this.#onDamage = onDamage;
  }

  /** @throws DamagedContentError when it is known to be damaged */
  async blob(stretch: Stretch, digest: Digest): Promise<ServedBlob> {
    const key = `${digest} ${stretch.identity}`;
    if (!this.#known.has(key) && stretch.size <= SMALL_BYTES) {
      this.#judge(key, digest, hashOf(await readStretch(stretch)));
    }
    if (this.#known.get(key) === "damaged") {
      throw new DamagedContentError(`the blob ${digest} is damaged`);
    }
    return {
      size: stretch.size,
      open: (start, end) => this.#pieces(stretch, digest, key, start, end),
    };
  }

  /** Whether it is what its name says. */
  #judge(key: string, digest: Digest, found: string): boolean {
    const proven = found === digest;
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
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
    let at = start;
    try {
      const pieces = piecesOf(stretch.identity, start, end, (number) =>
        readPiece(reader, number, stretch.size),
      );
      for await (const piece of pieces) {
        at += piece.length;
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

async function readPiece(
  reader: StretchReader,
  number: number,
  size: number,
): Promise<Uint8Array> {
  const begin = number * PIECE_BYTES;
  const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, size - begin));
  for (let filled = 0; filled < piece.length;) {
    const rest = piece.subarray(filled);
    const length = await reader.read(rest, begin + filled);
    if (length === 0)
      throw new Error(`the file ends after ${begin + filled} bytes`);
    filled += length;
  }
  return piece;
}

/** The digest of bytes. */
export function hashOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
