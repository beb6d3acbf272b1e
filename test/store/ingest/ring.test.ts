import { createHash } from "node:crypto";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  RingAbandonedError,
  type RingMemory,
  RingReader,
  RingWriter,
  abortRing,
  createRing,
  isRingAborted,
  resetRing,
} from "#store/ingest/ring.js";
import { noise } from "./support/sources.js";

describe("on one thread", () => {
  it("has a capacity that is a power of two", () => {
    for (const capacity of [0, -1, 3, 100]) {
      expect(() => createRing(capacity)).toThrow(RangeError);
    }
    expect(createRing(64).data.byteLength).toBe(64);
  });

  it("gives back every byte in order, however writes and reads fall", () => {
    const ring = createRing(16);
    const writer = new RingWriter(ring);
    const reader = new RingReader(ring, 5);
    const bytes = noise(2000);
    const read: number[] = [];
    for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
      at += writer.tryWrite(bytes.subarray(at, at + 1 + (turn % 11)));
      if (turn % 3 !== 0) read.push(...(reader.next() ?? []));
    }
    writer.end();
    for (let piece = reader.next(); piece; piece = reader.next()) {
      read.push(...piece);
    }
    expect(Buffer.from(read)).toEqual(bytes);
    expect(reader.next()).toBeUndefined();
  });

  it("counts on beyond 2^31 and 2^32 bytes", () => {
    for (const start of [0x7ffffff8, 0xfffffff8]) {
      const ring = createRing(16);
      new Int32Array(ring.control).fill(start | 0, 0, 2);
      const writer = new RingWriter(ring);
      const reader = new RingReader(ring);
      const bytes = noise(100);
      const read: number[] = [];
      for (let at = 0; at < bytes.length;) {
        at += writer.tryWrite(bytes.subarray(at, at + 13));
        read.push(...(reader.next() ?? []));
        if (at === bytes.length) break;
        const room = writer.reserve();
        const length = Math.min(room.length, 3, bytes.length - at);
        room.set(bytes.subarray(at, at + length));
        writer.commit(length);
        at += length;
        read.push(...(reader.next() ?? []));
      }
      writer.end();
      expect(Buffer.from(read)).toEqual(bytes);
    }
  });

  it("keeps a piece from being overwritten until the next is asked for", () => {
    const ring = createRing(8);
    const writer = new RingWriter(ring);
    const reader = new RingReader(ring);
    expect(writer.tryWrite(Buffer.from("abcdefghij"))).toBe(8);
    const piece = reader.next();
    expect(writer.tryWrite(Buffer.from("XY"))).toBe(0);
    expect(Buffer.from(piece ?? []).toString()).toBe("abcdefgh");
    writer.end();
    expect(reader.next()).toBeUndefined();
    expect(writer.tryWrite(Buffer.from("XY"))).toBe(2);
  });

  it("stops both sides when it is aborted, also with bytes in it", () => {
    const ring = createRing(8);
    const writer = new RingWriter(ring);
    writer.tryWrite(Buffer.from("abc"));
    abortRing(ring);
    const aborted = expect.objectContaining({ code: "ABORTED" });
    expect(isRingAborted(ring)).toBe(true);
    expect(() => new RingReader(ring).next()).toThrow(aborted);
    expect(() => writer.tryWrite(Buffer.from("d"))).toThrow(aborted);
    expect(() => writer.reserve()).toThrow(aborted);
    resetRing(ring);
    expect(isRingAborted(ring)).toBe(false);
    writer.tryWrite(Buffer.from("xy"));
    expect(Buffer.from(new RingReader(ring).next() ?? []).toString()).toBe(
      "xy",
    );
  });

  it("tells the consumer when the producer failed, and the producer when the consumer left", async () => {
    const failed = createRing(8);
    const producer = new RingWriter(failed);
    producer.tryWrite(Buffer.from("abc"));
    producer.fail();
    expect(() => new RingReader(failed).next()).toThrow(
      expect.objectContaining({ code: "ABORTED" }),
    );

    const left = createRing(8);
    const writer = new RingWriter(left);
    new RingReader(left).abandon();
    expect(() => writer.tryWrite(Buffer.from("a"))).toThrow(RingAbandonedError);
    expect(() => writer.reserve()).toThrow(RingAbandonedError);
    await expect(writer.write(Buffer.from("a"))).rejects.toThrow(
      RingAbandonedError,
    );

    const full = createRing(8);
    const blocked = new RingWriter(full).write(Buffer.alloc(100));
    new RingReader(full).abandon();
    await expect(blocked).rejects.toThrow(RingAbandonedError);
  });
});

describe("between two threads", () => {
  let thread: Worker;
  beforeAll(() => {
    thread = new Worker(new URL("ring-thread.mjs", import.meta.url));
  });
  afterAll(async () => {
    await thread.terminate();
  });

  interface Said {
    readonly bytes?: number;
    readonly digest?: string;
    readonly abandoned?: boolean;
    readonly failed?: string;
  }

  /** Starts a job; the result is there once the thread has ended it. */
  async function job(message: object): Promise<{ result: Promise<Said> }> {
    const begun = once(thread, "message");
    thread.postMessage(message);
    await begun;
    return { result: once(thread, "message").then(([said]) => said as Said) };
  }

  const sha256 = (bytes: Uint8Array) =>
    createHash("sha256").update(bytes).digest("hex");

  async function writeAll(ring: RingMemory, bytes: Buffer, most: number) {
    const writer = new RingWriter(ring);
    for (let at = 0, turn = 1; at < bytes.length; turn += 1) {
      const chunk = bytes.subarray(at, at + 1 + ((turn * 7919) % most));
      const taken = writer.tryWrite(chunk);
      if (taken < chunk.length) await writer.write(chunk.subarray(taken));
      at += chunk.length;
    }
    writer.end();
  }

  it.each([
    [64, 1, 100_000],
    [4096, 300, 3_000_000],
    [65_536, 200_000, 20_000_000],
  ])(
    "a ring of %i bytes, pieces of up to %i",
    async (capacity, most, total) => {
      const ring = createRing(capacity);
      const bytes = Buffer.alloc(total, noise(99_991));
      const { result } = await job({ memory: ring, most });
      await writeAll(ring, bytes, most * 2);
      expect(await result).toEqual({ bytes: total, digest: sha256(bytes) });
    },
  );

  it("a blocking producer and a blocking consumer", async () => {
    const ring = createRing(1024);
    const other = new Worker(new URL("ring-thread.mjs", import.meta.url));
    try {
      const ended = once(other, "message").then(() => once(other, "message"));
      const { result } = await job({ memory: ring, most: 100 });
      other.postMessage({
        produce: true,
        memory: ring,
        total: 500_000,
        piece: 333,
      });
      const [produced] = (await ended) as [Said];
      expect(produced.bytes).toBe(500_000);
      expect(await result).toEqual(produced);
    } finally {
      await other.terminate();
    }
  });

  it("nothing is lost when the end comes right behind the last byte", async () => {
    for (let round = 0; round < 300; round += 1) {
      const ring = createRing(64);
      const { result } = await job({ memory: ring });
      const writer = new RingWriter(ring);
      const length = round % 5;
      writer.tryWrite(Buffer.alloc(length, round));
      writer.end();
      expect((await result).bytes).toBe(length);
    }
  });

  it("an abort wakes a consumer that sleeps", async () => {
    const ring = createRing(64);
    const { result } = await job({ memory: ring });
    abortRing(ring);
    expect(await result).toEqual({ failed: "ABORTED" });
  });

  it("an abort wakes a producer that sleeps, on a thread or on the main one", async () => {
    const ring = createRing(64);
    const { result } = await job({
      produce: true,
      memory: ring,
      total: 1e6,
      piece: 64,
    });
    abortRing(ring);
    expect(await result).toEqual({ failed: "ABORTED" });

    const full = createRing(8);
    const blocked = new RingWriter(full).write(Buffer.alloc(100));
    abortRing(full);
    await expect(blocked).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("a consumer that gives up wakes the producer", async () => {
    const ring = createRing(256);
    const { result } = await job({ memory: ring, stopAfter: 1000 });
    await expect(
      writeAll(ring, Buffer.alloc(1_000_000), 999),
    ).rejects.toBeInstanceOf(RingAbandonedError);
    expect(await result).toMatchObject({ abandoned: true });
  });
});
