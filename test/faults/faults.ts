/** Everything that can go wrong with one request, at a byte of its answer, and how a pull may end then. */
import type { Fault, FaultRegistry } from "../helpers/fault-registry.js";

/** What a request is for. */
export type Subject = "manifest" | "config" | "layer";

export interface Case {
  readonly name: string;
  /** The script's entries for an answer of `size` bytes, when it goes wrong at byte `at`. */
  readonly faults: (at: number, size: number) => Fault[];
  /** Anything else about the registry. */
  readonly registry?: (registry: FaultRegistry) => void;
  /** `"right"`, or the codes a pull may end with. */
  readonly end: (subject: Subject) => "right" | RegExp;
  /** Only these subjects have it. */
  readonly only?: readonly Subject[];
  /** It does not depend on the byte. */
  readonly anywhere?: true;
}

const right = (): "right" => "right";
/** A manifest asked for by tag has no size to be cut against; its digest tells. */
const noticed = (subject: Subject): RegExp =>
  subject === "manifest" ? /^DIGEST_MISMATCH$/ : /^SIZE_MISMATCH$/;
const busy = (times: number, headers: Record<string, string> = {}): Fault => ({
  do: "status",
  status: 429,
  headers,
  body: '{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}',
  times,
});

export const CASES: readonly Case[] = [
  {
    name: "reset before any answer",
    faults: () => [{ do: "reset" }],
    end: right,
    anywhere: true,
  },
  { name: "reset", faults: (after) => [{ do: "reset", after }], end: right },
  {
    name: "three resets",
    faults: (after) => [{ do: "reset", after, times: 3 }],
    end: right,
  },
  {
    name: "reset for ever",
    faults: () => [{ do: "reset", times: 1000 }],
    end: () => /^NETWORK_RESET$/,
    anywhere: true,
  },
  {
    name: "closed early",
    faults: (after) => [{ do: "truncate", after }],
    end: right,
  },
  {
    name: "too short, and said to be right, once",
    faults: (after) => [{ do: "shorten", after }],
    end: (subject) => (subject === "manifest" ? /^DIGEST_MISMATCH$/ : "right"),
  },
  {
    name: "too short whenever it is asked for",
    faults: (after) => [
      { do: "shorten", after: Math.min(after, 100), times: 1000 },
    ],
    end: noticed,
  },
  {
    name: "too long, announced",
    faults: () => [{ do: "lengthen", by: 1, announced: true, times: 1000 }],
    end: noticed,
    anywhere: true,
  },
  {
    name: "too long, not announced",
    faults: () => [{ do: "lengthen", by: 70_000, times: 1000 }],
    end: noticed,
    anywhere: true,
  },
  {
    name: "a wrong byte",
    faults: (at, size) => [
      { do: "corrupt", at: Math.min(at, size - 1), times: 1000 },
    ],
    end: () => /^DIGEST_MISMATCH$/,
  },
  {
    name: "silence before any answer",
    faults: () => [{ do: "stall" }],
    end: right,
    anywhere: true,
  },
  { name: "silence", faults: (after) => [{ do: "stall", after }], end: right },
  {
    name: "a trickle below the floor",
    faults: () => [{ do: "trickle", bytes: 1, everyMs: 60 }],
    end: right,
    anywhere: true,
  },
  {
    name: "small pieces",
    faults: (_at, size) => [
      { do: "trickle", bytes: Math.max(1, Math.ceil(size / 50)), everyMs: 1 },
    ],
    end: right,
    anywhere: true,
  },
  ...[408, 500, 502, 503, 504].map((status): Case => ({
    name: `${status}, a burst of it`,
    faults: () => [{ do: "status", status, times: 3 }],
    end: right,
    anywhere: true,
  })),
  {
    name: "503 for ever",
    faults: () => [{ do: "status", status: 503, times: 1000 }],
    end: () => /^REGISTRY_ERROR$/,
    anywhere: true,
  },
  {
    name: "429",
    faults: () => [busy(2)],
    end: right,
    anywhere: true,
  },
  {
    name: "429 with seconds to wait",
    faults: () => [busy(2, { "retry-after": "7" })],
    end: right,
    anywhere: true,
  },
  {
    name: "429 with a date to wait for",
    faults: () => [
      busy(1, { "retry-after": new Date(Date.now() + 20_000).toUTCString() }),
    ],
    end: right,
    anywhere: true,
  },
  {
    name: "429 for ever",
    faults: () => [busy(1000)],
    end: () => /^TOO_MANY_REQUESTS$/,
    anywhere: true,
  },
  {
    name: "403",
    faults: () => [{ do: "status", status: 403, times: 1000 }],
    end: () => /^DENIED$/,
    anywhere: true,
  },
  {
    name: "404",
    faults: () => [{ do: "status", status: 404, times: 1000 }],
    end: (subject) =>
      subject === "manifest" ? /^(MANIFEST|NAME)_UNKNOWN$/ : /^BLOB_UNKNOWN$/,
    anywhere: true,
  },
  {
    name: "a web page instead",
    faults: () => [
      {
        do: "status",
        status: 200,
        headers: { "content-type": "text/html" },
        body: "<!doctype html><title>Log in to the hotel</title>",
        times: 1000,
      },
    ],
    end: (subject) =>
      subject === "manifest" ? /^NOT_A_REGISTRY$/ : /^SIZE_MISMATCH$/,
    anywhere: true,
  },
  {
    name: "200 to a range",
    faults: (after) => [{ do: "reset", after, times: 2 }],
    registry: (registry) => {
      registry.ranges = "off";
    },
    end: right,
    only: ["config", "layer"],
  },
  ...(
    [
      "wrong-start",
      "wrong-total",
      "no-header",
      "multipart",
      "refused",
      "refused-silently",
      "capped",
    ] as const
  ).map((mode): Case => ({
    name: `a range answered wrongly: ${mode}`,
    faults: (after) => [{ do: "reset", after }],
    registry: (registry) => {
      registry.ranges = mode;
    },
    end: right,
    only: ["config", "layer"],
  })),
  {
    name: "a range answered with an error",
    faults: (after) => [
      { do: "reset", after },
      { do: "status", status: 500, on: { range: true } },
    ],
    end: right,
    only: ["config", "layer"],
  },
  {
    name: "a redirect in circles",
    faults: () => [
      {
        do: "answer",
        times: 1000,
        answer: (request, response) => {
          response.writeHead(307, { location: request.url });
          response.end();
        },
      },
    ],
    end: () => /^REDIRECT_REFUSED$/,
    anywhere: true,
  },
  {
    name: "a redirect to another scheme",
    faults: () => [
      {
        do: "status",
        status: 302,
        headers: { location: "file:///etc/passwd" },
        times: 1000,
      },
    ],
    end: () => /^REDIRECT_REFUSED$/,
    anywhere: true,
  },
  {
    name: "headers that never end",
    faults: () => [
      {
        do: "answer",
        answer: ({ socket }) => {
          socket.write("HTTP/1.1 200 OK\r\n");
          const timer = setInterval(() => socket.write("x"), 20);
          socket.once("close", () => clearInterval(timer));
        },
      },
    ],
    end: right,
    anywhere: true,
  },
  {
    name: "an answer that is not HTTP",
    faults: () => [
      {
        do: "answer",
        times: 1000,
        answer: ({ socket }) => {
          socket.end("SSH-2.0-OpenSSH_9.2\r\n");
        },
      },
    ],
    end: () => /^(NETWORK_(PROTOCOL|RESET|FAILED)|NOT_A_REGISTRY)$/,
    anywhere: true,
  },
];
