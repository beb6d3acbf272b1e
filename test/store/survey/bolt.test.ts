// Databases of dockerd, made by hand: whole ones, and such as a crash or a running writer leaves.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type BoltBucket, readBolt } from "#store/survey/bolt.js";
import { temporaryFolder } from "../support/roots.js";

const PAGE = 4096;
const LEAF = 2;
const BRANCH = 1;
const META = 4;

type Element = { key: string; value: Buffer; isBucket?: boolean };

function header(id: number, flags: number, count: number, overflow = 0) {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(BigInt(id), 0);
  bytes.writeUInt16LE(flags, 8);
  bytes.writeUInt16LE(count, 10);
  bytes.writeUInt32LE(overflow, 12);
  return bytes;
}

/** A leaf without padding, as it also stands in a value. */
function leafBytes(id: number, elements: readonly Element[]): Buffer {
  const index = Buffer.alloc(16 * elements.length);
  const data: Buffer[] = [];
  let position = index.length;
  for (const [at, { key, value, isBucket }] of elements.entries()) {
    index.writeUInt32LE(isBucket ? 1 : 0, 16 * at);
    index.writeUInt32LE(position - 16 * at, 16 * at + 4);
    index.writeUInt32LE(Buffer.byteLength(key), 16 * at + 8);
    index.writeUInt32LE(value.length, 16 * at + 12);
    data.push(Buffer.from(key), value);
    position += Buffer.byteLength(key) + value.length;
  }
  const size = 16 + position;
  const overflow = Math.max(0, Math.ceil(size / PAGE) - 1);
  return Buffer.concat([
    header(id, LEAF, elements.length, overflow),
    index,
    ...data,
  ]);
}

function leaf(id: number, elements: readonly Element[]): Buffer {
  return padded(leafBytes(id, elements));
}

/** Keys are those of the pages' first elements; for reading they do not matter. */
function branch(id: number, children: readonly number[]): Buffer {
  const index = Buffer.alloc(16 * children.length);
  for (const [at, child] of children.entries()) {
    index.writeBigUInt64LE(BigInt(child), 16 * at + 8);
  }
  return padded(Buffer.concat([header(id, BRANCH, children.length), index]));
}

function padded(bytes: Buffer): Buffer {
  const size = Math.ceil(bytes.length / PAGE) * PAGE;
  return Buffer.concat([bytes, Buffer.alloc(size - bytes.length)]);
}

function meta(id: number, root: number, transaction: number): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.writeUInt32LE(0xed0cdaed, 0);
  bytes.writeUInt32LE(2, 4);
  bytes.writeUInt32LE(PAGE, 8);
  bytes.writeBigUInt64LE(BigInt(root), 16);
  bytes.writeBigUInt64LE(BigInt(transaction), 48);
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes.subarray(0, 56)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  bytes.writeBigUInt64LE(hash, 56);
  return padded(Buffer.concat([header(id, META, 0), bytes]));
}

/** A bucket in a value: a page of its own, or all of it on the spot. */
function bucketAt(root: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(BigInt(root), 0);
  return bytes;
}

function inline(elements: readonly Element[]): Buffer {
  return Buffer.concat([Buffer.alloc(16), leafBytes(0, elements)]);
}

const text = (key: string, value: string): Element => ({
  key,
  value: Buffer.from(value),
});

/** Pages 0 and 1 are the metas; page 2 is the root of the newer one. */
function database(...pages: Buffer[]): Buffer {
  return Buffer.concat([meta(0, 2, 7), meta(1, 2, 6), ...pages]);
}

async function read(bytes: Buffer, buckets?: string[]) {
  const path = join(await temporaryFolder(), "some.db");
  await writeFile(path, bytes);
  const found = readBolt(path, buckets);
  return found && plain(found);
}

function plain(bucket: BoltBucket): unknown {
  return Object.fromEntries(
    [...bucket].map(([key, value]) => [
      key,
      Buffer.isBuffer(value) ? value.toString() : plain(value),
    ]),
  );
}

describe("a database", () => {
  it("is a tree of buckets, keys and values", async () => {
    const records = [text("a", "1"), text("ü", "22")];
    const bytes = database(
      leaf(2, [
        { key: "own page", value: bucketAt(3), isBucket: true },
        { key: "inline", value: inline(records), isBucket: true },
        text("value", ""),
      ]),
      branch(3, [4, 5]),
      leaf(4, [text("first", "1")]),
      leaf(5, [
        text("second", "2"),
        { key: "deep", value: inline([]), isBucket: true },
      ]),
    );
    expect(await read(bytes)).toEqual({
      "own page": { first: "1", second: "2", deep: {} },
      inline: { a: "1", ü: "22" },
      value: "",
    });
    expect(await read(bytes, ["inline", "none"])).toEqual({
      inline: { a: "1", ü: "22" },
    });
  });

  it("has values longer than a page", async () => {
    const long = "x".repeat(3 * PAGE);
    const bytes = database(leaf(2, [text("long", long)]));
    expect(await read(bytes)).toEqual({ long });
  });

  it("is read as of its newest transaction that is whole", async () => {
    const pages = [leaf(2, [text("old", "")]), leaf(3, [text("new", "")])];
    const newer = Buffer.concat([meta(0, 2, 7), meta(1, 3, 8), ...pages]);
    expect(await read(newer)).toEqual({ new: "" });
    newer[PAGE + 16 + 20]! ^= 1; // its checksum does not fit
    expect(await read(newer)).toEqual({ old: "" });
  });
});

describe("what cannot be read is as if it were not there", () => {
  const good = database(
    leaf(2, [{ key: "bucket", value: bucketAt(3), isBucket: true }]),
    branch(3, [4]),
    leaf(4, [text("key", "value")]),
  );

  /** The database with some of its bytes changed. */
  function changed(page: number, at: number, ...bytes: number[]): Buffer {
    const copy = Buffer.from(good);
    copy.set(bytes, page * PAGE + at);
    return copy;
  }

  it("and the one that is changed here can", async () => {
    expect(await read(good)).toEqual({ bucket: { key: "value" } });
  });

  it.each<[string, Buffer]>([
    ["an empty file", Buffer.alloc(0)],
    ["a short one", Buffer.from("bolt")],
    ["something else", Buffer.alloc(5 * PAGE, "x")],
    ["a file cut short", good.subarray(0, 4 * PAGE)],
    ["a page that is another", changed(4, 0, 9)],
    ["a page that is neither branch nor leaf", changed(4, 8, 16)],
    ["a page with too many elements", changed(4, 10, 255, 255)],
    ["a page that goes on beyond the end", changed(4, 12, 255)],
    ["an element beyond its page", changed(4, 16 + 8, 255, 255)],
    ["a branch to itself", changed(3, 16 + 8, 3)],
    ["a branch to nowhere", changed(3, 16 + 8, 255, 255, 255)],
    ["a bucket without a page", changed(2, 16 + 12, 8)],
  ])("%s", async (_, bytes) => {
    expect(await read(bytes)).toBeUndefined();
  });

  it("no file at all", async () => {
    const folder = await temporaryFolder();
    expect(readBolt(join(folder, "none.db"))).toBeUndefined();
    expect(readBolt(folder)).toBeUndefined();
  });
});
