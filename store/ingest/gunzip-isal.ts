/**
 * gzip by ISA-L, called in this process: about twice zlib's speed, and inflate
 * is what bounds a pull once the network does not.
 *
 * The state structure is laid out by the library's ABI (soname 2, "struct
 * inflate_state" of igzip_lib.h); {@link usableIsal} proves at load that the
 * offsets below are the right ones.
 */
import { gzipSync } from "node:zlib";
import { TpullError } from "../errors.js";
import { type Isal, addressOf, isal } from "../native/libraries.js";
import { GzipHeader } from "./gzip-header.js";
import type { Inflater } from "./inflate.js";
import type { ByteSource } from "./ring.js";

const NEXT_OUT = 0; // pointer
const AVAIL_OUT = 8; // uint32
const NEXT_IN = 16; // pointer
const AVAIL_IN = 32; // uint32
const BLOCK_STATE = 21_160; // enum: int32
const CRC_FLAG = 21_172; // uint32
const STATE_BYTES = 87_368;

const BLOCK_FINISH = 5;
/** No header, since this file reads it (the library fails header checksums that are cut); the trailer is verified. */
const CRC_FLAG_GZIP_TRAILER = 6;

const REASONS = new Map([
  [-1, "invalid deflate block"],
  [-2, "invalid symbol"],
  [-3, "invalid distance"],
  [-6, "checksum or length mismatch"],
]);

const EMPTY = new Uint8Array(0);

export class IsalGunzip implements Inflater {
  readonly isFast = true;
  readonly #isal: Isal;
  readonly #source: ByteSource;
  readonly #state: Uint8Array;
  readonly #view: DataView;
  #input: Uint8Array = EMPTY;
  #inputEnded = false;
  /** Between members: only another member, zero padding or the end may follow. */
  #memberDone = true;
  #anyMember = false;
  /** Of the member that has begun, while it is not complete. */
  #header: GzipHeader | undefined;

  constructor(library: Isal, source: ByteSource) {
    this.#isal = library;
    this.#source = source;
    // Larger than the structure, so that a minor version may grow it at its end.
    const memory = new ArrayBuffer(STATE_BYTES + 64 * 1024);
    this.#state = new Uint8Array(memory);
    this.#view = new DataView(memory);
    library.isal_inflate_init(this.#state);
  }

  read(into: Uint8Array): number {
    for (;;) {
      if (this.#input.length === 0 && !this.#inputEnded) this.#refill();
      if (this.#memberDone && !this.#beginMember()) return 0;
      if (this.#header !== undefined) {
        this.#readHeader(this.#header);
        continue;
      }
      const produced = this.#inflate(into);
      if (this.#view.getInt32(BLOCK_STATE, true) === BLOCK_FINISH) {
        this.#memberDone = true;
        this.#anyMember = true;
      } else if (
        produced === 0 &&
        this.#input.length === 0 &&
        this.#inputEnded
      ) {
        throw damaged("unexpected end of file");
      }
      if (produced > 0) return produced;
    }
  }

  #refill(): void {
    const next = this.#source.next();
    if (next === undefined) this.#inputEnded = true;
    else this.#input = next;
  }

  /** Whether another member begins here; false at the end of the stream. */
  #beginMember(): boolean {
    if (this.#anyMember) this.#skipPadding();
    if (this.#input.length === 0 && this.#inputEnded) return false;
    if (this.#anyMember) this.#isal.isal_inflate_reset(this.#state);
    this.#view.setUint32(CRC_FLAG, CRC_FLAG_GZIP_TRAILER, true);
    this.#memberDone = false;
    this.#header = new GzipHeader();
    return true;
  }

  #readHeader(header: GzipHeader): void {
    try {
      this.#input = this.#input.subarray(header.take(this.#input));
    } catch (error) {
      throw damaged((error as Error).message);
    }
    if (header.done) this.#header = undefined;
    else if (this.#inputEnded) throw damaged("unexpected end of file");
  }

  #skipPadding(): void {
    for (;;) {
      const length = this.#input.findIndex((byte) => byte !== 0);
      if (length >= 0) {
        this.#input = this.#input.subarray(length);
        return;
      }
      this.#input = EMPTY;
      if (this.#inputEnded) return;
      this.#refill();
    }
  }

  #inflate(into: Uint8Array): number {
    const view = this.#view;
    const available = this.#input.length;
    view.setBigUint64(NEXT_OUT, BigInt(addressOf(into)), true);
    view.setUint32(AVAIL_OUT, into.length, true);
    view.setBigUint64(
      NEXT_IN,
      available === 0 ? 0n : BigInt(addressOf(this.#input)),
      true,
    );
    view.setUint32(AVAIL_IN, available, true);
    const code = this.#isal.isal_inflate(this.#state);
    if (code < 0) throw damaged(REASONS.get(code) ?? `code ${code}`);
    this.#input = this.#input.subarray(
      available - view.getUint32(AVAIL_IN, true),
    );
    return into.length - view.getUint32(AVAIL_OUT, true);
  }

  close(): void {
    this.#input = EMPTY;
  }
}

function damaged(reason: string): TpullError {
  return new TpullError(
    "LAYER_INVALID",
    `the gzip stream is damaged: ${reason}`,
  );
}

let usable: { library: Isal | undefined } | undefined;

/** ISA-L where it is installed and proves itself, else `undefined`. */
export function usableIsal(): Isal | undefined {
  if (usable === undefined) {
    const library = isal();
    usable = { library: library && isalUsable(library) ? library : undefined };
  }
  return usable.library;
}

/** Inflates a known stream of two members, in pieces, and sees whether the result and the refusals are right. */
function isalUsable(library: Isal): boolean {
  const text = Buffer.from(
    "tpull tries the library before it trusts it. ".repeat(400),
  );
  const whole = Buffer.concat([gzipSync(text), gzipSync(text)]);
  const run = (stream: Buffer): Buffer => {
    let at = 0;
    const gunzip = new IsalGunzip(library, {
      next(): Uint8Array | undefined {
        const piece = stream.subarray(at, at + 37);
        at += piece.length;
        return piece.length === 0 ? undefined : piece;
      },
    });
    const parts: Buffer[] = [];
    const into = Buffer.from(new ArrayBuffer(1000));
    for (
      let length = gunzip.read(into);
      length > 0;
      length = gunzip.read(into)
    ) {
      parts.push(Buffer.from(into.subarray(0, length)));
    }
    return Buffer.concat(parts);
  };
  try {
    if (!run(whole).equals(Buffer.concat([text, text]))) return false;
  } catch {
    return false;
  }
  try {
    run(whole.subarray(0, -1));
    return false;
  } catch {
    return true;
  }
}
