import type { FileHandle } from "node:fs/promises";

/** Read ahead for headers: small members follow each other closely. */
const WINDOW_BYTES = 64 * 1024;

/** Small reads from a file, in larger ones. */
export class ReadAhead {
  readonly #handle: FileHandle;
  readonly #buffer = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  #start = 0;
  #length = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** `length` bytes from there, fewer at the end of the file; valid until the next call. */
  async at(position: number, length: number): Promise<Buffer> {
    const from = position - this.#start;
    if (from >= 0 && from + length <= this.#length) {
      return this.#buffer.subarray(from, from + length);
    }
    if (length > WINDOW_BYTES) {
      const whole = Buffer.allocUnsafe(length);
      return whole.subarray(0, await this.#fill(whole, position));
    }
    this.#length = await this.#fill(this.#buffer, position);
    this.#start = position;
    return this.#buffer.subarray(0, Math.min(length, this.#length));
  }

  async #fill(buffer: Buffer, position: number): Promise<number> {
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await this.#handle.read(
        buffer,
        filled,
        buffer.length - filled,
        position + filled,
      );
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  }
}
