/** Bytes of a blob from its first one on, in a file that an interrupted run leaves for the next. */
import { type Hash, createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { moveFile } from "../../store/atomic.js";
import { type Digest, TpullError, abortedError } from "../../store/index.js";
import { printable } from "../../store/reference/printable.js";
import { found, kindOf } from "./own-folder.js";

/** The umask has the last word. */
export const FILE_MODE = 0o666;
/** How often bytes that arrive are flushed. */
const FLUSH_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;
/** Of what is in the place of a file: no link is followed, no pipe waited for. */
const WARY = constants.O_NOFOLLOW | constants.O_NONBLOCK;

export class Part {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #hash: Hash;
  length: number;
  #flushed: number;
  #open = true;

  private constructor(
    path: string,
    file: FileHandle,
    hash: Hash,
    length: number,
  ) {
    this.#path = path;
    this.#file = file;
    this.#hash = hash;
    this.length = length;
    this.#flushed = length;
  }

  /**
   * Goes on with a part, or begins one. What has its name and is not a file of
   * its own (a link, or a file with other names) is not written to, but gives way.
   * @throws TpullError `OUTPUT_EXISTS` for a directory, `ABORTED`
   */
  static async open(
    path: string,
    size: number,
    signal?: AbortSignal,
  ): Promise<Part> {
    await clearWay(path, size);
    const { O_RDWR, O_CREAT, O_APPEND } = constants;
    const file = await open(
      path,
      O_RDWR | O_CREAT | O_APPEND | WARY,
      FILE_MODE,
    );
    try {
      const stats = await file.stat();
      if (!isOwnFile(stats)) throw inTheWay(path, kindOf(stats));
      const hash = createHash("sha256");
      let length = 0;
      for await (const chunk of chunksOf(file, signal)) {
        hash.update(chunk);
        length += chunk.length;
      }
      return new Part(path, file, hash, length);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** A part of which nothing is here, whatever was. */
  static async begin(path: string): Promise<Part> {
    await clearWay(path, -1);
    return await Part.open(path, 0);
  }

  async append(chunk: Uint8Array): Promise<void> {
    await this.#file.appendFile(chunk);
    this.#hash.update(chunk);
    this.length += chunk.length;
    if (this.length - this.#flushed < FLUSH_BYTES) return;
    this.#flushed = this.length;
    await this.#file.datasync();
  }

  digest(): Digest {
    return `sha256:${this.#hash.copy().digest("hex")}` as Digest;
  }

  async finish(place: string): Promise<void> {
    await this.#file.sync();
    await moveFile(this.#path, place);
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }

  async close(): Promise<void> {
    if (this.#open) await this.#file.close();
    this.#open = false;
  }
}

/** Bytes of a part that are here; 0 for what is not gone on with. */
export function partLength(path: string, size: number): number {
  const stats = found(path);
  if (stats === undefined || !isOwnFile(stats) || stats.size > size) return 0;
  return stats.size;
}

/**
 * The digest of what a file holds.
 * @param onBytes told how many more have been read
 * @throws TpullError `ABORTED`
 */
export async function digestOf(
  path: string,
  signal?: AbortSignal,
  onBytes?: (bytes: number) => void,
): Promise<Digest> {
  await using file = await open(path, constants.O_RDONLY | WARY);
  if (!(await file.stat()).isFile()) throw inTheWay(path, "no file");
  const hash = createHash("sha256");
  for await (const chunk of chunksOf(file, signal)) {
    hash.update(chunk);
    onBytes?.(chunk.length);
  }
  return `sha256:${hash.digest("hex")}` as Digest;
}

/** A chunk is valid until the next one is asked for. */
async function* chunksOf(
  file: FileHandle,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let at = 0; ;) {
    if (signal?.aborted) throw abortedError();
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

async function clearWay(path: string, size: number): Promise<void> {
  const stats = found(path);
  if (stats === undefined) return;
  if (stats.isDirectory()) throw inTheWay(path, kindOf(stats));
  if (!isOwnFile(stats) || stats.size > size) await rm(path, { force: true });
}

function isOwnFile(stats: {
  isFile(): boolean;
  readonly nlink: number;
}): boolean {
  // Some filesystems do not count links.
  return stats.isFile() && stats.nlink <= 1;
}

/** For something foreign in the place of a file of a bundle. */
export function inTheWay(path: string, kind: string): TpullError {
  return new TpullError(
    "OUTPUT_EXISTS",
    `${printable(path)} is ${kind}, where a file of the bundle belongs`,
    { hint: "Remove it, or write the bundle to another place." },
  );
}
