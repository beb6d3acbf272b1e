/**
 * Pieces of blobs that were read a moment ago. Clients of one layer come on side
 * by side, so most pieces are wanted many times within that moment; they are
 * read once, and lie in memory once, however many clients there are.
 */

/** Small, because a client that stalls keeps the piece it is at. */
export const PIECE_BYTES: number = 64 * 1024;
/** 32 MiB in all. */
const MOST_PIECES = 512;

/** The one that was used last comes last. */
const pieces = new Map<string, Promise<Uint8Array>>();

/**
 * The bytes of a blob from `start` up to, and without, `end`, in pieces that
 * must not be changed.
 * @param key tells blobs apart, and one from what it was before it was changed
 * @param make reads the piece with that number: `PIECE_BYTES` from
 *   `number * PIECE_BYTES` on, fewer at the end of the blob
 */
export async function* piecesOf(
  key: string,
  start: number,
  end: number,
  make: (number: number) => Promise<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  for (let at = start; at < end;) {
    const number = Math.floor(at / PIECE_BYTES);
    const begin = number * PIECE_BYTES;
    const piece = await pieceOf(`${key} ${number}`, () => make(number));
    const part = piece.subarray(at - begin, end - begin);
    if (part.length === 0) throw new Error(`it ends after ${at} bytes`);
    at += part.length;
    yield part;
  }
}

function pieceOf(
  name: string,
  make: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const known = pieces.get(name);
  const piece = known ?? make();
  pieces.delete(name);
  pieces.set(name, piece);
  if (known !== undefined) return known;
  piece.catch(() => {
    if (pieces.get(name) === piece) pieces.delete(name);
  });
  for (const oldest of pieces.keys()) {
    if (pieces.size <= MOST_PIECES) break;
    pieces.delete(oldest);
  }
  return piece;
}
