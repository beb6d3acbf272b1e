// What is kept of a blob while it comes, depending on how fast it comes.
import { describe, expect, it, vi } from "vitest";
import { KeptBlob } from "#src/kept-blob.js";
import { LinkSpeed } from "#src/link-speed.js";
import type { ByteRange, PartialBlob } from "#store/index.js";

const MIB = 1024 * 1024;

/** A link whose clock only its bytes advance. */
class Link {
  now = 0;
  rate = 0;
  readonly speed: LinkSpeed = new LinkSpeed(() => this.now);

  async *fetch({ from, to }: ByteRange): AsyncGenerator<Uint8Array> {
    for (let at = from; at < to; at += MIB) {
      this.now += (MIB / this.rate) * 1000;
      yield new Uint8Array(Math.min(MIB, to - at));
    }
  }
}

/** A partial blob that only notes what it is given. */
function noting(ranges: ByteRange[] = []) {
  const kept: number[] = [];
  const partial = {
    ranges,
    keep: (offset: number) => void kept.push(offset / MIB),
    close: async () => undefined,
    remove: async () => undefined,
    async *read({ from, to }: ByteRange) {
      yield new Uint8Array(to - from);
    },
  };
  return { kept, partial: partial as unknown as PartialBlob };
}

function blobOver(link: Link, mebibytes: number, partial: PartialBlob) {
  const received: number[] = [];
  const blob = new KeptBlob({
    size: mebibytes * MIB,
    partial,
    speed: link.speed,
    fetch: (range) => link.fetch(range),
    onReceived: (bytes) => received.push(bytes),
  });
  return { blob, received };
}

async function read(blob: KeptBlob, at?: (chunk: number) => void) {
  let bytes = 0;
  let chunk = 0;
  for await (const { length } of blob.chunks()) {
    bytes += length;
    at?.((chunk += 1));
  }
  return bytes;
}

const upTo = (end: number, from = 0): number[] =>
  Array.from({ length: end - from }, (_, index) => from + index);

describe("of a blob", () => {
  it("all is kept on a slow link", async () => {
    const link = new Link();
    link.rate = 10e6;
    const { kept, partial } = noting();
    const { blob } = blobOver(link, 20, partial);
    expect(await read(blob)).toBe(20 * MIB);
    expect(kept).toEqual(upTo(20));
  });

  it("nothing is kept on a fast link", async () => {
    const link = new Link();
    link.rate = 500e6;
    const { kept, partial } = noting();
    await read(blobOver(link, 20, partial).blob);
    await read(blobOver(link, 20, partial).blob);
    expect(kept).toEqual([]);
  });

  it("what comes after the link has turned slow is kept", async () => {
    const link = new Link();
    link.rate = 500e6;
    const { kept, partial } = noting();
    await read(blobOver(link, 40, partial).blob, (chunk) => {
      if (chunk === 16) link.rate = 5e6;
    });
    expect(kept.length).toBeGreaterThan(20);
    expect(kept).toEqual(upTo(40, kept[0]));
  });

  it("no more is kept once the link has turned fast", async () => {
    const link = new Link();
    link.rate = 5e6;
    const { kept, partial } = noting();
    await read(blobOver(link, 40, partial).blob, (chunk) => {
      if (chunk === 10) link.rate = 500e6;
    });
    expect(kept).toEqual(upTo(kept.length));
    expect(kept.length).toBeLessThan(20);
    expect(kept.length).toBeGreaterThanOrEqual(10);
  });

  it("the beginning is kept after a moment, and when it is given up", async () => {
    vi.useFakeTimers();
    try {
      for (const end of [
        () => vi.advanceTimersByTime(50),
        (blob: KeptBlob) => void blob.close(),
      ]) {
        const link = new Link();
        link.rate = 1e9;
        const { kept, partial } = noting();
        const { blob } = blobOver(link, 20, partial);
        const chunks = blob.chunks();
        await chunks.next();
        await chunks.next();
        expect(kept).toEqual([]);
        end(blob);
        expect(kept).toEqual([0, 1]);
        await chunks.return();
      }
    } finally {
      vi.useRealTimers();
    }
  });

  it("what is here comes from disk and counts as nothing received", async () => {
    const link = new Link();
    link.rate = 10e6;
    const { kept, partial } = noting([
      { from: 2 * MIB, to: 4 * MIB },
      { from: 6 * MIB, to: 9 * MIB },
    ]);
    const { blob, received } = blobOver(link, 10, partial);
    expect(blob.here).toBe(5 * MIB);
    expect(await read(blob)).toBe(10 * MIB);
    expect(blob.fromDisk).toBe(5 * MIB);
    expect(received.reduce((sum, bytes) => sum + bytes)).toBe(5 * MIB);
    expect(kept).toEqual([0, 1, 4, 5, 9]);
  });

  it("what the disk does not give back is fetched", async () => {
    const link = new Link();
    link.rate = 10e6;
    const { partial } = noting([{ from: 0, to: 4 * MIB }]);
    const failing = Object.assign(partial, {
      async *read() {
        yield new Uint8Array(MIB);
        throw new Error("EIO");
      },
    }) as unknown as PartialBlob;
    const { blob, received } = blobOver(link, 6, failing);
    expect(await read(blob)).toBe(6 * MIB);
    expect(received).toHaveLength(5);
    expect(blob.fromDisk).toBe(MIB);
  });

  it("no byte is taken twice where more comes than was asked for", async () => {
    const link = new Link();
    link.rate = 10e6;
    const { kept, partial } = noting([{ from: 2 * MIB, to: 4 * MIB }]);
    const blob = new KeptBlob({
      size: 5 * MIB,
      partial,
      speed: link.speed,
      fetch: ({ from }) => link.fetch({ from, to: 5 * MIB }),
      onReceived: () => undefined,
    });
    expect(await read(blob)).toBe(5 * MIB);
    expect(kept).toEqual([0, 1, 4]);
  });
});

describe("the speed of a link", () => {
  it("does not count the time in which nothing is asked for", () => {
    let now = 0;
    const speed = new LinkSpeed(() => now);
    expect(speed.isFast).toBeUndefined();
    speed.begin();
    now += 40;
    speed.add(4 * MIB, 40);
    expect(speed.isFast).toBe(true);
    speed.end();
    now += 60_000;
    speed.begin();
    now += 10;
    speed.add(MIB, 10);
    expect(speed.isFast).toBe(true);
    now += 1000;
    speed.add(MIB, 1000);
    expect(speed.isFast).toBe(false);
  });

  it("is not the speed of a reader that has other things to do", () => {
    let now = 0;
    const speed = new LinkSpeed(() => now);
    speed.begin();
    now += 400;
    speed.add(8 * MIB, 50);
    expect(speed.isFast).toBe(true);
    now += 400;
    speed.add(8 * MIB, 390);
    expect(speed.isFast).toBe(false);
  });
});
