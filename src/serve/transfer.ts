/**
 * The bytes of a blob on their way to one client. There is one piece in memory
 * for each client, and the next is read only when the client's connection has
 * taken it: so a slow client waits for itself, and all of them come to their turn.
 */
import type { ServerResponse } from "node:http";

/**
 * Pieces that are handed on in one round of the event loop. Node takes one new
 * connection a round, so a round must be short: with a piece for each of a
 * thousand clients in it, the next client would wait for half a minute.
 */
const ROUND_PIECES = 16;
const waiting: (() => void)[] = [];
let scheduled = false;

/** Waits for a turn: first come, first served. */
function takeTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (!scheduled) {
      scheduled = true;
      setImmediate(round);
    }
  });
}

function round(): void {
  for (const begin of waiting.splice(0, ROUND_PIECES)) begin();
  scheduled = waiting.length > 0;
  if (scheduled) setImmediate(round);
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
  const client = { gone: response.destroyed };
  let wake = (): void => {};
  const onClose = (): void => {
    client.gone = true;
    wake();
    // Content that is a stream may be waiting for something.
    (body as { destroy?: () => void }).destroy?.();
  };
  response.once("close", onClose);
  const pieces = body[Symbol.asyncIterator]();
  let sent = 0;
  try {
    while (!client.gone) {
      // What is small goes out at once, whatever else does.
      if (sent > 0) await takeTurn();
      if (client.gone) break;
      const { done, value } = await pieces.next();
      if (done === true || value === undefined) break;
      sent += value.byteLength;
      if (sent > length) throw new WrongLength(`more than ${length} bytes`);
      if (client.gone || value.byteLength === 0) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
        response.write(value, () => resolve());
      });
      if (client.gone) break;
      onBytes(value.byteLength);
    }
    if (client.gone) return undefined;
    if (sent < length) {
      throw new WrongLength(`only ${sent} of ${length} bytes`);
    }
    response.end();
    return undefined;
  } catch (error) {
    return client.gone ? undefined : error;
  } finally {
    response.off("close", onClose);
    await pieces.return?.();
  }
}
