/**
 * Tars of stored layers, rebuilt once for all who read them side by side. Who is
 * ahead or behind of them has a cursor of its own, so that nobody waits for
 * another.
 */
import {
  isTpullError,
  type DiffId,
  type LayerRebuilder,
  type TarCursor,
} from "../../store/index.js";
import type { StoredLayer } from "../../store/ingest/tar-split-source.js";
import { DamagedContentError, type ServedBlob } from "./content.js";
import { PIECE_BYTES, piecesOf } from "./piece-cache.js";

/** Places in tars that are kept, to be read on from. */
const MOST_CURSORS = 256;

export interface RebuiltTar {
  /** Tells layers apart, and the same one before and after it was written anew. */
  readonly key: string;
  readonly layer: StoredLayer;
  readonly size: number;
  readonly diffId: DiffId;
}

export class RebuiltLayers {
  readonly #rebuilder: LayerRebuilder;
  readonly #onDamage: (tar: RebuiltTar, message: string) => void;
  /** By the piece that comes next; the one that was used last comes last. */
  readonly #cursors = new Map<string, TarCursor>();
  readonly #judged = new Map<string, "proven" | "being checked" | "damaged">();

  constructor(
    rebuilder: LayerRebuilder,
    onDamage: (tar: RebuiltTar, message: string) => void,
  ) {
    this.#rebuilder = rebuilder;
    this.#onDamage = onDamage;
  }

  /**
   * The tar as a blob. It is hashed the first time that it is read from its
   * beginning to its end, and the last piece is given only if that hash is right.
   * @throws DamagedContentError when it is known to be damaged
   */
  blob(tar: RebuiltTar): ServedBlob {
    if (this.#judged.get(tar.key) === "damaged") {
      throw new DamagedContentError(`${tar.diffId} is damaged`);
    }
    return {
      size: tar.size,
      open: (start, end) =>
        piecesOf(tar.key, start, end, (number) => this.#make(tar, number)),
    };
  }

  async #make(tar: RebuiltTar, index: number): Promise<Uint8Array> {
    const { key, size } = tar;
    const cursor = this.#takeCursor(tar, index);
    const bytes = Math.min(PIECE_BYTES, size - cursor.position);
    const last = cursor.position + bytes === size;
    let piece: Uint8Array;
    try {
      piece = await cursor.read(bytes, last);
    } catch (error) {
      this.#drop(cursor, key);
      if (isTpullError(error) && error.code === "LAYER_DAMAGED") {
        this.#judged.set(key, "damaged");
        this.#onDamage(tar, error.message);
      }
      throw error;
    }
    if (last) {
      if (cursor.hashes) this.#judged.set(key, "proven");
      cursor.close();
    } else {
      this.#keepCursor(key, index + 1, cursor);
    }
    return piece;
  }

  #takeCursor({ key, layer, diffId }: RebuiltTar, index: number): TarCursor {
    const place = `${key} ${index}`;
    const kept = this.#cursors.get(place);
    if (kept !== undefined) {
      this.#cursors.delete(place);
      return kept;
    }
    const checks = index === 0 && !this.#judged.has(key);
    if (checks) this.#judged.set(key, "being checked");
    const from = index * PIECE_BYTES;
    return this.#rebuilder.cursor(layer, from, checks ? diffId : undefined);
  }

  #keepCursor(key: string, next: number, cursor: TarCursor): void {
    const place = `${key} ${next}`;
    const other = this.#cursors.get(place);
    // One in a place is enough; the one that hashes is worth more.
    if (other !== undefined && !cursor.hashes) {
      cursor.close();
      return;
    }
    if (other !== undefined) this.#drop(other, key);
    this.#cursors.set(place, cursor);
    for (const [oldest, left] of this.#cursors) {
      if (this.#cursors.size <= MOST_CURSORS) break;
      this.#cursors.delete(oldest);
      this.#drop(left, oldest.slice(0, oldest.lastIndexOf(" ")));
    }
  }

  /** One that will not come to its end. */
  #drop(cursor: TarCursor, key: string): void {
    cursor.close();
    if (cursor.hashes && this.#judged.get(key) === "being checked") {
      this.#judged.delete(key);
    }
  }
}
