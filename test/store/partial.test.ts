// Parts of blobs: what is kept is what is read back, and nothing else is touched.
import {
  appendFile,
  lstat,
  mkdir,
  readdir,
  readFile,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import {
  type ByteRange,
  type Digest,
  digestOf,
  listPartials,
  type PartialBlob,
  removePartials,
  type StoreWriter,
} from "#store/index.js";
import { fakeImage, leaveLayers, storeImage } from "./support/images.js";
import { listing, newRoot, writing } from "./support/roots.js";

const BLOB = Buffer.from(
  Array.from({ length: 3000 }, (_, at) => (at * 7) % 251),
);
const DIGEST = digestOf(BLOB) as Digest;

function open(writer: StoreWriter, digest: Digest = DIGEST): PartialBlob {
  const partial = writer.partialBlob(digest, BLOB.length);
  if (partial === undefined) throw new Error("somebody else has it");
  return partial;
}

/** A root that exists, and the directory of the partial blob in it. */
async function rootWithImage(): Promise<{ root: string; directory: string }> {
  const root = await newRoot();
  await writing(root, (writer) => storeImage(writer, fakeImage("app", "one")));
  return { root, directory: join(root, "tpull/partial", DIGEST.slice(7)) };
}

/** Keeps these bytes of the blob. */
async function keep(
  root: string,
  ...ranges: readonly (readonly [from: number, to: number])[]
): Promise<void> {
  await writing(root, async (writer) => {
    for (const [from, to] of ranges) {
      const partial = open(writer);
      partial.keep(from, BLOB.subarray(from, to));
      await partial.close();
    }
  });
}

function sum(ranges: readonly ByteRange[]): number {
  return ranges.reduce((bytes, { from, to }) => bytes + to - from, 0);
}

/** What a session finds. */
async function found(root: string): Promise<readonly ByteRange[]> {
  return writing(root, async (writer) => {
    const partial = open(writer);
    const { ranges } = partial;
    for (const range of ranges) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of partial.read(range)) chunks.push(chunk);
      expect(Buffer.concat(chunks)).toEqual(
        BLOB.subarray(range.from, range.to),
      );
    }
    await partial.close();
    return ranges;
  });
}

describe("a partial blob", () => {
  it("is nothing before something is kept", async () => {
    const { root } = await rootWithImage();
    const before = await listing(root);
    expect(await found(root)).toEqual([]);
    expect(await listing(root)).toEqual(before);
  });

  it("is one growing file where bytes follow each other", async () => {
    const { root, directory } = await rootWithImage();
    await keep(root, [0, 1000], [1000, 1500], [1500, 1501]);
    expect(await found(root)).toEqual([{ from: 0, to: 1501 }]);
    expect(await readdir(directory)).toEqual(["0"]);
    const { mode } = await lstat(join(directory, "0"));
    expect(mode & 0o777).toBe(0o600);
    expect((await lstat(directory)).mode & 0o777).toBe(0o700);
  });

  it("takes many chunks at once", async () => {
    const { root } = await rootWithImage();
    await writing(root, async (writer) => {
      const partial = open(writer);
      for (let at = 0; at < BLOB.length; at += 1) {
        partial.keep(at, BLOB.subarray(at, at + 1));
      }
      await partial.close();
    });
    expect(await found(root)).toEqual([{ from: 0, to: BLOB.length }]);
  });

  it("takes several streams at once", async () => {
    const { root, directory } = await rootWithImage();
    await writing(root, async (writer) => {
      const partial = open(writer);
      for (let at = 0; at < 100; at += 1) {
        // More streams than files are open at a time.
        for (let start = 0; start < BLOB.length; start += 100) {
          const offset = start + at;
          partial.keep(offset, BLOB.subarray(offset, offset + 1));
        }
        // Until the disk has them, so that each stream gets a file.
        while (sum(partial.ranges) < (at + 1) * 30) await setImmediate();
      }
      await partial.close();
    });
    expect(await found(root)).toEqual([{ from: 0, to: BLOB.length }]);
    expect(await readdir(directory)).toHaveLength(30);
  });

  it("may have holes and overlaps", async () => {
    const { root, directory } = await rootWithImage();
    await keep(root, [2000, 2500], [0, 100], [90, 300], [2400, 2450]);
    expect(await found(root)).toEqual([
      { from: 0, to: 300 },
      { from: 2000, to: 2500 },
    ]);
    await keep(root, [300, 2000]);
    expect(await found(root)).toEqual([{ from: 0, to: 2500 }]);
    expect((await readdir(directory)).sort()).toEqual([
      "0",
      "2000",
      "2400",
      "90",
    ]);
  });

  it("ends where the blob does, whatever is appended", async () => {
    const { root, directory } = await rootWithImage();
    await keep(root, [2900, 3000]);
    await appendFile(join(directory, "2900"), "too much");
    await writeFile(join(directory, "5000"), "beyond");
    expect(await found(root)).toEqual([{ from: 2900, to: 3000 }]);
  });

  it("says so when bytes are gone that it named", async () => {
    const { root, directory } = await rootWithImage();
    await keep(root, [0, 1000]);
    await writing(root, async (writer) => {
      const partial = open(writer);
      await truncate(join(directory, "0"), 10);
      const read = async (): Promise<void> => {
        for await (const _ of partial.read({ from: 0, to: 1000 }));
      };
      await expect(read()).rejects.toThrow("byte 10 is not here");
      await partial.close();
    });
  });

  it("does not look at what is no segment", async () => {
    const { root, directory } = await rootWithImage();
    await keep(root, [0, 10]);
    for (const name of ["00", "010", "-1", "1e3", "a", "9".repeat(20), "10.0"])
      await writeFile(join(directory, name), BLOB.subarray(0, 20));
    await mkdir(join(directory, "500"));
    execFileSync("mkfifo", [join(directory, "600")]);
    expect(await found(root)).toEqual([{ from: 0, to: 10 }]);
    expect(listPartials(root)).toMatchObject([{ digest: DIGEST, bytes: 10 }]);
  });

  it("follows no link to read or to write", async () => {
    const { root, directory } = await rootWithImage();
    const precious = join(root, "precious");
    await writeFile(precious, "precious");
    await keep(root, [0, 10]);
    await symlink(precious, join(directory, "10"));
    await symlink(precious, join(directory, "20"));
    expect(await found(root)).toEqual([{ from: 0, to: 10 }]);
    await keep(root, [20, 40]);
    await keep(root, [10, 20]); // goes to the file before it
    expect(await readFile(precious, "utf8")).toBe("precious");
    expect(await found(root)).toEqual([{ from: 0, to: 20 }]);
  });

  it("follows no link in place of its directory", async () => {
    const { root, directory } = await rootWithImage();
    const elsewhere = join(root, "elsewhere");
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, "0"), BLOB);
    await symlink(elsewhere, directory);
    expect(listPartials(root)).toEqual([]);
    expect(await found(root)).toEqual([]);
    await keep(root, [5, 10]);
    expect(await removePartials(root)).toEqual([]);
    expect(await readdir(elsewhere)).toEqual(["0"]);
  });

  it("belongs to one at a time", async () => {
    const { root } = await rootWithImage();
    await keep(root, [0, 10]);
    await writing(root, async (one) => {
      const partial = open(one);
      await writing(root, async (other) => {
        expect(other.partialBlob(DIGEST, BLOB.length)).toBeUndefined();
        await other.removePartials([DIGEST]);
      });
      expect(await removePartials(root)).toEqual([]);
      expect(partial.ranges).toEqual([{ from: 0, to: 10 }]);
      await partial.close();
      expect(one.partialBlob(DIGEST, BLOB.length)).toBeDefined();
    });
  });

  it("is gone when it is removed", async () => {
    const { root } = await rootWithImage();
    const before = await listing(root);
    await keep(root, [0, 10], [50, 60]);
    await writing(root, async (writer) => {
      const partial = open(writer);
      partial.keep(10, BLOB.subarray(10, 20));
      await partial.remove();
      partial.keep(20, BLOB.subarray(20, 30)); // too late
    });
    expect(await listing(root)).toEqual(before);
  });
});

describe("what may stay", () => {
  const digests = ["a", "b", "c"].map((text) => digestOf(text) as Digest);

  /** Three partial blobs of 1000 bytes, one, two and three days old. */
  async function three(): Promise<string> {
    const { root } = await rootWithImage();
    await writing(root, async (writer) => {
      for (const digest of digests) {
        const partial = open(writer, digest);
        partial.keep(0, BLOB.subarray(0, 1000));
        await partial.close();
      }
    });
    for (const [index, digest] of digests.entries()) {
      const then = Date.now() / 1000 - (index + 1) * 24 * 3600;
      const directory = join(root, "tpull/partial", digest.slice(7));
      await utimes(join(directory, "0"), then, then);
      await utimes(directory, then, then);
    }
    return root;
  }
  const left = (root: string): Digest[] =>
    listPartials(root).map(({ digest }) => digest);

  it("is listed, the oldest first", async () => {
    const root = await three();
    expect(left(root)).toEqual(digests.toReversed());
    const [oldest] = listPartials(root);
    expect(oldest?.bytes).toBe(1000);
    expect((Date.now() - oldest!.modified) / 3600e3).toBeCloseTo(72, 1);
    expect(listPartials(join(root, "absent"))).toEqual([]);
  });

  it("goes when it is too old", async () => {
    const root = await three();
    const leftovers = { maxAgeMs: 36 * 3600e3 };
    await writing(root, async () => undefined, { leftovers });
    expect(left(root)).toEqual([digests[0]]);
  });

  it("goes, the oldest first, when it is too much", async () => {
    const root = await three();
    const leftovers = { maxBytes: 2500 };
    await writing(root, async () => undefined, { leftovers });
    expect(left(root)).toEqual([digests[1], digests[0]]);
  });

  it("is never too much in the session that made it", async () => {
    const root = await three();
    const leftovers = { maxBytes: 500 };
    await writing(
      root,
      async (writer) => {
        const partial = open(writer, digests[2]);
        partial.keep(1000, BLOB.subarray(1000, 2000));
        await partial.close();
      },
      { leftovers },
    );
    expect(left(root)).toEqual([digests[2]]);
  });

  it("can be removed by choice", async () => {
    const root = await three();
    const removed = await removePartials(root, ({ digest }) =>
      digests.slice(1).includes(digest),
    );
    expect(removed.map(({ bytes }) => bytes)).toEqual([1000, 1000]);
    expect(left(root)).toEqual([digests[0]]);
  });

  it("is told as what need not be asked for from the first byte", async () => {
    const root = await three();
    const { openStore } = await import("#store/index.js");
    const image = fakeImage("other", "two", "three");
    await writing(root, (writer) => leaveLayers(writer, image));
    const blobs = await (await openStore(root)).leftBlobs();
    expect([...blobs].sort()).toEqual([...digests].sort());
  });
});
