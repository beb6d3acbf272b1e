import type { Digest } from "#store/digest.js";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Fault, RangeMode } from "../helpers/fault-registry.js";
import { collect, connect, noise, repo, serve } from "./client.js";

const SIZE = 400_000;
const LAYER = noise(SIZE);
const BLOBS = /\/blobs\//;

async function withLayer(options?: Parameters<typeof serve>[0]) {
  const registry = await serve(options);
  const { digest, size } = registry.addBlob(LAYER);
  return { registry, blob: { digest: digest as Digest, size } };
}

describe("a blob arrives whole", () => {
  test("without faults: one request, no Range, identity coding", async () => {
    const { registry, blob } = await withLayer();
    const client = connect();
    const bytes = await collect(client.blob(repo(registry), blob));
    expect(bytes.equals(LAYER)).toBe(true);
    expect(registry.requests).toHaveLength(1);
    expect(registry.requests[0]?.headers).toMatchObject({
      "accept-encoding": "identity",
      "user-agent": "tpull",
    });
    expect(registry.requests[0]?.headers).not.toHaveProperty("range");
    expect(client.retries).toEqual([]);
  });

  const passing: [string, Fault[]][] = [
    ["a reset before any answer", [{ do: "reset" }]],
    ["a reset before the first byte", [{ do: "reset", after: 0 }]],
    ["a reset after some bytes", [{ do: "reset", after: 100_000 }]],
    ["a connection closed too early", [{ do: "truncate", after: 100_000 }]],
    ["a stalled answer", [{ do: "stall", after: 0 }]],
    ["a stalled body", [{ do: "stall", after: 100_000 }]],
    ["a body that ends cleanly too early", [{ do: "shorten", after: 99_999 }]],
    [
      "several cuts in a row",
      [
        { do: "reset", after: 70_000 },
        { do: "truncate", after: 70_000 },
        { do: "reset", after: 70_000 },
      ],
    ],
    [
      "a chunked body cut short",
      [
        {
          do: "answer",
          answer: (_request, response) => {
            response.writeHead(200);
            response.write(LAYER.subarray(0, 90_000), () =>
              setImmediate(() => response.socket?.end()),
            );
          },
        },
      ],
    ],
    [
      "a body that only the end of the connection ends",
      [
        {
          do: "answer",
          answer: (request, response) => {
            response.detachSocket(request.socket);
            request.socket.write("HTTP/1.0 200 OK\r\n\r\n");
            request.socket.end(LAYER.subarray(0, 90_000));
          },
        },
      ],
    ],
    ["500", [{ do: "status", status: 500 }]],
    [
      "502, 503, 504",
      [502, 503, 504].map((status) => ({ do: "status", status })),
    ],
    ["408 and 429", [408, 429].map((status) => ({ do: "status", status }))],
    [
      "a wrong header in between",
      [{ do: "headers", headers: { "content-encoding": "gzip" } }],
    ],
  ];
  test.each(passing)("in spite of %s", async (_name, faults) => {
    const { registry, blob } = await withLayer();
    registry.faults.push(...faults);
    const client = connect();
    const bytes = await collect(client.blob(repo(registry), blob));
    expect(bytes.equals(LAYER)).toBe(true);
    expect(registry.faults).toEqual([]);
  });

  test("in pieces of one byte", async () => {
    const registry = await serve();
    const bytes = noise(200);
    const { digest, size } = registry.addBlob(bytes);
    registry.faults.push({ do: "trickle", bytes: 1, everyMs: 0 });
    const stream = connect().blob(repo(registry), {
      digest: digest as Digest,
      size,
    });
    expect((await collect(stream)).equals(bytes)).toBe(true);
  });

  test("over more breaks than there are retries, as long as bytes come", async () => {
    const { registry, blob } = await withLayer();
    registry.faults.push({ do: "truncate", after: 66_000, times: 5 });
    const client = connect({ retry: { retries: 1 } });
    const bytes = await collect(client.blob(repo(registry), blob));
    expect(bytes.equals(LAYER)).toBe(true);
    expect(client.retries.map(({ attempt }) => attempt)).toEqual([
      1, 1, 1, 1, 1,
    ]);
  });

  test("from a later byte on", async () => {
    const { registry, blob } = await withLayer();
    const resumed: number[] = [];
    const stream = connect().blob(repo(registry), blob, {
      from: 300_000,
      onResume: (offset) => resumed.push(offset),
    });
    const bytes = await collect(stream);
    expect(bytes.equals(LAYER.subarray(300_000))).toBe(true);
    expect(registry.requests[0]?.headers["range"]).toBe("bytes=300000-");
    expect(resumed).toEqual([300_000]);
  });

  test("with nothing left to fetch no request is sent", async () => {
    const { registry, blob } = await withLayer();
    const stream = connect().blob(repo(registry), blob, { from: SIZE });
    expect(await collect(stream)).toHaveLength(0);
    expect(registry.requests).toEqual([]);
  });
});

describe("a broken body is resumed", () => {
  test("where it broke, at the registry, and the caller is told", async () => {
    const { registry, blob } = await withLayer();
    registry.faults.push({ do: "truncate", after: 123_456 });
    const resumed: number[] = [];
    const client = connect();
    const stream = client.blob(repo(registry), blob, {
      onResume: (offset) => resumed.push(offset),
    });
    expect((await collect(stream)).equals(LAYER)).toBe(true);
    expect(registry.sent(BLOBS).map(({ headers }) => headers["range"])).toEqual(
      [undefined, "bytes=123456-"],
    );
    expect(resumed).toEqual([123_456]);
    expect(client.retries).toMatchObject([
      { host: registry.host, digest: blob.digest, attempt: 1 },
    ]);
    expect(client.retries[0]?.reason).toContain("the connection was cut");
  });

  const modes: [RangeMode, number][] = [
    ["on", 2],
    ["off", 2],
    ["capped", 4],
    ["wrong-start", 3],
    ["wrong-total", 3],
    ["no-header", 3],
    ["multipart", 3],
    ["refused-silently", 3],
  ];
  test.each(modes)("with ranges %s", async (mode, requests) => {
    const { registry, blob } = await withLayer();
    registry.ranges = mode;
    registry.faults.push({ do: "truncate", after: 100_000 });
    const stream = connect().blob(repo(registry), blob);
    expect((await collect(stream)).equals(LAYER)).toBe(true);
    expect(registry.sent(BLOBS).length).toBeGreaterThanOrEqual(requests);
  });

  test("a registry that lies about ranges is not asked for one again", async () => {
    const { registry, blob } = await withLayer();
    registry.ranges = "wrong-start";
    registry.faults.push(
      { do: "truncate", after: 100_000 },
      { do: "truncate", after: 200_000, on: { range: false } },
    );
    const stream = connect().blob(repo(registry), blob);
    expect((await collect(stream)).equals(LAYER)).toBe(true);
    const ranges = registry.sent(BLOBS).map(({ headers }) => headers["range"]);
    expect(ranges).toEqual([undefined, "bytes=100000-", undefined, undefined]);
  });

  test("the bytes are not hashed: that is for whoever stores them", async () => {
    const { registry, blob } = await withLayer();
    registry.faults.push({ do: "corrupt", at: 7 });
    const bytes = await collect(connect().blob(repo(registry), blob));
    expect(bytes).toHaveLength(SIZE);
    expect(bytes.equals(LAYER)).toBe(false);
  });
});

describe("a blob that is not what the manifest says", () => {
  test("longer, as its headers announce: not a byte is taken", async () => {
    const { registry, blob } = await withLayer();
    const stream = connect().blob(repo(registry), { ...blob, size: SIZE - 1 });
    await expect(collect(stream)).rejects.toMatchObject({
      code: "SIZE_MISMATCH",
      details: { expected: SIZE - 1, actual: String(SIZE) },
    });
    expect(registry.requests).toHaveLength(1);
  });

  test("longer without saying so: at most its size is handed out", async () => {
    const { registry, blob } = await withLayer();
    registry.faults.push({ do: "lengthen", by: 1, times: 9 });
    let length = 0;
    const read = async () => {
      for await (const chunk of connect().blob(repo(registry), blob)) {
        length += chunk.length;
      }
    };
    await expect(read()).rejects.toMatchObject({ code: "SIZE_MISMATCH" });
    expect(length).toBeLessThanOrEqual(SIZE);
    expect(registry.requests).toHaveLength(1);
  });

  test("shorter: one more request, then an error with both sizes", async () => {
    const { registry, blob } = await withLayer();
    const client = connect();
    const stream = client.blob(repo(registry), { ...blob, size: SIZE + 5 });
    await expect(collect(stream)).rejects.toMatchObject({
      code: "SIZE_MISMATCH",
      message: expect.stringContaining(
        `${SIZE} bytes at ${registry.host}, but the manifest says ${SIZE + 5}`,
      ),
    });
    expect(registry.requests).toHaveLength(2);
  });

  test("shorter, of a registry without ranges", async () => {
    const { registry, blob } = await withLayer();
    registry.ranges = "off";
    const stream = connect().blob(repo(registry), { ...blob, size: SIZE + 5 });
    await expect(collect(stream)).rejects.toMatchObject({
      code: "SIZE_MISMATCH",
    });
    expect(registry.requests).toHaveLength(2);
  });

  test("not there", async () => {
    const registry = await serve();
    const digest = `sha256:${"0".repeat(64)}` as Digest;
    const stream = connect().blob(repo(registry), { digest, size: 10 });
    await expect(collect(stream)).rejects.toMatchObject({
      code: "BLOB_UNKNOWN",
      message: expect.stringContaining(
        `${registry.host}/team/app has no blob ${digest}`,
      ),
      details: { status: 404, layer: digest, offset: 0 },
    });
    expect(registry.requests).toHaveLength(1);
  });
});

describe("signed links", () => {
  async function withLinks() {
    const storage = await serve();
    const { registry, blob } = await withLayer({ redirectBlobsTo: storage });
    storage.addBlob(LAYER);
    return { storage, registry, blob };
  }

  test("each connection starts at the registry and gets a fresh link", async () => {
    const { storage, registry, blob } = await withLinks();
    storage.linkUses = 1;
    storage.faults.push({ do: "truncate", after: 100_000, times: 2 });
    const stream = connect().blob(repo(registry), blob);
    expect((await collect(stream)).equals(LAYER)).toBe(true);
    expect(registry.sent(BLOBS)).toHaveLength(3);
    const links = storage.requests.map(({ url }) => url);
    expect(new Set(links).size).toBe(3);
    expect(storage.requests[1]?.headers["range"]).toBe("bytes=100000-");
  });

  test("one that has expired already is asked for once again", async () => {
    const { storage, registry, blob } = await withLinks();
    storage.faults.push({ do: "status", status: 403 });
    const stream = connect().blob(repo(registry), blob);
    expect((await collect(stream)).equals(LAYER)).toBe(true);
    expect(registry.sent(BLOBS)).toHaveLength(2);
  });

  test("a storage that refuses twice is believed, and its link stays secret", async () => {
    const { storage, registry, blob } = await withLinks();
    storage.linkUses = 0;
    const error = await collect(connect().blob(repo(registry), blob)).catch(
      (error: unknown) => error,
    );
    expect(error).toMatchObject({ code: "DENIED", details: { status: 403 } });
    const told = JSON.stringify(error);
    expect(told).toContain("AccessDenied");
    expect(told).toContain("to where the registry redirects");
    expect(told).not.toContain("secret-signature");
    expect(registry.sent(BLOBS)).toHaveLength(2);
  });

  test("404 on a resume is asked once again", async () => {
    const { registry, blob } = await withLayer();
    registry.faults.push(
      { do: "truncate", after: 100_000 },
      { do: "status", status: 404 },
    );
    const stream = connect().blob(repo(registry), blob);
    expect((await collect(stream)).equals(LAYER)).toBe(true);
    expect(registry.sent(BLOBS)).toHaveLength(3);
  });
});

describe("patience ends", () => {
  test("after the retries, with where it was and how often it was tried", async () => {
    const { registry, blob } = await withLayer();
    registry.faults.push(
      { do: "truncate", after: 1000 },
      { do: "reset", times: 99 },
    );
    const client = connect({ retry: { retries: 3 } });
    await expect(
      collect(client.blob(repo(registry), blob)),
    ).rejects.toMatchObject({
      code: "NETWORK_RESET",
      message: expect.stringMatching(
        /at byte 1000 of 400000: GET .* \(tried 4 times\)$/,
      ),
      details: { layer: blob.digest, offset: 1000, attempts: 4 },
    });
    expect(client.retries.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  });

  test("a trickle below 1 KiB in the stall time is a stall", async () => {
    const { registry, blob } = await withLayer();
    registry.faults.push({ do: "trickle", bytes: 1, everyMs: 5, times: 9 });
    const client = connect({ retry: { retries: 1 } });
    await expect(
      collect(client.blob(repo(registry), blob)),
    ).rejects.toMatchObject({ code: "NETWORK_STALLED" });
  });

  test("a slow reader is no stalled server", async () => {
    const { registry, blob } = await withLayer();
    const client = connect({ stallMs: 40 });
    const chunks: Uint8Array[] = [];
    for await (const chunk of client.blob(repo(registry), blob)) {
      if (chunks.length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 150));
      }
      chunks.push(chunk);
    }
    expect(Buffer.concat(chunks).equals(LAYER)).toBe(true);
    expect(registry.requests).toHaveLength(1);
  });

  test.each([400, 403, 410, 501])("%i is not tried again", async (status) => {
    const { registry, blob } = await withLayer();
    registry.faults.push({ do: "status", status, times: 9 });
    await expect(
      collect(connect().blob(repo(registry), blob)),
    ).rejects.toMatchObject({ details: { status } });
    expect(registry.requests).toHaveLength(1);
  });
});

describe("backpressure", () => {
  test("a reader that pauses makes the server wait, too", async () => {
    const registry = await serve();
    const piece = noise(1024 * 1024);
    const pieces = 64;
    let sent = 0;
    registry.faults.push({
      do: "answer",
      answer: (_request, response) => {
        const more = () => {
          if (sent === pieces) response.end();
          else if (sent++ >= 0) response.write(piece, more);
        };
        response.writeHead(200);
        more();
      },
    });
    const stream = connect().blob(repo(registry), {
      digest: registry.addBlob(piece).digest as Digest,
      size: pieces * piece.length,
    });
    const iterator = stream[Symbol.asyncIterator]();
    const first = await iterator.next();
    // Until nothing has moved for a while: what is on its way lies in the system's own buffers.
    let before = -1;
    while (before !== sent) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(sent).toBeLessThan(pieces / 2);
    let length = (first.value as Uint8Array).length;
    for (;;) {
      const { value, done } = await iterator.next();
      if (done === true) break;
      length += value.length;
    }
    expect(length).toBe(pieces * piece.length);
  });

  test("leaving the loop early drops the connection", async () => {
    const registry = await serve();
    const { digest, size } = registry.addBlob(noise(16 * 1024 * 1024));
    const closed = new Promise<void>((resolve) => {
      registry.faults.push({
        do: "answer",
        answer: (request, response) => {
          request.socket.once("close", () => resolve());
          response.writeHead(200, { "content-length": String(size) });
          response.write(Buffer.alloc(1024 * 1024));
        },
      });
    });
    const blob = { digest: digest as Digest, size };
    for await (const chunk of connect().blob(repo(registry), blob)) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    await closed;
  });
});

test("whatever goes wrong in whatever order: the right bytes, or an error of ours", async () => {
  const registry = await serve();
  const storage = await serve();
  const relay = await serve({ redirectBlobsTo: storage });
  const layer = noise(60_000);
  const { digest, size } = registry.addBlob(layer);
  storage.addBlob(layer);
  const client = connect({ stallMs: 20, retry: { progressBytes: 5000 } });

  const after = fc.nat({ max: size });
  const fault: fc.Arbitrary<Fault> = fc.oneof(
    fc.record({ do: fc.constant("reset"), after }),
    fc.record({ do: fc.constant("truncate"), after }),
    fc.record({ do: fc.constant("shorten"), after }),
    { arbitrary: fc.record({ do: fc.constant("stall"), after }), weight: 1 },
    fc.record({ do: fc.constant("lengthen"), by: fc.constantFrom(1, 9000) }),
    fc.record({
      do: fc.constant("status"),
      status: fc.constantFrom(403, 404, 416, 429, 500, 503),
    }),
  );
  const ranges = fc.constantFrom<RangeMode>(
    "on",
    "off",
    "capped",
    "wrong-start",
    "wrong-total",
    "no-header",
    "multipart",
    "refused",
    "refused-silently",
  );
  let whole = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fault, { maxLength: 6 }),
      ranges,
      fc.nat({ max: size }),
      fc.boolean(),
      async (faults, mode, from, redirected) => {
        const faulty = redirected ? storage : registry;
        const asked = redirected ? relay : registry;
        faulty.faults.splice(0, Number.POSITIVE_INFINITY, ...faults);
        faulty.ranges = mode;
        const before = asked.requests.length;
        const stream = client.blob(
          repo(asked),
          { digest: digest as Digest, size },
          { from },
        );
        try {
          const bytes = await collect(stream);
          expect(bytes.equals(layer.subarray(from))).toBe(true);
          whole += 1;
        } catch (error) {
          expect(error).toMatchObject({
            name: "TpullError",
            code: expect.stringMatching(
              /^(NETWORK_(?:RESET|STALLED)|SIZE_MISMATCH|DENIED|BLOB_UNKNOWN|REGISTRY_ERROR|TOO_MANY_REQUESTS)$/,
            ),
          });
        }
        expect(asked.requests.length - before).toBeLessThan(12);
      },
    ),
    { numRuns: 150 },
  );
  expect(whole).toBeGreaterThan(30);
});
