/** A tar archive in the making, member after member, in a new file or on its way to somebody. */
import { constants, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { TpullError } from "../errors.js";
import { errnoOf } from "../io-error.js";
import { pause } from "../lock.js";
import { NewFile, writing } from "./new-file.js";
import { ARCHIVE_END, headerBlock, paddingAfter } from "./tar-block.js";

/** Takes bytes in order. A chunk may be used again as soon as the promise resolves. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>;
}

/** What `docker save` gives a file that it makes. */
const FILE_MODE = 0o600;

export class ArchiveWriter implements AsyncDisposable {
  readonly #file: NewFile | undefined;
  readonly #sink: ByteSink;
  #at = 0;
  #done = false;

  private constructor(sink: ByteSink, file?: NewFile) {
    this.#file = file;
    this.#sink = sink;
  }

  /** @throws TpullError `OUTPUT_NOT_WRITABLE` */
  static async toFile(path: string): Promise<ArchiveWriter> {
    const file = await NewFile.begin(path, FILE_MODE);
    const writer: ArchiveWriter = new ArchiveWriter(
      { write: (bytes) => file.write(bytes, writer.#at) },
      file,
    );
    return writer;
  }

  static toSink(sink: ByteSink): ArchiveWriter {
    return new ArchiveWriter(sink);
  }

  /** The file that is written to, for workers; undefined for a sink. */
  get path(): string | undefined {
    return this.#file?.path;
  }

  /** A folder for parts of it. Only of a file. */
  scratch(): string {
    if (this.#file === undefined) throw new Error("a sink has no folder");
    return this.#file.scratch();
  }

  async directory(name: string): Promise<void> {
    await this.#put(headerBlock({ name, size: 0 }));
  }

  async add(name: string, bytes: Uint8Array): Promise<void> {
    await this.#put(headerBlock({ name, size: bytes.length }));
    await this.#put(bytes);
    await this.#put(Buffer.alloc(paddingAfter(bytes.length)));
  }

  /** @throws TpullError `SIZE_MISMATCH` when the chunks are not `size` bytes in all */
  async stream(
    name: string,
    size: number,
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    await this.#put(headerBlock({ name, size }));
    let left = size;
    for await (const chunk of chunks) {
      left -= chunk.length;
      if (left < 0) break;
      await this.#put(chunk);
    }
    if (left !== 0) {
      throw new TpullError(
        "SIZE_MISMATCH",
        `${name} has not the ${size} bytes that it should have`,
      );
    }
    await this.#put(Buffer.alloc(paddingAfter(size)));
  }

  /**
   * Leaves room for content that is written into the file by others.
   * @returns the offset at which it begins
   */
  async leave(name: string, size: number): Promise<number> {
    await this.#put(headerBlock({ name, size }));
    const offset = this.#at;
    this.#at += size + paddingAfter(size);
    return offset;
  }

  /** Ends the archive. @returns its length in bytes */
  async finish(): Promise<number> {
    await this.#put(ARCHIVE_END);
    await this.#file?.finish(this.#at);
    this.#done = true;
    return this.#at;
  }

  async #put(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    await this.#sink.write(bytes);
    this.#at += bytes.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#done) await this.#file?.discard();
  }
}

/** How often a pipe is tried that nobody reads from yet. */
const READER_POLL_MS = 100;
/** And one that is full, at the most: a reader at work soon makes room. */
const FULL_POLL_MS = 32;

/**
 * Writes to what is there already and is no file: a device, a named pipe.
 * Waits for who reads from it, but no longer than for the signal.
 * @throws TpullError `OUTPUT_NOT_WRITABLE`, `DISK_FULL`, `ABORTED`
 */
export async function toSpecialFile<Result>(
  path: string,
  work: (sink: ByteSink) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  await using file = await writing(path, () => openSpecial(path, signal));
  return await work({
    write: (bytes) => writing(path, () => writeAll(file, bytes, signal)),
  });
}

async function writeAll(
  file: FileHandle,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  let wait = 0;
  for (let done = 0; done < bytes.length;) {
    try {
      done += (await file.write(bytes, done)).bytesWritten;
      wait = 0;
    } catch (error) {
      if (errnoOf(error) !== "EAGAIN") throw error;
      await pause(wait, signal);
      wait = Math.min(FULL_POLL_MS, wait + 1);
    }
  }
}

async function openSpecial(
  path: string,
  signal: AbortSignal | undefined,
): Promise<FileHandle> {
  for (;;) {
    try {
      return await open(path, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if (errnoOf(error) !== "ENXIO" || !isPipe(path)) throw error;
      await pause(READER_POLL_MS, signal);
    }
  }
}

function isPipe(path: string): boolean {
  return statSync(path).isFIFO();
}
