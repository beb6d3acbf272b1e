/** Faults of the {@link FaultRegistry}: what goes wrong with which requests, and how often. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

export interface FaultMatch {
  /** Any method by default. */
  method?: string;
  /** Tested against the request's path and query; any path by default. */
  path?: RegExp;
  /** `true`: only requests with a Range header; `false`: only those without. */
  range?: boolean;
  /** `true`: only requests with an Authorization header; `false`: only those without. */
  authorized?: boolean;
}

export type FaultAction =
  /** The connection is reset: before any answer, or after so many bytes of the body. */
  | { do: "reset"; after?: number }
  /** The connection is closed in good order after so many bytes of a body announced whole. */
  | { do: "truncate"; after: number }
  /** The body ends cleanly after so many bytes, and its headers say so. */
  | { do: "shorten"; after: number }
  /** So many bytes more than there are; chunked, so that no header announces them, unless `announced`. */
  | { do: "lengthen"; by: number; announced?: boolean }
  /** One byte is changed, if there is one at that place. */
  | { do: "corrupt"; at: number }
  /** Nothing more comes: not even headers, or after so many bytes of the body. */
  | { do: "stall"; after?: number }
  /** The body comes in pieces of so many bytes, each after a wait. */
  | { do: "trickle"; bytes: number; everyMs: number }
  /** Another answer. */
  | {
      do: "status";
      status: number;
      headers?: Record<string, string>;
      body?: string;
    }
  /** The right answer with other headers; `undefined` takes one away. */
  | { do: "headers"; headers: Record<string, string | undefined> }
  /** Anything else. */
  | {
      do: "answer";
      answer: (request: IncomingMessage, response: ServerResponse) => void;
    };

export type Fault = {
  on?: FaultMatch;
  /** Requests it applies to; 1 by default. */
  times?: number;
} & FaultAction;

/** The right answer to a request. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** Takes the first fault that fits the request off the script. */
export function takeFault(
  script: Fault[],
  request: IncomingMessage,
): Fault | undefined {
  const at = script.findIndex(({ on = {} }) => {
    const { method, path, range, authorized } = on;
    return (
      (method === undefined || method === request.method) &&
      (path === undefined || path.test(request.url ?? "")) &&
      (range === undefined || range === "range" in request.headers) &&
      (authorized === undefined ||
        authorized === "authorization" in request.headers)
    );
  });
  const fault = script[at];
  if (fault === undefined) return undefined;
  fault.times = (fault.times ?? 1) - 1;
  if (fault.times <= 0) script.splice(at, 1);
  return fault;
}

/** Sends an answer, with its fault. */
export function sendAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  fault: Fault | undefined,
): void {
  const { socket } = request;
  const withLength = (length: number): Record<string, string> => ({
    ...answer.headers,
    "content-length": String(length),
  });
  const whole = withLength(answer.body.length);
  const start = (after: number, then: () => void): void => {
    response.writeHead(answer.status, whole);
    response.flushHeaders();
    response.write(answer.body.subarray(0, after), () => setImmediate(then));
  };
  switch (fault?.do) {
    case undefined:
      response.writeHead(answer.status, whole);
      response.end(request.method === "HEAD" ? undefined : answer.body);
      return;
    case "reset":
      if (fault.after === undefined) socket.resetAndDestroy();
      else start(fault.after, () => socket.resetAndDestroy());
      return;
    case "truncate":
      start(fault.after, () => socket.end());
      return;
    case "stall": {
      const { after } = fault;
      if (after === undefined) return;
      start(after, () => {
        // A body that is all there is no stall: the client uses the connection again.
        if (after >= answer.body.length) response.end();
      });
      return;
    }
    case "shorten":
      response.writeHead(answer.status, withLength(fault.after));
      response.end(answer.body.subarray(0, fault.after));
      return;
    case "lengthen": {
      const body = Buffer.concat([answer.body, Buffer.alloc(fault.by, "x")]);
      response.writeHead(
        answer.status,
        fault.announced === true ? withLength(body.length) : answer.headers,
      );
      response.end(body);
      return;
    }
    case "corrupt": {
      const body = Buffer.from(answer.body);
      const byte = body[fault.at];
      if (byte !== undefined) body[fault.at] = byte ^ 0xff;
      response.writeHead(answer.status, whole);
      response.end(body);
      return;
    }
    case "trickle":
      response.writeHead(answer.status, whole);
      trickle(socket, response, answer.body, fault.bytes, fault.everyMs);
      return;
    case "status":
      response.writeHead(fault.status, fault.headers);
      response.end(request.method === "HEAD" ? undefined : fault.body);
      return;
    case "headers": {
      const headers = { ...whole, ...fault.headers };
      const kept = Object.entries(headers).filter(
        (header): header is [string, string] => header[1] !== undefined,
      );
      response.writeHead(answer.status, Object.fromEntries(kept));
      response.end(request.method === "HEAD" ? undefined : answer.body);
      return;
    }
    case "answer":
      fault.answer(request, response);
  }
}

function trickle(
  socket: Socket,
  response: ServerResponse,
  body: Buffer,
  bytes: number,
  everyMs: number,
): void {
  let at = 0;
  const timer = setInterval(() => {
    response.write(body.subarray(at, at + bytes));
    at += bytes;
    if (at < body.length) return;
    clearInterval(timer);
    response.end();
  }, everyMs);
  socket.once("close", () => clearInterval(timer));
}
