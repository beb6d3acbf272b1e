/** The files of an archive, whether it is one file or a directory. */
import type { FileHandle } from "node:fs/promises";
import { throwIfAborted } from "../../store/errors.js";
import { printable } from "../../store/reference/printable.js";
import { invalidArchive, unreadableArchive } from "./archive-error.js";

/** A regular file of an archive, under whatever name it was found. */
export interface FoundFile {
  /** Bytes. */
  readonly size: number;
  /** The same for all names that lead to the same file. */
  readonly identity: string;
}

export interface ArchiveFiles extends AsyncDisposable {
  /** For messages. */
  readonly what: string;
  /** Whether it is one file that stops without the mark of its end, as one that was cut between two members does. */
  readonly isCutShort?: boolean;
  /** Names of all regular files and of links to them, with `/` between the parts. */
  names(): Iterable<string>;
  /**
   * A regular file, or the one that a link leads to; undefined when there is none.
   * @throws TpullError `ABORTED`, `ARCHIVE_INVALID`, `ARCHIVE_NOT_READABLE`
   */
  find(name: string): Promise<FoundFile | undefined>;
  /**
   * The bytes from `from` up to `to`. A chunk is valid until the next one is asked for.
   * @throws TpullError `ARCHIVE_INVALID` when the file is shorter, `ABORTED`,
   *   `ARCHIVE_NOT_READABLE`
   */
  stream(
    name: string,
    from: number,
    to: number,
  ): AsyncGenerator<Uint8Array, void, undefined>;
}

/**
 * A small file as a whole.
 * @throws TpullError `ARCHIVE_INVALID` when it has more than `most` bytes
 */
export async function readFileOf(
  files: ArchiveFiles,
  name: string,
  most: number,
): Promise<Buffer | undefined> {
  const found = await files.find(name);
  if (found === undefined) return undefined;
  const { size } = found;
  if (size > most) {
    throw invalidArchive(
      `has a file ${printable(name)} of ${size} bytes, where at most ${most} are read`,
    );
  }
  const bytes = Buffer.alloc(size);
  let at = 0;
  for await (const chunk of files.stream(name, 0, size)) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

const CHUNK_BYTES = 256 * 1024;

/**
 * Reads a part of an open file into one buffer, piece by piece.
 * @param what the file, for messages
 */
export async function* chunksOf(
  file: FileHandle,
  [from, to]: readonly [number, number],
  what: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = Buffer.from(new ArrayBuffer(Math.min(CHUNK_BYTES, to - from)));
  for (let at = from; at < to;) {
    const most = Math.min(buffer.length, to - at);
    throwIfAborted(signal);
    const bytesRead = await readAt(file, buffer, most, at, what);
    if (bytesRead === 0)
      throw invalidArchive("became shorter while it was read");
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function readAt(
  file: FileHandle,
  buffer: Buffer,
  most: number,
  at: number,
  what: string,
): Promise<number> {
  try {
    return (await file.read(buffer, 0, most, at)).bytesRead;
  } catch (error) {
    throw unreadableArchive(what, error);
  }
}
