/**
 * The bytes of a blob on their way to one client. There is one piece in memory
 * for each client, and the next is read only when the client's connection has
 * taken it: so a slow client waits for itself, and all of them come to their turn.
 */
import type { ServerResponse } from "node:http";

/** All pieces together stay below this, as long as they can. */
const BUDGET_BYTES = 64 * 1024 * 1024;
const LARGEST_PIECE = 256 * 1024;
const SMALLEST_PIECE = 16 * 1024;

let transfers = 0;

/** How large a piece may be now: the more clients, the smaller. */
export function pieceBytes(): number {
  const share = Math.floor(BUDGET_BYTES / Math.max(transfers, 1));
  // A power of two, so that pieces begin and end with pages of the file.
  const size = 2 ** Math.floor(Math.log2(Math.max(share, 1)));
  return Math.min(Math.max(size, SMALLEST_PIECE), LARGEST_PIECE);
}

/** The content broke its promise about how many bytes there are. */
class WrongLength extends Error {}

/**
 * Sends exactly `length` bytes as the body of a reply whose headers are set.
 * @param onBytes told of bytes that the connection has taken
 * @returns what went wrong with the content; undefined when all went out, or
 *   the client went away
 */
export async function transfer(
  body: AsyncIterable<Uint8Array>,
  length: number,
  response: ServerResponse,
  onBytes: (bytes: number) => void,
): Promise<unknown> {
  let gone = response.destroyed;
  let wake = (): void => {};
  const onClose = (): void => {
    gone = true;
    wake();
    // Content that is a stream may be waiting for something.
    (body as { destroy?: () => void }).destroy?.();
  };
  response.once("close", onClose);
  transfers += 1;
  let sent = 0;
  try {
    if (gone) return undefined;
    for await (const piece of body) {
      if (gone) return undefined;
      sent += piece.byteLength;
      if (sent > length) throw new WrongLength(`more than ${length} bytes`);
      if (piece.byteLength === 0) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
        response.write(piece, () => resolve());
      });
      if (gone) return undefined;
      onBytes(piece.byteLength);
    }
    if (gone) return undefined;
    if (sent < length) {
      throw new WrongLength(`only ${sent} of ${length} bytes`);
    }
    response.end();
    return undefined;
  } catch (error) {
    return gone ? undefined : error;
  } finally {
    transfers -= 1;
    response.off("close", onClose);
  }
}
