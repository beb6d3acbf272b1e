/** The header of a gzip member (RFC 1952, 2.3), in pieces that end anywhere. */
import { crc32 } from "node:zlib";

const FIXED_BYTES = 10;
const HEADER_CRC = 2;
const EXTRA = 4;
const NAME = 8;
const COMMENT = 16;
const RESERVED = 0xe0;

type Field = "fixed" | "extra length" | "extra" | "name" | "comment" | "crc";

export class GzipHeader {
  readonly #bytes = Buffer.alloc(FIXED_BYTES);
  #filled = 0;
  #field: Field | undefined = "fixed";
  #flags = 0;
  #extraLeft = 0;
  #crc = 0;

  /** Whether the header is complete. */
  get done(): boolean {
    return this.#field === undefined;
  }

  /**
   * Takes what belongs to the header.
   * @returns how many bytes that was
   * @throws Error with the reason when it is no such header
   */
  take(chunk: Uint8Array): number {
    let at = 0;
    while (this.#field !== undefined && at < chunk.length) {
      const rest = chunk.subarray(at);
      const piece = rest.subarray(0, this.#bytesOfField(rest));
      if (this.#field !== "crc") this.#crc = crc32(piece, this.#crc);
      at += piece.length;
      if (this.#isComplete(piece)) this.#field = this.#after(this.#field);
    }
    return at;
  }

  /** How many of these bytes belong to the current field. */
  #bytesOfField(rest: Uint8Array): number {
    switch (this.#field) {
      case "extra":
        return Math.min(this.#extraLeft, rest.length);
      case "name":
      case "comment": {
        const end = rest.indexOf(0);
        return end < 0 ? rest.length : end + 1;
      }
      default:
        return Math.min(this.#wanted() - this.#filled, rest.length);
    }
  }

  #wanted(): number {
    return this.#field === "fixed" ? FIXED_BYTES : 2;
  }

  #isComplete(piece: Uint8Array): boolean {
    switch (this.#field) {
      case "extra":
        this.#extraLeft -= piece.length;
        return this.#extraLeft === 0;
      case "name":
      case "comment":
        return piece.at(-1) === 0;
      default:
        this.#bytes.set(piece, this.#filled);
        this.#filled += piece.length;
        return this.#filled === this.#wanted();
    }
  }

  #after(field: Field): Field | undefined {
    this.#filled = 0;
    switch (field) {
      case "fixed":
        this.#checkFixed();
        if ((this.#flags & EXTRA) !== 0) return "extra length";
        return this.#after("extra");
      case "extra length":
        this.#extraLeft = this.#bytes.readUInt16LE(0);
        return this.#extraLeft > 0 ? "extra" : this.#after("extra");
      case "extra":
        return (this.#flags & NAME) !== 0 ? "name" : this.#after("name");
      case "name":
        return (this.#flags & COMMENT) !== 0
          ? "comment"
          : this.#after("comment");
      case "comment":
        return (this.#flags & HEADER_CRC) !== 0 ? "crc" : undefined;
      case "crc":
        if (this.#bytes.readUInt16LE(0) !== (this.#crc & 0xffff)) {
          throw new Error("header crc mismatch");
        }
        return undefined;
    }
  }

  #checkFixed(): void {
    if (this.#bytes.readUInt16BE(0) !== 0x1f8b) {
      throw new Error("incorrect header check");
    }
    if (this.#bytes[2] !== 8) throw new Error("unknown compression method");
    this.#flags = this.#bytes[3] ?? 0;
    if ((this.#flags & RESERVED) !== 0) {
      throw new Error("unknown header flags set");
    }
  }
}
