/**
 * Reading dockerd's bolt databases (go.etcd.io/bbolt) as far as it takes to look
 * something up: a file of pages, in which buckets are B+ trees of keys and
 * values, or of further buckets. A running dockerd may be writing: then what is
 * read may not fit together, which shows, and the file is read again.
 */
import { readBytes } from "../read.js";

/** Keys of a bucket with their values; a bucket inside is a map of its own. */
export type BoltBucket = ReadonlyMap<string, Buffer | BoltBucket>;

const PAGE_HEADER = 16;
const ELEMENT = 16;
const BUCKET_HEADER = 16;
const IS_BRANCH = 0x01;
const IS_LEAF = 0x02;
const IS_META = 0x04;
const IS_BUCKET = 0x01;
const MAGIC = 0xed0cdaed;
const VERSION = 2;
/** Where the checksum of a meta page's content is, which covers all before it. */
const CHECKSUM = 56;
const MAX_DEPTH = 32;
const TRIES = 3;

/** What is read does not fit together. */
class Torn extends Error {}

/**
 * All of a database, or of those buckets at its top that are named.
 * @returns undefined when there is none, or it cannot be read
 */
export function readBolt(
  path: string,
  buckets?: readonly string[],
): BoltBucket | undefined {
  for (let tries = 1; ; tries += 1) {
    const bytes = readBytes(path);
    if (bytes === undefined || bytes.length === 0) return undefined;
    try {
      return new Reader(bytes).top(buckets);
    } catch (error) {
      if (!(error instanceof Torn)) throw error;
      if (tries === TRIES) return undefined;
    }
  }
}

interface Meta {
  readonly pageSize: number;
  readonly root: bigint;
  readonly transaction: bigint;
}

class Reader {
  readonly #bytes: Buffer;
  readonly #pageSize: number;
  readonly #root: bigint;
  readonly #seen = new Set<bigint>();

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    const metas = [metaAt(bytes, 0)];
    // The second one lies behind the first page, however large pages are.
    for (let size = 1024; size <= 65_536; size *= 2) {
      const meta = metaAt(bytes, size);
      if (meta?.pageSize === size) metas.push(meta);
    }
    const [newest] = metas
      .filter((meta) => meta !== undefined)
      .sort((a, b) => Number(b.transaction - a.transaction));
    if (newest === undefined) throw new Torn("no meta page");
    this.#pageSize = newest.pageSize;
    this.#root = newest.root;
  }

  top(buckets: readonly string[] | undefined): BoltBucket {
    const found = new Map<string, Buffer | BoltBucket>();
    const wants = (key: string): boolean =>
      buckets === undefined || buckets.includes(key);
    this.#walk(this.#page(this.#root), found, wants, 0);
    return found;
  }

  /** A page with the ones it flows over into. */
  #page(id: bigint): Buffer {
    if (this.#seen.has(id)) throw new Torn("a page twice");
    this.#seen.add(id);
    const start = Number(id) * this.#pageSize;
    const bytes = this.#bytes;
    if (start + PAGE_HEADER > bytes.length) throw new Torn("page beyond end");
    if (bytes.readBigUInt64LE(start) !== id) throw new Torn("another page");
    const overflow = bytes.readUInt32LE(start + 12);
    const end = start + (overflow + 1) * this.#pageSize;
    if (end > bytes.length) throw new Torn("page beyond end");
    return bytes.subarray(start, end);
  }

  #walk(
    page: Buffer,
    into: Map<string, Buffer | BoltBucket>,
    wants: (key: string) => boolean,
    depth: number,
  ): void {
    if (depth > MAX_DEPTH) throw new Torn("too deep");
    const flags = page.readUInt16LE(8);
    const count = page.readUInt16LE(10);
    if (PAGE_HEADER + count * ELEMENT > page.length) throw new Torn("too full");
    for (let index = 0; index < count; index += 1) {
      const at = PAGE_HEADER + index * ELEMENT;
      if (flags === IS_BRANCH) {
        const child = this.#page(page.readBigUInt64LE(at + 8));
        this.#walk(child, into, wants, depth + 1);
        continue;
      }
      if (flags !== IS_LEAF) throw new Torn("neither branch nor leaf");
      const position = at + page.readUInt32LE(at + 4);
      const keySize = page.readUInt32LE(at + 8);
      const valueSize = page.readUInt32LE(at + 12);
      const end = position + keySize + valueSize;
      if (end > page.length) throw new Torn("element beyond page");
      const key = page.toString("utf8", position, position + keySize);
      if (!wants(key)) continue;
      const value = page.subarray(position + keySize, end);
      const isBucket = (page.readUInt32LE(at) & IS_BUCKET) !== 0;
      into.set(key, isBucket ? this.#bucket(value, depth + 1) : value);
    }
  }

  /** A bucket in a value: either the number of its root page, or that page itself. */
  #bucket(value: Buffer, depth: number): BoltBucket {
    if (value.length < BUCKET_HEADER) throw new Torn("half a bucket");
    const root = value.readBigUInt64LE(0);
    const inline = value.subarray(BUCKET_HEADER);
    if (root === 0n && inline.length < PAGE_HEADER) throw new Torn("no page");
    const found = new Map<string, Buffer | BoltBucket>();
    const page = root === 0n ? inline : this.#page(root);
    this.#walk(page, found, () => true, depth);
    return found;
  }
}

/** The meta page at an offset; undefined where there is none, or it is half written. */
function metaAt(bytes: Buffer, offset: number): Meta | undefined {
  const start = offset + PAGE_HEADER;
  if (start + CHECKSUM + 8 > bytes.length) return undefined;
  if ((bytes.readUInt16LE(offset + 8) & IS_META) === 0) return undefined;
  const meta = bytes.subarray(start, start + CHECKSUM + 8);
  if (meta.readUInt32LE(0) !== MAGIC) return undefined;
  if (meta.readUInt32LE(4) !== VERSION) return undefined;
  const sum = fnv1a(meta.subarray(0, CHECKSUM));
  if (meta.readBigUInt64LE(CHECKSUM) !== sum) return undefined;
  return {
    pageSize: meta.readUInt32LE(8),
    root: meta.readBigUInt64LE(16),
    transaction: meta.readBigUInt64LE(48),
  };
}

/** The 64-bit hash FNV-1a. */
function fnv1a(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) {
    hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  }
  return hash;
}
