/** The files of an archive, whether it is one file or a directory. */
import type { FileHandle } from "node:fs/promises";
import { printable } from "../../store/reference/printable.js";
import { invalidArchive } from "./archive-error.js";

export interface ArchiveFiles extends AsyncDisposable {
  /** For messages. */
  readonly what: string;
  /** Whether it is one file that stops without the mark of its end, as one that was cut between two members does. */
  readonly isCutShort?: boolean;
  /** Names of all regular files and of links to them, with `/` between the parts. */
  names(): Iterable<string>;
  /** Bytes of a regular file, or of the one that a link leads to; undefined when there is none. */
  size(name: string): Promise<number | undefined>;
  /**
   * The bytes from `from` up to `to`. A chunk is valid until the next one is asked for.
   * @throws TpullError `ARCHIVE_INVALID` when the file is shorter
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
  const size = await files.size(name);
  if (size === undefined) return undefined;
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

/** Reads a part of an open file into one buffer, piece by piece. */
export async function* chunksOf(
  file: FileHandle,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = Buffer.from(new ArrayBuffer(Math.min(CHUNK_BYTES, to - from)));
  for (let at = from; at < to;) {
    const most = Math.min(buffer.length, to - at);
    const { bytesRead } = await file.read(buffer, 0, most, at);
    if (bytesRead === 0)
      throw invalidArchive("became shorter while it was read");
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
