/**
 * The requests of each connection that wait for their answers. HTTP/1.1 lets a
 * client send requests without waiting (RFC 9112 section 9.3.2), and Node reads
 * and keeps all of them: one client could send a million, and never read.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** No client of a registry sends that many ahead. */
export const MOST_UNANSWERED = 64;

const connections = new WeakMap<Socket, Set<ServerResponse>>();

/**
 * Takes on a request, unless its connection is gone, or has too many that wait:
 * then the connection is closed, as RFC 9112 lets a server do at any time.
 * @param onEnd told once, when the reply has gone out or its connection is gone
 * @returns whether it is to be answered
 */
export function takeOn(
  { socket }: IncomingMessage,
  response: ServerResponse,
  onEnd: () => void,
): boolean {
  // What came in one piece with the last request is read nevertheless.
  if (socket.destroyed) return false;
  const waiting = waitingOn(socket);
  if (waiting.size >= MOST_UNANSWERED) {
    socket.destroy();
    return false;
  }
  waiting.add(response);
  response.once("close", () => {
    waiting.delete(response);
    onEnd();
  });
  return true;
}

function waitingOn(socket: Socket): Set<ServerResponse> {
  const known = connections.get(socket);
  if (known !== undefined) return known;
  const waiting = new Set<ServerResponse>();
  connections.set(socket, waiting);
  // Node closes the reply that is on its way. Those that are queued behind it
  // have no socket yet, and would never hear that theirs is gone.
  socket.once("close", () => {
    for (const response of waiting) {
      if (response.socket !== null) continue;
      response.destroy();
      response.emit("close");
    }
  });
  return waiting;
}
