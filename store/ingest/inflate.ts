/**
 * Compressed layer -> tar bytes. The compression is told by the first bytes,
 * never by the media type, which is wrong often enough in the wild.
 *
 * All inflaters are synchronous and pull their input: they run in a worker.
 */
import { TpullError } from "../errors.js";
import { IsalGunzip, usableIsal } from "./gunzip-isal.js";
import { ZlibGunzip } from "./gunzip-zlib.js";
import type { ByteSource } from "./ring.js";
import { zstdInflater } from "./zstd.js";

/** A pull-based decompressor. */
export interface Inflater {
  /** Whether it leaves its thread time for more than inflating. */
  readonly isFast: boolean;
  /** Puts at least one byte at the start of `into` and returns how many; 0 is the end. */
  read(into: Uint8Array): number;
  /** Frees what is held outside the heap. */
  close(): void;
}

/** The longest magic number looked at, and the longest header part needed to tell frames apart. */
const PEEK_BYTES = 6;

/**
 * Looks at the magic bytes and returns what inflates the rest.
 * @throws TpullError `LAYER_INVALID` for a compression that docker's store has no use for
 */
export function inflaterFor(source: ByteSource): Inflater {
  const { head, whole } = peek(source);
  const [a, b, c, d] = head;
  if (a === 0x1f && b === 0x8b) {
    const library = usableIsal();
    return library ? new IsalGunzip(library, whole) : new ZlibGunzip(whole);
  }
  if (b === 0xb5 && a === 0x28 && c === 0x2f && d === 0xfd) {
    return zstdInflater(whole);
  }
  if ((a ?? 0) >> 4 === 5 && b === 0x2a && c === 0x4d && d === 0x18) {
    return zstdInflater(whole); // a skippable frame in front of the data
  }
  if (a === 0x42 && b === 0x5a && c === 0x68) throw unsupported("bzip2");
  if (a === 0xfd && b === 0x37 && c === 0x7a && d === 0x58) {
    throw unsupported("xz");
  }
  return new PlainReader(whole);
}

function unsupported(name: string): TpullError {
  return new TpullError(
    "LAYER_INVALID",
    `the layer is compressed with ${name}, which tpull does not read`,
    {
      hint: "Layers are gzip, zstd or plain tar; ask the publisher to rebuild the image.",
    },
  );
}

/** The first bytes of a source, and a source that still yields them. */
function peek(source: ByteSource): { head: Uint8Array; whole: ByteSource } {
  // Views are only valid until the next call, so a head that comes in pieces is copied.
  const first = source.next();
  if (first === undefined) {
    return { head: new Uint8Array(0), whole: { next: () => undefined } };
  }
  if (first.length >= PEEK_BYTES)
    return { head: first, whole: withFirst(first, source) };
  let head = join(first, new Uint8Array(0));
  while (head.length < PEEK_BYTES) {
    const more = source.next();
    if (more === undefined) break;
    head = join(head, more);
  }
  return { head, whole: withFirst(head, source) };
}

/** In memory of its own: of what lives in the heap no address can be taken. */
function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(new ArrayBuffer(a.length + b.length));
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}

function withFirst(first: Uint8Array, rest: ByteSource): ByteSource {
  let pending: Uint8Array | undefined = first;
  return {
    next(): Uint8Array | undefined {
      if (pending === undefined) return rest.next();
      const head = pending;
      pending = undefined;
      return head;
    },
  };
}

/** A layer that is not compressed. */
class PlainReader implements Inflater {
  readonly isFast = true;
  readonly #source: ByteSource;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(source: ByteSource) {
    this.#source = source;
  }

  read(into: Uint8Array): number {
    while (this.#rest.length === 0) {
      const next = this.#source.next();
      if (next === undefined) return 0;
      this.#rest = next;
    }
    const length = Math.min(into.length, this.#rest.length);
    into.set(this.#rest.subarray(0, length));
    this.#rest = this.#rest.subarray(length);
    return length;
  }

  close(): void {
    this.#rest = new Uint8Array(0);
  }
}
